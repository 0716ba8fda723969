"""What a poll cycle read, stored, found stored already and excluded, per camera, so that each step can be followed."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aforo.models import Batch, CameraEvent, CommitResult


@dataclass(slots=True)
class CameraStats:
    """One camera's events of a cycle, by what became of them."""

    received: int = 0
    new: int = 0
    already: int = 0
    excluded: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        excluded = self.excluded.total()
        why = f" ({reasons(self.excluded)})" if excluded else ""
        waiting = self.received - excluded - self.new - self.already
        pending = f", {waiting} por guardar" if waiting > 0 else ""
        kept = f"{self.new} guardados, {self.already} ya estaban, {excluded} rechazados"
        return f"{self.received} recibidos, {kept}{why}{pending}"


class CycleStats:
    """The counts of the cycle under way. ``take`` begins the next one."""

    def __init__(self) -> None:
        self._cameras: defaultdict[str, CameraStats] = defaultdict(CameraStats)

    def page_read(self, batch: Batch) -> None:
        """A page was read and classified."""
        for camera, count in _by_camera(batch.events).items():
            self._cameras[camera].received += count
        for (camera, reason), count in batch.excluded.items():
            stats = self._cameras[camera]
            stats.received += count
            stats.excluded[reason] += count

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """A batch was stored: what of it was new, and what was stored already."""
        in_batch = _by_camera(batch.events)
        new = _by_camera(result.new) if result.already else in_batch
        for camera, count in in_batch.items():
            self._cameras[camera].new += new[camera]
            self._cameras[camera].already += count - new[camera]

    def take(self) -> Mapping[str, CameraStats]:
        """The counts by camera ("" for events that name none); the next cycle begins at zero."""
        cameras, self._cameras = self._cameras, defaultdict(CameraStats)
        return cameras


def _by_camera(events: Sequence[CameraEvent]) -> Counter[str]:
    return Counter([event[3] for event in events])  # a list and a place: a third of the time of a generator and a name


def total(cameras: Mapping[str, CameraStats]) -> CameraStats:
    """All cameras' counts in one."""
    whole = CameraStats()
    for stats in cameras.values():
        whole.received += stats.received
        whole.new += stats.new
        whole.already += stats.already
        whole.excluded.update(stats.excluded)
    return whole


def reasons(excluded: Mapping[str, int]) -> str:
    """The reasons in words, most frequent first."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(excluded.items(), key=lambda item: -item[1]))
