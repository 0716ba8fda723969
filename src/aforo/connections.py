"""Connections that the program makes: which certificates are trusted, and in Spanish why one did not come about."""

import re
import socket
import ssl
from pathlib import Path

from aforo.errors import OS_REASONS, os_reason

# OpenSSL's numbers (X509_V_ERR_…), whose words are English.
_CERTIFICATE_REASONS = {
    2: "lo firmó una autoridad que esta máquina no conoce",
    9: "todavía no vale: mire el reloj de las dos máquinas",
    10: "está caducado",
    18: "es autofirmado",
    19: "lo firmó una autoridad propia que esta máquina no conoce",
    20: "lo firmó una autoridad que esta máquina no conoce",
    21: "lo firmó una autoridad que esta máquina no conoce",
    23: "está revocado",
    24: "su autoridad no puede firmar certificados",
    26: "no es para servidores",
    62: "es de otro nombre de servidor",
    64: "es de otra dirección IP",
    66: "su clave es demasiado corta",
    67: "la clave de su autoridad es demasiado corta",
    68: "su firma es de una clase que ya no es segura",
}
_KINDS = (
    (TimeoutError, "no contestó a tiempo"),
    (ssl.SSLError, "la conexión cifrada (TLS) no se pudo hacer"),
    (socket.gaierror, "ese nombre no se encuentra en la red (DNS)"),
)
_ERRNO = re.compile(r"\[Errno (-?\d+)\]")


def trusted_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts the CAs of ``ca_file``, or those of this machine. It reads files.

    Alike on every Python: 3.13 began to be strict about what a CA's own certificate says of itself (RFC 5280), which
    refuses private CAs that 3.11 and 3.12 accept, and to accept an intermediate CA, or the server's own certificate, in
    the place of the root. Here the first is off and the second on. Raises OSError, ssl.SSLError among them.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def connection_reason(error: BaseException) -> str:
    """Return in Spanish why a connection, or the request on it, failed; ``error`` is as a client library raises it."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"su certificado {certificate_reason(cause)}"
    for kind, reason in _KINDS:
        if isinstance(cause, kind):
            return reason
    return (
        _system_reason(cause) if isinstance(cause, OSError) else "cortó la conexión o no contestó como un servidor web"
    )


def _system_reason(error: OSError) -> str:
    if error.errno in OS_REASONS:
        return os_reason(error)
    numbers = {int(number) for number in _ERRNO.findall(str(error))}  # several addresses were tried
    return next((OS_REASONS[number] for number in sorted(numbers) if number in OS_REASONS), "no se pudo llegar")


def certificate_reason(error: ssl.SSLCertVerificationError) -> str:
    """Return in Spanish why a certificate is not trusted, as what follows «el certificado»."""
    return _CERTIFICATE_REASONS.get(error.verify_code, f"no se puede comprobar (OpenSSL {error.verify_code})")
