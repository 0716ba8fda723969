"""What ACC has of an event, each event once, whatever pages it came in. Pure."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field

from aforo.models import EPOCH, Batch, Classification


@dataclass(slots=True)
class WindowCount:
    """What ACC has of one camera in one window. ``names``: of each valid event, by what tells it from the others.

    ``elsewhere``: the servers that are asked themselves, and tell of their own events; what this one passes on of
    them is not counted here as well.
    """

    elsewhere: Set[str] = frozenset()
    names: dict[int, str] = field(default_factory=dict)
    classifications: dict[str, Classification] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def page(self, batch: Batch) -> None:
        """Take a sifted page; what came before in this window is not taken twice."""
        # By position: this runs for every event of the evening. A datetime's own hash would take most of the time.
        own = [one for one in batch.events if one[0] not in self.elsewhere] if self.elsewhere else batch.events
        self.names.update({hash((one[0], one[1], one[2] - EPOCH)): one[4] for one in own})
        self.classifications.update(batch.classifications)
        for (_, reason), count in batch.refused.items():
            self.refused[reason] += count


@dataclass(slots=True)
class SourceCount:
    """All of the event: valid events per camera, history rows, refusals by reason. ``servers``: all that are asked."""

    servers: Set[str] = frozenset()
    valid: Counter[str] = field(default_factory=Counter)
    history: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def window(self, server_id: str) -> WindowCount:
        """For what that server answers in one window."""
        return WindowCount(self.servers - {server_id})

    def add(self, camera_id: str, heard: WindowCount) -> None:
        """Add a window that was answered whole."""
        by_name = Counter(heard.names.values())
        if by_name:  # a camera that saw nothing is not named
            self.valid[camera_id] += by_name.total()
        self.history += sum(count for name, count in by_name.items() if heard.classifications[name].history)
        self.refused.update(heard.refused)
