"""Error answers and broken connections as errors with Spanish sentences.

Within this package an error answer is an ``ApiError``; ``to_acc_error`` turns it into an AccError, without the secrets
that the server's own message may repeat.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from aforo.avigilon.lenient_json import loads
from aforo.connections import connection_reason
from aforo.errors import AccBadRequest, AccError, AccUnknownCamera, AccUnreachable
from aforo.outside_text import visible
from aforo.redaction import Mask

if TYPE_CHECKING:
    from aforo.avigilon.payloads import SearchAnswer

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)  # what decoding JSON may raise
SESSION_STATUSES = frozenset({401, 403})
_BAD_ARGUMENT = frozenset({400, 409, 413, 415})
_NOT_TAKEN_UP = frozenset({429, 503, 507})
_MAX_QUOTE = 160  # characters of the server's own message
_MAX_ERROR = 1024 * 1024  # bytes of an error answer that is read
_MAX_READ = 4_096  # characters of it that are looked at
_CHECK_ADDRESS = "Revise acc.url, la red y el servicio Web Endpoint."


class NotTakenUp(AccUnreachable):
    """The server did not begin with the request: sending it again cannot skip anything."""


class NoConnection(NotTakenUp):
    """Nothing listens at that address: the server itself is away, not one of its cameras."""


class TimedOut(AccUnreachable):
    """No answer in time; not sent again at once, since it has already taken the whole timeout."""


class Overdue(TimedOut):
    """No answer though the server usually answers by then: the request was given up long before ``acc.timeout``."""


class CutAnswer(AccUnreachable):
    """Only the beginning of an answer can be read: ``answer`` is what of it can be used, and is not all."""

    def __init__(self, answer: "SearchAnswer") -> None:
        self.answer = answer
        super().__init__(garbled().what)


class ApiError(Exception):
    """An error answer. ``enveloped``: it is in the Web Endpoint's own form, so no proxy sent it."""

    def __init__(self, status: int, message: str, *, enveloped: bool) -> None:
        self.status = status
        self.message = message
        self.enveloped = enveloped
        super().__init__(status)

    @property
    def of_session(self) -> bool:
        """Whether the session, or at a login the user or the token, is not accepted."""
        return self.status in SESSION_STATUSES


def parse_error(status: int, body: bytes) -> ApiError:
    """Read an error answer; ``status`` is HTTP's, 200 where only the body is an error."""
    document: Any = None
    if len(body) <= _MAX_ERROR:
        with suppress(ValueError):
            document = loads(body)
    if not isinstance(document, dict) or not isinstance(document.get("status"), str):
        return ApiError(status, "", enveloped=False)
    code, message, meta = document.get("statusCode"), document.get("message"), document.get("meta")
    name = meta.get("name") if isinstance(meta, dict) else None
    text = next((one for one in (message, name) if isinstance(one, str) and one), "")
    if status < 400:
        status = code if isinstance(code, int) and 100 <= code <= 999 else 500
    return ApiError(status, text, enveloped=True)


def to_acc_error(error: ApiError, mask: Mask) -> AccError:
    """Return the AccError for an error answer that has nothing to do with the session."""
    status, words = error.status, quoted(error.message, mask)
    if status in _BAD_ARGUMENT or (error.enveloped and 400 <= status < 500 and status not in {404, 408, 429}):
        return AccBadRequest(
            f"El servidor de cámaras rechaza la consulta ({status}{words}).", remedy="Revise los ajustes de [acc]."
        )
    if status == 404 and error.enveloped:
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
    """Return the error for an answer that is empty, cut short, or not the Web Endpoint's."""
    return AccUnreachable("El servidor de cámaras dio una respuesta vacía, cortada o que no es del Web Endpoint.")


def unreachable(host: str, exc: BaseException) -> AccUnreachable:
    """Return the error for a connection that broke before the whole answer was here."""
    return AccUnreachable(f"Se cortó la conexión con el servidor de cámaras {host} ({connection_reason(exc)}).")


def no_connection(host: str, why: str) -> NoConnection:
    """Return the error for a connection that could not be made."""
    return NoConnection(f"No hay conexión con el servidor de cámaras {host} ({why}).", remedy=_CHECK_ADDRESS)


def timed_out(host: str, seconds: float) -> TimedOut:
    """Return the error for an answer that was not complete within ``seconds``."""
    return TimedOut(f"El servidor de cámaras {host} no contestó en {seconds:g} s.")


def redirected(status: int, target: str) -> AccBadRequest:
    """Return the error for a redirect, which is not followed: the session must not go elsewhere."""
    return AccBadRequest(
        f"El servidor de cámaras remite a otra dirección ({status}, hacia {target or 'un lugar desconocido'}).",
        remedy="Ponga en acc.url la dirección del propio servidor ACC.",
    )


def quoted(message: str, mask: Mask) -> str:
    """Return ``: «…»`` with the server's message on one line, cut and without secrets; "" without a message."""
    begin = message[:_MAX_READ]
    if len(begin) < len(message):
        begin = begin.rpartition(" ")[0]  # its last word may be a half secret
    words = " ".join(mask(begin).split())[:_MAX_QUOTE]
    return f": «{visible(words)}»" if words else ""
