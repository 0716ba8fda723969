"""What ACC has of an event, counted while it is read, for the comparison at the close. Pure."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from aforo.models import EPOCH, Batch, Classification


@dataclass(slots=True)
class WindowCount:
    """What ACC has of one camera in one window, each camera event once, whatever pages it came in.

    ``sources``: the source of each valid event, by its identity. ``elsewhere``: the servers that are read themselves;
    what this one passes on of them is counted there.
    """

    elsewhere: Set[str] = frozenset()
    sources: dict[int, tuple[str, str, str, str]] = field(default_factory=dict)
    meanings: dict[tuple[str, str, str, str], Classification] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)

    def add_page(self, batch: Batch) -> None:
        """Count a classified page; what came before in this window is not counted twice."""
        # By position: this runs for every event that is read. A datetime's own hash would take most of the time.
        own = [one for one in batch.events if one[0] not in self.elsewhere] if self.elsewhere else batch.events
        self.sources.update({hash((one[0], one[1], one[2] - EPOCH)): one[3:] for one in own})
        self.meanings.update(batch.classifications)
        for (_, reason), count in batch.excluded.items():
            self.excluded[reason] += count


@dataclass(slots=True)
class SourceCount:
    """What ACC has of an event: valid camera events per camera, history rows, exclusions by reason.

    ``servers``: all that are read.
    """

    servers: Set[str] = frozenset()
    valid: Counter[str] = field(default_factory=Counter)
    history: int = 0
    excluded: Counter[str] = field(default_factory=Counter)

    def window(self, server_id: str) -> WindowCount:
        """A count for one window of that server."""
        return WindowCount(self.servers - {server_id})

    def add(self, camera_id: str, window: WindowCount) -> None:
        """Add a window that was read whole."""
        by_source = Counter(window.sources.values())
        if by_source:  # a camera without events is not named
            self.valid[camera_id] += by_source.total()
        self.history += sum(count for source, count in by_source.items() if window.meanings[source].history)
        self.excluded.update(window.excluded)
