"""What ACC has of an event, counted while it is read, for the comparison at the close. Pure."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime

from aforo.avigilon import EventQuery
from aforo.counting.exclusions import ExclusionCount
from aforo.models import Batch, CameraEvent, Classification, Exclusion, identity_number


@dataclass(slots=True)
class SourceCount:
    """What ACC has of an event: valid camera events per camera, history rows, and what is excluded.

    ``servers``: all that are read. ``incomplete``: cameras of which ACC could not show that it gave everything.
    """

    servers: Set[str] = frozenset()
    valid: Counter[str] = field(default_factory=Counter)
    history: int = 0
    excluded: ExclusionCount = field(default_factory=ExclusionCount)
    incomplete: set[str] = field(default_factory=set)

    def window(self, query: EventQuery) -> "WindowCount":
        """A count for the reading of one camera's window."""
        return WindowCount(self, query.cameras[0], self.servers - {query.server_id})


@dataclass(slots=True)
class WindowCount:
    """What ACC has of one camera in one window, each camera event once, whatever pages it came in.

    Only what is settled goes into the ``total``: what was read of a window that fails is read again from there on.
    ``elsewhere``: the servers that are read themselves; what this one passes on of them is counted there.
    """

    total: SourceCount
    camera_id: str
    elsewhere: Set[str] = frozenset()
    _events: dict[int, CameraEvent] = field(default_factory=dict)
    _meanings: dict[tuple[str, str, str, str], Classification] = field(default_factory=dict)
    _excluded: list[Exclusion] = field(default_factory=list)

    def add_page(self, batch: Batch) -> None:
        """Take a classified page; what came before in this window is not counted twice."""
        # By position: this runs for every event that is read.
        own = [one for one in batch.events if one[0] not in self.elsewhere] if self.elsewhere else batch.events
        self._events.update({identity_number(one): one for one in own})
        self._meanings.update(batch.classifications)
        self._excluded += batch.excluded

    def settle(self, until: datetime) -> None:
        """Add to the total what lies before ``until``: that much of the window was read, and is not read again."""
        by_source = Counter([one[3:] for one in self._events.values() if one[2] < until])
        if by_source:  # a camera without events is not named
            self.total.valid[self.camera_id] += by_source.total()
        self.total.history += sum(count for source, count in by_source.items() if self._meanings[source].history)
        self.total.excluded.add(self._excluded)
        self._events = {identity: one for identity, one in self._events.items() if one[2] >= until}
        self._excluded.clear()
