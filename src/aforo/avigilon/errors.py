"""What the server refuses, and what is lost on the way, as errors that a person understands.

Inside this package a refusal is an ``ApiError``; ``to_acc_error`` turns it into an AccError once the secrets that the
server's own words might repeat are known.
"""

import re
from collections.abc import Iterable

import msgspec

from aforo.errors import AccBadRequest, AccError, AccUnknownCamera, AccUnreachable

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # what decoding JSON may raise
_SESSION_STATUSES = frozenset({401, 403})
_BAD_ARGUMENT = frozenset({400, 409, 413, 415})
_NOT_TAKEN_UP = frozenset({429, 503, 507})
_LONGEST_QUOTE = 160  # characters of the server's own words
_KEEP_TRYING = "Revise acc.url, la red y el servicio Web Endpoint."


class NotTakenUp(AccUnreachable):
    """The server never began with the request: repeating it cannot skip anything."""


class NoConnection(NotTakenUp):
    """Nobody listens there: the server itself is away, not one of its cameras."""


class TimedOut(AccUnreachable):
    """No answer in time; not repeated at once, since it has already held its place for the whole of the timeout."""


class ApiError(Exception):
    """An answer that is not a success. ``enveloped``: it is the Web Endpoint itself that speaks, and no proxy.

    ``generation``: of the session that the refused request carried.
    """

    def __init__(self, status: int, message: str, *, enveloped: bool) -> None:
        self.status = status
        self.message = message
        self.enveloped = enveloped
        self.generation = 0
        super().__init__(status)

    @property
    def of_session(self) -> bool:
        """The session, or at a login the user or the token, is not accepted."""
        return self.status in _SESSION_STATUSES


class _Meta(msgspec.Struct):
    name: str = ""


class _ErrorEnvelope(msgspec.Struct):
    status: str
    statusCode: int = 0  # noqa: N815 -- the wire's name
    message: str = ""
    meta: _Meta | None = None


_error_envelope = msgspec.json.Decoder(_ErrorEnvelope)


def refusal(status: int, body: bytes) -> ApiError:
    """Read an error answer; ``status`` is HTTP's, 200 where only the body tells of the error."""
    try:
        error = _error_envelope.decode(body)
    except UNREADABLE:
        return ApiError(status, "", enveloped=False)
    name = error.meta.name if error.meta else ""
    real = status if status >= 400 else error.statusCode or 500
    return ApiError(real, error.message or name, enveloped=True)


def to_acc_error(refused: ApiError, secrets: Iterable[str]) -> AccError:
    """The AccError for a refusal that has nothing to do with the session."""
    status, words = refused.status, quoted(refused.message, secrets)
    if status in _BAD_ARGUMENT or (refused.enveloped and 400 <= status < 500 and status not in {404, 408, 429}):
        return AccBadRequest(
            f"El servidor de cámaras rechaza la consulta ({status}{words}).", remedy="Revise los ajustes de [acc]."
        )
    if status == 404 and refused.enveloped:
        return AccUnknownCamera(
            f"El servidor de cámaras no conoce lo que se le pide (404{words}).",
            remedy="Revise los identificadores con «aforo cameras».",
        )
    if status == 404:
        return AccUnreachable(
            "En esa dirección no contesta el Web Endpoint (404).",
            remedy="Revise acc.url y que el servicio Web Endpoint esté instalado y en marcha.",
        )
    kind = NotTakenUp if status in _NOT_TAKEN_UP else AccUnreachable
    return kind(f"El servidor de cámaras contestó con un error suyo ({status}{words}).")


def garbled() -> AccUnreachable:
    """The answer is empty, cut short, or not the Web Endpoint's."""
    return AccUnreachable("El servidor de cámaras dio una respuesta vacía, cortada o que no es del Web Endpoint.")


def unreachable(host: str, exc: BaseException) -> AccUnreachable:
    """The connection broke before the whole answer was here."""
    return AccUnreachable(f"Se cortó la conexión con el servidor de cámaras {host} ({type(exc).__name__}).")


def no_connection(host: str, why: str) -> NoConnection:
    """No connection could be made."""
    return NoConnection(f"No hay conexión con el servidor de cámaras {host} ({why}).", remedy=_KEEP_TRYING)


def timed_out(host: str, seconds: float) -> TimedOut:
    """No whole answer within ``seconds``."""
    return TimedOut(f"El servidor de cámaras {host} no contestó en {seconds:g} s.")


def redirected(status: int, target: str | None) -> AccBadRequest:
    """The server sends elsewhere: not followed, for the session must not go there."""
    return AccBadRequest(
        f"El servidor de cámaras remite a otra dirección ({status}, hacia {target or 'un lugar desconocido'}).",
        remedy="Ponga en acc.url la dirección del propio servidor ACC.",
    )


def quoted(message: str, secrets: Iterable[str]) -> str:
    """``: «…»`` with the server's own words on one line, cut, and without any of the secrets; "" without words."""
    for secret in secrets:
        if secret:
            message = message.replace(secret, "***")
    words = re.sub(r"[^\S ]+|[\x00-\x1f\x7f]", " ", message).strip()[:_LONGEST_QUOTE]
    return f": «{words}»" if words else ""
