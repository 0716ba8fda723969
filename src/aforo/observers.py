"""What looks at an evening and takes no part in it: page, alerts, journal, heartbeat. Without them it goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from aforo import web
from aforo.alerting.heartbeat import beating
from aforo.alerting.incidents import chronicling
from aforo.alerting.notifier import watching
from aforo.clock import Clock
from aforo.counting.rules import zones_from
from aforo.live.state import Board
from aforo.settings import Settings
from aforo.storage import Store, Writer


@asynccontextmanager
async def looking(  # noqa: PLR0913, PLR0917 -- each that looks needs another part
    settings: Settings, board: Board, clock: Clock, writer: Writer, store: Store, ready: asyncio.Event
) -> AsyncIterator[web.Page | None]:
    """Show the page, warn and take notes inside the ``with``; gives the page, None where the settings want none.

    ``ready`` is set once the cameras' server has let us in. Raises BadSetting for a page that would be open to the
    network without a password.
    """
    timezone = settings.monitor.timezone
    zones = zones_from(settings.zones)

    def another() -> Store:
        return Store(settings.database.address(), zones, timezone)

    desk = web.Desk(board, writer, store, another, clock)
    rooms = web.Rooms(settings.web, board, clock, timezone.key, settings.alerts.stale, desk)
    interval = settings.monitor.interval
    heartbeat = settings.monitor.heartbeat_url.get_secret_value()
    async with (
        watching(settings.alerts, board, clock, writer, store),
        chronicling(board, clock, writer, store, timedelta(seconds=interval)),
        beating(heartbeat, interval, board, clock, ready),
        web.serving(rooms) as page,
    ):
        yield page
