"""The checks of the addresses that alerts and heartbeat are sent to: each gets a test message."""

from collections.abc import AsyncIterator

from aforo.alerting import try_addresses
from aforo.cli.check.results import Line, failure, ok
from aforo.errors import BadSetting
from aforo.settings import Settings

_REMEDY = "Revise esa dirección y la red, o deje el ajuste vacío; sin ella nadie recibe los avisos."


async def alert_lines(settings: Settings) -> AsyncIterator[Line]:
    """Yield a line for each address, which is a secret and not in it."""
    try:
        async for name, fault in try_addresses(settings):
            topic = f"alerts.{name.partition('.')[2]}"
            if fault:
                yield failure(topic, f"La dirección de {name} no admitió la prueba ({fault}).", _REMEDY)
            else:
                yield ok(topic, f"La dirección de {name} admitió la prueba.")
    except BadSetting:  # a precondition, and has a line already
        return
