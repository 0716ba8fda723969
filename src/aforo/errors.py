"""The one tree of errors, named by what the operator can do next.

    AforoError
    ├── BadInput               mend a file, a setting or a command, then start again
    │   ├── BadCommand
    │   ├── BadSetting
    │   ├── BadSchedule
    │   ├── BadCameras
    │   └── LogUnwritable
    ├── AccError               the cameras' server
    │   ├── AccUnreachable     wait: it is retried while the event lasts
    │   │   └── AccWindowTooLarge  inform ACC's administrator: it is retried in shorter pieces, and ever less often
    │   ├── AccRejectedLogin   mend user, password, nonce, key or the clock
    │   │   └── AccDenied      give the user the right to what was requested
    │   ├── AccUntrusted       mend the certificate settings
    │   ├── AccBadRequest      a fault of ours or of a setting: not repeated
    │   ├── AccUnknownCamera   that camera is reported, the others go on
    │   └── AccIncomplete      all that could be had was given, but the server cannot show that it is all
    └── StoreError             the database
        ├── StoreUnavailable   wait: the whole transaction is retried on a fresh connection
        ├── StoreReplaced      open the event's record again, and read from ACC what it lacks
        ├── StoreRejectedLogin mend the database user or its password
        ├── StoreNotReady      ask the DBA: tables or rights are missing
        └── StoreRejectedRow   one row that the database rejects: quarantined, never fatal

Exceptions of libraries stop in the package that calls the library, always with ``from exc``.
"""

import errno


class AforoError(Exception):
    """A failure with its explanation for a person, in Spanish.

    what: what happened. meaning: what it means for the count. remedy: what to do now. None of the three may hold a
    secret. ``exit_code`` is what the process ends with when nobody handles it.
    """

    exit_code = 1

    def __init__(self, what: str, meaning: str = "", remedy: str = "") -> None:
        self.what = what
        self.meaning = meaning
        self.remedy = remedy
        super().__init__(" ".join(part for part in (what, meaning, remedy) if part))


class BadInput(AforoError):
    """Something the operator wrote cannot be used as it is."""

    exit_code = 2


class BadCommand(BadInput):
    """The command line does not fit."""


class BadSetting(BadInput):
    """A setting is unknown, missing or out of its range."""


class BadSchedule(BadInput):
    """The schedule file (eventos_programados.json) cannot be used."""


class BadCameras(BadInput):
    """The allow list (ids_camaras_permitidas.json) cannot be used."""


class LogUnwritable(BadInput):
    """The log file cannot be opened for writing."""


class AccError(AforoError):
    """The cameras' server did not give what was requested."""

    exit_code = 3


class AccUnreachable(AccError):
    """No answer, a cut or garbled answer, or 5xx: a fault of the server, which passes."""


class AccWindowTooLarge(AccUnreachable):
    """A window takes more requests than any correct answer: the server does not keep to it, or its pages never end."""


class AccRejectedLogin(AccError):
    """401 or 403 at a fresh login: user, password, nonce, key, clock or rights are wrong."""


class AccDenied(AccRejectedLogin):
    """401 or 403 with a session that was just begun: this user may not read that; the login itself was accepted."""


class AccUntrusted(AccError):
    """The server's certificate is neither signed by a trusted CA nor the pinned one."""


class AccBadRequest(AccError):
    """400, 409, 413 or 415: an argument of ours or a setting is wrong; repeating does not help."""


class AccUnknownCamera(AccError):
    """404: the server has no such camera or server."""


class AccIncomplete(AccError):
    """More events in one millisecond than the server gives in a page, without a way on: some may be missing."""


class StoreError(AforoError):
    """An operation of the database failed.

    ``detail``: the driver's own words, for whoever administers the database; no part of the sentence.
    """

    exit_code = 4
    detail = ""


class StoreUnavailable(StoreError):
    """No connection, a lock, a deadlock, a failover: a fresh connection and the same transaction again may do."""


class StoreReplaced(StoreError):
    """The database is another one than before, or an older state of it: it was removed, replaced or restored."""


class StoreRejectedLogin(StoreError):
    """The database rejects the user, the password or the database's name."""


class StoreNotReady(StoreError):
    """Tables or rights are missing and this account may not make them."""


class StoreRejectedRow(StoreError):
    """The database rejects a row because of its content, and would reject it again."""


OS_REASONS = {
    errno.ENOENT: "no existe",
    errno.EACCES: "sin permiso",
    errno.EPERM: "sin permiso",
    errno.EEXIST: "ya existe",
    errno.EISDIR: "es una carpeta",
    errno.ENOTDIR: "la ruta pasa por algo que no es una carpeta",
    errno.ENAMETOOLONG: "el nombre es demasiado largo",
    errno.ELOOP: "los enlaces de la ruta no acaban",
    errno.ENOSPC: "no queda espacio en el disco",
    errno.EDQUOT: "no queda cuota de disco",
    errno.EFBIG: "el archivo es demasiado grande",
    errno.EROFS: "el disco es de solo lectura",
    errno.EIO: "el disco o el dispositivo falla",
    errno.ENXIO: "el disco o el dispositivo no está",
    errno.EBUSY: "lo tiene otro programa",
    errno.EMFILE: "el programa tiene demasiados archivos abiertos",
    errno.ENFILE: "la máquina tiene demasiados archivos abiertos",
    errno.ENOMEM: "no queda memoria",
    errno.EINVAL: "el nombre o el valor no se admite",
    errno.EADDRINUSE: "el puerto ya está ocupado",
    errno.EADDRNOTAVAIL: "esa dirección no es de esta máquina",
    errno.ECONNREFUSED: "nada escucha en esa dirección",
    errno.ECONNRESET: "el otro lado cortó la conexión",
    errno.ECONNABORTED: "la conexión se cortó",
    errno.EPIPE: "el otro lado cerró la conexión",
    errno.ETIMEDOUT: "no contestó a tiempo",
    errno.EHOSTUNREACH: "no hay camino a esa máquina",
    errno.ENETUNREACH: "no hay red",
    errno.ENETDOWN: "no hay red",
    -2: "ese nombre no se encuentra en la red",  # getaddrinfo's numbers, Linux's and Windows's
    -3: "ese nombre no se encuentra en la red",
    -5: "ese nombre no se encuentra en la red",
    11001: "ese nombre no se encuentra en la red",
    11002: "ese nombre no se encuentra en la red",
}


def os_reason(error: OSError) -> str:
    """Return in Spanish why the operating system rejected an operation; its own words are English, or the machine's."""
    unknown = f"error {error.errno} del sistema" if error.errno else "el sistema no lo admite"
    return OS_REASONS.get(error.errno or 0, unknown)
