"""How the server's certificate is checked: system CAs, a CA file, one pinned certificate or, with a warning, not."""

import asyncio
import hashlib
import logging
import ssl
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import Fingerprint
from cryptography.x509 import load_der_x509_certificate

from aforo.avigilon.errors import no_connection, timed_out
from aforo.clock import Clock, SystemClock
from aforo.connections import certificate_reason, connection_reason, trusted_context
from aforo.errors import AccUnreachable, AccUntrusted
from aforo.reference_clock import ReferenceClock
from aforo.settings import AccSettings

_log = logging.getLogger(__name__)
_HANDSHAKE_SECONDS = 10.0  # enough for a handshake, and for a person who waits for «aforo check»
_OF_TIME = frozenset({9, 10})  # OpenSSL's numbers: not yet valid, expired
_NOT_COUNTED = "No se le envió ninguna contraseña y no se puede contar."


class ServerCertificate(NamedTuple):
    """A server's certificate: its SHA-256, ``AA:BB:…``, and its validity, aware UTC, None where it cannot be read."""

    fingerprint: str
    valid_until: datetime | None
    valid_from: datetime | None = None


class _PinnedCertificate(Fingerprint):
    """Accepts the pinned certificate, and warns once where it has expired: the pin counts all the same."""

    def __init__(self, digest: bytes, clock: Clock) -> None:
        super().__init__(digest)
        self._clock = clock
        self._examined = False

    def check(self, transport: asyncio.Transport) -> None:
        """Raise ServerFingerprintMismatch for another certificate; aiohttp calls it for each new connection."""
        super().check(transport)
        if self._examined:
            return
        self._examined = True
        _, until = _validity(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
        if until is not None and until < self._clock.now():
            _log.warning(
                "El certificado fijado en acc.fingerprint caducó el %s; se acepta porque su huella coincide. Pida que"
                " lo renueven en ACC y cambie entonces acc.fingerprint.",
                f"{until:%Y-%m-%d}",
            )


def certificate_check(settings: AccSettings, clock: Clock) -> ssl.SSLContext | Fingerprint:
    """Return what aiohttp checks the server's certificate against. It reads files: call it in a thread.

    Raises AccUntrusted for a bad ca_file. A pinned fingerprint is the strictest and goes first. aiohttp compares it
    after the handshake, before it sends anything, and only for https, the only scheme that the settings allow.
    """
    if settings.fingerprint:
        return _PinnedCertificate(bytes.fromhex(settings.fingerprint.replace(":", "")), clock)
    if not settings.verify:
        _log.warning(
            "acc.verify está apagado: el certificado del servidor de cámaras no se comprueba y cualquiera podría"
            " suplantarlo. Ponga acc.fingerprint o acc.ca_file."
        )
        return _unchecked()
    try:
        return trusted_context(settings.ca_file)
    except (OSError, ValueError) as exc:
        plain = isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError)
        why = connection_reason(exc) if plain else "no es un certificado"
        raise AccUntrusted(
            f"No se puede usar el archivo de acc.ca_file, {settings.ca_file} ({why}).",
            remedy="Debe ser un certificado en formato PEM que este usuario pueda leer.",
        ) from exc


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def fingerprint(url: str, clock: Clock | None = None) -> str:
    """Return the SHA-256 of the server's certificate, ``AA:BB:…``. Sends nothing. Raises AccUnreachable."""
    return (await server_certificate(url, clock)).fingerprint


async def server_certificate(url: str, clock: Clock | None = None) -> ServerCertificate:
    """Return the server's certificate. Sends nothing. Raises AccUnreachable."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        async with (clock or SystemClock()).timeout(_HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=_unchecked(), server_hostname=host)
    except TimeoutError as exc:
        raise timed_out(parts.netloc, _HANDSHAKE_SECONDS) from exc
    except OSError as exc:
        raise no_connection(parts.netloc, connection_reason(exc)) from exc
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    since, until = _validity(certificate)
    return ServerCertificate(_colons(hashlib.sha256(certificate).hexdigest()), until, since)


def _validity(certificate: bytes) -> tuple[datetime | None, datetime | None]:
    try:
        parsed = load_der_x509_certificate(certificate)
    except ValueError:
        return None, None
    return parsed.not_valid_before_utc, parsed.not_valid_after_utc


def _colons(digits: str) -> str:
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2)).upper()


async def untrusted_certificate(url: str, exc: Exception, clock: ReferenceClock) -> AccUntrusted:
    """Return the error for a certificate that is not trusted, with the fingerprint to pin if it can be had."""
    try:
        certificate = await server_certificate(url, clock)
    except AccUnreachable:
        certificate = ServerCertificate("", None)
    shown = certificate.fingerprint
    untimely = _not_valid_at(clock.machine_time, urlsplit(url).netloc, certificate)
    if untimely is not None and getattr(exc, "verify_code", 0) in _OF_TIME:
        return untimely
    why = certificate_reason(exc) if isinstance(exc, ssl.SSLCertVerificationError) else ""
    pin = f"si es {shown}, póngala en acc.fingerprint; si no, no siga" if shown else "póngala en acc.fingerprint"
    return AccUntrusted(
        f"El certificado del servidor de cámaras {urlsplit(url).netloc} no es de confianza{why and f': {why}'}.",
        _NOT_COUNTED,
        f"Ponga en acc.ca_file la autoridad que lo firmó. O pida al administrador de ACC la huella SHA-256: {pin}.",
    )


def _not_valid_at(instant: datetime, host: str, certificate: ServerCertificate) -> AccUntrusted | None:
    """Return the error for a certificate that is not valid at the machine's time, by which TLS checks it."""
    since, until = certificate.valid_from, certificate.valid_until
    if since is None or until is None or since <= instant <= until:
        return None
    return AccUntrusted(
        f"El certificado del servidor de cámaras {host} vale del {since:%Y-%m-%d} al {until:%Y-%m-%d}, y para este"
        f" equipo hoy es {instant:%Y-%m-%d}.",
        _NOT_COUNTED,
        "Si esa fecha no es la de hoy, ponga en hora este equipo (NTP). Si lo es, pida que renueven el certificado.",
    )


def another_certificate(host: str, got: bytes) -> AccUntrusted:
    """Return the error for a certificate that is not the pinned one."""
    return AccUntrusted(
        f"El certificado del servidor de cámaras {host} no es el de acc.fingerprint: muestra {_colons(got.hex())}.",
        _NOT_COUNTED,
        "Si el administrador de ACC confirma que renovó el certificado, cambie acc.fingerprint; si no, no siga.",
    )
