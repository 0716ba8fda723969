"""The cameras and the window of one search."""

from typing import NamedTuple

from aforo.models import Feed, Window


class EventQuery(NamedTuple):
    """The camera events of ``cameras`` on one server of the site, in ``window``."""

    server_id: str
    cameras: tuple[str, ...]
    window: Window

    @property
    def feeds(self) -> list[Feed]:
        """The feeds that the answer is about."""
        return [Feed(self.server_id, camera) for camera in self.cameras]
