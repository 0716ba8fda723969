"""The check of the way from the cameras' server to the receiver of its pushes."""

from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from aforo.avigilon import AvigilonClient
from aforo.cli.check.results import Line, ok, skipped, warning
from aforo.clock import Clock
from aforo.errors import AccError, AforoError, BadSetting, os_reason
from aforo.push import PATIENCE, first_push
from aforo.redaction import Mask
from aforo.settings import Settings

_TOPIC = "push"
_WITHOUT = "Sin notificaciones se cuenta igual: se consulta cada pocos segundos."


async def push_lines(settings: Settings, clock: Clock, mask: Mask, begin: Callable[[str], None]) -> AsyncIterator[Line]:
    """Yield a line about the pushes, none where they are off. ``begin`` receives in Spanish what is waited for."""
    push = settings.push
    if not push.url or not settings.acc.url:
        return
    begin(f"Se espera una notificación de ACC en {push.url}, hasta {PATIENCE:g} s")
    try:
        async with AvigilonClient(settings.acc, clock, mask=mask) as client:
            await client.login()
            seconds = await first_push(push, client, clock)
    except OSError as exc:
        what = f"No se puede escuchar en {push.host}:{push.port} ({os_reason(exc)}): el camino no se prueba."
        remedy = "Si es el propio programa, ya en marcha, su página dice si llegan. Si no, cambie push.port."
        yield warning(_TOPIC, what, remedy)
    except BadSetting:  # a precondition, and has a line already
        return
    except AccError as exc:
        yield warning(_TOPIC, f"ACC no puede notificar cada paso: {exc.what}", f"{exc.remedy} {_WITHOUT}".strip())
    except AforoError:
        yield skipped(_TOPIC, "Sin sesión no se puede pedir a ACC que notifique.")
    else:
        if seconds is not None:
            yield ok(_TOPIC, f"ACC llega a {push.url}: la primera notificación tardó {seconds:.1f} s.")
        else:
            yield _unreached(settings)


def _unreached(settings: Settings) -> Line:
    """Return the line about an address that the server does not reach, with what a firewall must let through."""
    push, target = settings.push, urlsplit(settings.push.url)
    port = target.port or (443 if target.scheme == "https" else 80)
    acc = urlsplit(settings.acc.url).hostname
    details = [
        f"El cortafuegos ha de dejar pasar TCP del servidor de cámaras ({acc}) a {target.hostname}, puerto {port}.",
        f"En esta máquina se recibe en {push.host}, puerto {push.port}.",
    ]
    if target.scheme == "https":
        details.append("Si ACC no acepta el certificado de esta máquina, use http: así van firmadas.")
    what = f"En {PATIENCE:g} s no llegó a {push.url} ninguna notificación de ACC."
    return warning(_TOPIC, what, f"Revise el cortafuegos y push.url, y repita. {_WITHOUT}", details)
