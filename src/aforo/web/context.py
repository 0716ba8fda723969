"""The parts of the program that the page needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aforo.clock import Clock
    from aforo.live.state import LiveState
    from aforo.settings import WebSettings
    from aforo.web.corrections import CorrectionService
    from aforo.web.event_reader import EventReader
    from aforo.web.session_archive import SessionArchive


@dataclass(frozen=True, slots=True)
class WebContext:
    """What the page is built from. ``clock`` is the event's clock; ``stale_after`` is in seconds.

    Without ``corrections`` the page takes none; without ``events`` it lists no stored events; without
    ``session_archive`` a logout lasts until the program ends.
    """

    settings: WebSettings
    live: LiveState
    clock: Clock
    timezone: str
    stale_after: float
    corrections: CorrectionService | None = None
    events: EventReader | None = None
    session_archive: SessionArchive | None = None
