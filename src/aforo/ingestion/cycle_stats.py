"""What a turn read, stored, found there already and refused, per camera: so that each step can be followed."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aforo.models import Batch, CameraEvent, CommitResult


@dataclass(slots=True)
class CameraStats:
    """One camera's events of a turn, by what became of them."""

    received: int = 0
    new: int = 0
    already: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        refused = self.refused.total()
        why = f" ({reasons(self.refused)})" if refused else ""
        waiting = self.received - refused - self.new - self.already
        pending = f", {waiting} por guardar" if waiting > 0 else ""
        kept = f"{self.new} guardados, {self.already} ya estaban, {refused} rechazados"
        return f"{self.received} recibidos, {kept}{why}{pending}"


class CycleStats:
    """The turn's counts so far. ``cleared`` starts the next one."""

    def __init__(self) -> None:
        self._cameras: defaultdict[str, CameraStats] = defaultdict(CameraStats)

    def read(self, batch: Batch) -> None:
        """A page was read and sifted."""
        for camera, count in _by_camera(batch.events).items():
            self._cameras[camera].received += count
        for (camera, reason), count in batch.excluded.items():
            tally = self._cameras[camera]
            tally.received += count
            tally.refused[reason] += count

    def stored(self, batch: Batch, stored: CommitResult) -> None:
        """A batch was stored: what of it was new, and what was there already."""
        in_batch = _by_camera(batch.events)
        new = _by_camera(stored.new) if stored.already else in_batch
        for camera, count in in_batch.items():
            self._cameras[camera].new += new[camera]
            self._cameras[camera].already += count - new[camera]

    def cleared(self) -> Mapping[str, CameraStats]:
        """The counts by camera ("" for events that name none); the next turn starts from nothing."""
        cameras, self._cameras = self._cameras, defaultdict(CameraStats)
        return cameras


def _by_camera(events: Sequence[CameraEvent]) -> Counter[str]:
    return Counter([event[3] for event in events])  # a list and a place: a third of the time of a generator and a name


def total(cameras: Mapping[str, CameraStats]) -> CameraStats:
    """All cameras' counts in one."""
    whole = CameraStats()
    for tally in cameras.values():
        whole.received += tally.received
        whole.new += tally.new
        whole.already += tally.already
        whole.refused.update(tally.refused)
    return whole


def reasons(refused: Mapping[str, int]) -> str:
    """The reasons in words, most frequent first."""
    return ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items(), key=lambda item: -item[1]))
