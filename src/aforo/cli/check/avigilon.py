"""The checks of the Avigilon server: certificate, login, clock, servers, cameras and what they sent recently."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from aforo.avigilon import (
    AvigilonClient,
    Camera,
    Server,
    ServerCertificate,
    home_servers,
    recent_sources,
    server_certificate,
)
from aforo.cli.check.results import Line, State, failed, failure, ok, skipped, warning
from aforo.clock import Clock
from aforo.errors import AccError, AccUnreachable, AccUntrusted, AforoError
from aforo.models import EventSource
from aforo.redaction import Mask
from aforo.settings import AccSettings
from aforo.wording import duration, plural

_PATIENCE = 30.0  # seconds for the events of one camera
_SKEW_WARNING, _SKEW_FAILURE = timedelta(seconds=30), timedelta(minutes=5)
_MOST_NAMES = 6  # of a camera, on its line
_CERTIFICATE, _LOGIN, _CAMERA = "acc.certificate", "acc.login", "acc.camera"
_EXPIRY = "acc.certificate_expiry"
_CONFIRM = "Si el administrador de ACC confirma que renovó el certificado, cambie acc.fingerprint; si no, no siga."
_WORST_LAST = {State.OK: 0, State.SKIPPED: 1, State.WARNING: 2, State.FAILURE: 3}


@dataclass(slots=True)
class AvigilonCheck:
    """Checks the server. ``lines`` fills ``sources``: what each camera (by its display name) sent recently.

    ``begin`` receives in Spanish what is waited for.
    """

    settings: AccSettings
    cameras: Set[str]
    days: int
    clock: Clock
    mask: Mask
    begin: Callable[[str], None] = lambda _: None
    sources: dict[str, Counter[EventSource]] = field(default_factory=dict)

    async def lines(self) -> AsyncGenerator[Line, None]:
        """Yield the lines about the server, each as soon as it is known."""
        if not self.settings.url:
            yield skipped("acc", "Sin acc.url no se puede preguntar a nadie.")
            return
        host = urlsplit(self.settings.url).netloc
        self.begin(f"Se mira el certificado de {host}")
        certificate = await _shown_certificate(self.settings, self.clock)
        shown = certificate if isinstance(certificate, AccError) else certificate.fingerprint
        try:
            async with AvigilonClient(self.settings, self.clock, mask=self.mask) as acc:
                self.begin(f"Se inicia sesión en {host}, hasta {self.settings.timeout:g} s cada intento")
                await acc.login()
                yield _trusted(self.settings, shown)
                if isinstance(certificate, ServerCertificate) and self._is_expired(certificate):
                    yield _expired(certificate)
                yield ok(_LOGIN, f"Sesión iniciada como «{self.settings.username}».")
                yield _clock_line(acc.clock_skew)
                async for line in self._logged_in_lines(acc):
                    yield line
        except AccUntrusted as exc:
            yield _untrusted(exc, shown)
            yield skipped(_LOGIN, "Sin un certificado de confianza no se envía la contraseña.")
        except AccUnreachable as exc:
            yield failure(_LOGIN, exc.what, "Revise acc.url, la red y que el Web Endpoint esté en marcha, y repita.")
            yield skipped("acc.cameras", "Sin sesión no se sabe nada de servidores ni cámaras.")
        except AforoError as exc:  # whatever the server does, the other lines are written
            if isinstance(shown, str):
                yield _shown(self.settings, shown)
            yield failed(_LOGIN, exc)
            yield skipped("acc.cameras", "Sin sesión no se sabe nada de servidores ni cámaras.")

    def _is_expired(self, certificate: ServerCertificate) -> bool:
        until = certificate.valid_until
        return bool(self.settings.fingerprint) and until is not None and until < self.clock.now()

    async def _logged_in_lines(self, acc: AvigilonClient) -> AsyncIterator[Line]:
        self.begin("Se piden las listas de servidores y cámaras")
        try:
            servers, known = await acc.servers(), await acc.cameras()
        except AccError as exc:
            yield failed("acc.servers", exc)
            return
        for server in servers:
            mine = sum(camera.server_id == server.id for camera in known if camera.id in self.cameras)
            yield ok("acc.server", f"Servidor {server.name or server.id}: {mine} de las cámaras permitidas.")
        for what, number in acc.unusable.items():
            if number:
                text = f"De la lista de {what}, {plural(number, 'entrada')} sin usar: ilegibles o sin id."
                yield warning("acc.lists", text, "Si falta algo abajo, revise en ACC los nombres y el estado.")
        if not servers:
            what = "El sitio no tiene ningún servidor."
            yield failure("acc.server", what, "Revise acc.url y los derechos del usuario.")
        self.begin(f"Se lee lo que {plural(len(self.cameras), 'cámara')} enviaron en {plural(self.days, 'día')}")
        by_id = {camera.id: camera for camera in known}
        checks = [self._camera_line(acc, camera_id, by_id.get(camera_id), servers) for camera_id in self.cameras]
        for line in sorted(await asyncio.gather(*checks), key=lambda line: (_WORST_LAST[line.state], line.what)):
            yield line

    async def _camera_line(
        self, acc: AvigilonClient, camera_id: str, camera: Camera | None, servers: Sequence[Server]
    ) -> Line:
        listed = camera is not None
        camera = camera or Camera(camera_id, "", "", None, "")
        name = f"«{camera.name}» ({camera.id[:12]}…)" if camera.name else camera.id
        now = self.clock.now()
        try:
            async with self.clock.timeout(_PATIENCE):
                sources, whole = await recent_sources(acc, camera.id, home_servers(camera, servers), now, self.days)
        except AccError as exc:
            return failed(_CAMERA, type(exc)(f"Cámara {name}: {exc.what}", exc.meaning, exc.remedy))
        except TimeoutError:
            what = f"Cámara {name}: no contestó en {_PATIENCE:g} s."
            return warning(_CAMERA, what, "Repita; si sigue, revise en ACC el servidor de esa cámara.")
        if not listed and not sources:
            what = f"Ningún servidor conoce la cámara {camera_id}."
            return failure(_CAMERA, what, "Revise ids_camaras_permitidas.json; la lista: «aforo cameras».")
        self.sources[camera.name or camera.id] = sources
        names: Counter[str] = Counter()
        for source, number in sources.items():
            names[source.name] += number
        return self._connected_line(camera, name, names, whole=whole)

    def _connected_line(self, camera: Camera, name: str, names: Counter[str], *, whole: bool) -> Line:
        if camera.connected is False:
            what = f"Cámara {name}: sin conexión con su servidor ({camera.state or 'estado desconocido'})."
            return warning(_CAMERA, what, "Revise la cámara y su red en ACC.")
        state = "estado desconocido" if camera.connected is None else "conectada"
        if not names:
            what = f"Cámara {name}: {state}; ningún evento en {self.days} días."
            return warning(_CAMERA, what, "Compruebe en ACC que su analítica está activa y envía eventos.")
        most_common = ", ".join(
            f"{one} ({number}{'' if whole else '+'})" for one, number in names.most_common(_MOST_NAMES)
        )
        return ok(_CAMERA, f"Cámara {name}: {state}; {most_common}.")


async def _shown_certificate(settings: AccSettings, clock: Clock) -> ServerCertificate | AccError:
    try:
        return await server_certificate(settings.url, clock)
    except AccError as exc:
        return exc


def _expired(certificate: ServerCertificate) -> Line:
    """Return the line about a certificate that is accepted though it has expired."""
    what = f"Ese certificado caducó el {certificate.valid_until:%Y-%m-%d}; se acepta porque su huella coincide."
    return warning(_EXPIRY, what, "Pida que lo renueven en ACC, y cambie entonces acc.fingerprint.")


def _untrusted(error: AccUntrusted, shown: str | AccError) -> Line:
    """Return the line about a rejected certificate, with the setting to copy if the fingerprint is known."""
    line = failed(_CERTIFICATE, error)
    if not isinstance(shown, str):
        return line
    remedy = "Pida su huella SHA-256 al administrador de ACC. Solo si es esta, escriba en [acc] de aforo.toml:"
    other = "o deje acc.ca_file con el certificado de la autoridad que lo firmó."
    return failure(_CERTIFICATE, line.what, remedy, [f'fingerprint = "{shown}"', other])


def _shown(settings: AccSettings, shown: str) -> Line:
    """Return the line about a certificate whose login failed for another reason."""
    if settings.fingerprint and settings.fingerprint != shown.replace(":", "").lower():
        return failure(_CERTIFICATE, f"El certificado no es el de acc.fingerprint: muestra {shown}", _CONFIRM)
    return ok(_CERTIFICATE, f"Huella SHA-256 del certificado: {shown}")


def _trusted(settings: AccSettings, shown: str | AccError) -> Line:
    """Return the line about an accepted certificate, with the reason why it is accepted."""
    if not isinstance(shown, str):
        return warning(_CERTIFICATE, f"No se pudo ver el certificado: {shown}", "Repita.")
    if settings.fingerprint:
        return ok(_CERTIFICATE, f"El certificado es el fijado en acc.fingerprint: {shown}")
    if not settings.verify:
        what = f"El certificado no se comprueba. Su huella SHA-256: {shown}"
        remedy = f'Compárela con la que dé el administrador de ACC y ponga fingerprint = "{shown}" en [acc].'
        return warning(_CERTIFICATE, what, remedy)
    why = "la autoridad de acc.ca_file" if settings.ca_file else "una autoridad que conoce esta máquina"
    return ok(_CERTIFICATE, f"El certificado lo firmó {why}. Su huella SHA-256: {shown}")


def _clock_line(skew: timedelta | None) -> Line:
    remedy = "Ponga en hora las dos máquinas (NTP)."
    if skew is None:
        return warning("acc.clock", "El servidor no dice qué hora tiene.", remedy)
    away = abs(skew)
    if away < _SKEW_WARNING:
        return ok("acc.clock", f"Los relojes coinciden ({skew.total_seconds():+.0f} s).")
    direction = "adelantado" if skew > timedelta(0) else "atrasado"
    what = f"El reloj del servidor va {direction} {duration(away.total_seconds())} respecto a este."
    if away < _SKEW_FAILURE:
        return warning("acc.clock", what, remedy)
    return failure("acc.clock", f"{what} Con tanto, algunas versiones de ACC no dejan entrar.", remedy)
