"""The listening socket and its certificate."""

import socket
import ssl
from pathlib import Path

from aforo.errors import BadSetting, os_reason


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, not listening yet. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except BaseException:  # whatever ends it, a cancellation too: the socket must not stay open
        listener.close()
        raise
    return listener


def tls_context(
    certificate_file: Path | None, key_file: Path | None, *, whose: str, section: str
) -> ssl.SSLContext | None:
    """Return the TLS context of a server, None for one without TLS.

    ``whose`` certificate it is, in Spanish, and the ``section`` of its settings are for the error. Raises BadSetting.
    """
    if certificate_file is None or key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asked: list[bool] = []

    def no_password() -> str:  # without one OpenSSL would ask for it on the terminal, and wait
        asked.append(True)
        return ""

    try:
        context.load_cert_chain(certificate_file, key_file, password=no_password)
    except OSError as exc:
        raise BadSetting(
            f"El certificado de {whose} ({certificate_file}, {key_file}) no sirve: "
            f"{_certificate_fault(exc, encrypted=bool(asked))}.",
            remedy=f"Corrija {section}.certificate_file y {section}.key_file: dos archivos PEM que van juntos.",
        ) from exc
    return context


def _certificate_fault(error: OSError, *, encrypted: bool) -> str:
    if not isinstance(error, ssl.SSLError):
        return os_reason(error)
    if encrypted:
        return "la clave está cifrada con contraseña"
    mismatch = error.reason == "KEY_VALUES_MISMATCH"
    return "la clave no es la de ese certificado" if mismatch else "no son un certificado y una clave en formato PEM"
