"""The cameras and the window of one search, and how urgent it is."""

from enum import Enum, auto
from typing import NamedTuple

from aforo.models import Feed, Window


class Lane(Enum):
    """Which requests a search shares its connections with, so that none of them waits for those of another lane.

    POLL: of the poll cycles and the close. SUSPECT: of cameras that failed lately, and of the sweep. LIVE: of what only
    brings the count up sooner. A request of it that fails or hangs is dropped, and shows nothing of camera or server.
    """

    POLL = auto()
    SUSPECT = auto()
    LIVE = auto()


class EventQuery(NamedTuple):
    """The camera events of ``cameras`` on one server of the site, in ``window``."""

    server_id: str
    cameras: tuple[str, ...]
    window: Window

    @property
    def feeds(self) -> list[Feed]:
        """The feeds that the answer is about."""
        return [Feed(self.server_id, camera) for camera in self.cameras]
