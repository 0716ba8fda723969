"""What the ingestion takes from ACC's pushes: hints about what to read, never a count."""

from datetime import datetime
from typing import Protocol


class HintSink(Protocol):
    """Where hints go. Both methods return at once and raise nothing; a hint that proves wrong costs one request."""

    def camera_event_seen(self, server_id: str, camera_id: str, occurred_at: datetime) -> None:
        """ACC pushed an event of that feed; ``occurred_at`` is aware UTC."""
        ...

    def something_missed(self, server_id: str | None, why: str) -> None:
        """Pushes of a server (None: of all) may be missing: those feeds are read at once. ``why``: for the log."""
        ...
