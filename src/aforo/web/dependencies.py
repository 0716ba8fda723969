"""What the page needs of the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aforo.clock import Clock
    from aforo.live.state import LiveState
    from aforo.settings import WebSettings
    from aforo.web.corrections import CorrectionService


@dataclass(frozen=True, slots=True)
class WebContext:
    """The rooms that the page speaks to; ``clock`` is the evening's, ``stale_after`` in seconds.

    Without ``desk`` nobody corrects anything, and there are no events by page.
    """

    settings: WebSettings
    board: LiveState
    clock: Clock
    timezone: str
    stale_after: float
    desk: CorrectionService | None = None
