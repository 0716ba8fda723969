"""What looks at an evening and takes no part in it: page and alerts. Whatever happens here, the counting goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aforo import web
from aforo.board import Board
from aforo.clock import Clock
from aforo.notices import watching
from aforo.rules import zones_from
from aforo.settings import Settings
from aforo.store import Store, Writer


@asynccontextmanager
async def looking(
    settings: Settings, board: Board, clock: Clock, writer: Writer, store: Store
) -> AsyncIterator[web.Page | None]:
    """Show the page and warn inside the ``with``; gives the page, None where the settings want none.

    Raises BadSetting for a page that would be open to the network without a password.
    """
    timezone = settings.monitor.timezone
    zones = zones_from(settings.zones)

    def another() -> Store:
        return Store(settings.database.address(), zones, timezone)

    desk = web.Desk(board, writer, store, another, clock)
    rooms = web.Rooms(settings.web, board, clock, timezone.key, settings.alerts.stale, desk)
    async with watching(settings.alerts, board, clock, writer, store), web.serving(rooms) as page:
        yield page
