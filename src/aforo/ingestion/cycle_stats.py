"""What a poll cycle read, and what became of it, per camera, so that each step can be followed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aforo.models import Batch, CameraEvent, CommitResult, identity_number


@dataclass(slots=True)
class CameraStats:
    """One camera's events that a cycle read, by what became of them: all received ones are in one of these.

    ``waiting``: not stored yet. ``earlier_new`` and ``earlier_already``: what earlier cycles read, and was stored in
    this one.
    """

    received: int = 0
    new: int = 0
    already: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    earlier_new: int = 0
    earlier_already: int = 0

    @property
    def waiting(self) -> int:
        """How many are not stored yet."""
        return self.received - self.excluded.total() - self.new - self.already

    @property
    def stored(self) -> bool:
        """Whether anything new was stored, of whatever cycle."""
        return self.new > 0 or self.earlier_new > 0

    def __str__(self) -> str:
        excluded = self.excluded.total()
        why = f" ({reasons(self.excluded)})" if excluded else ""
        pending = f", {self.waiting} por guardar" if self.waiting else ""
        kept = f"{self.new} guardados, {self.already} ya estaban, {excluded} rechazados"
        earlier = ""
        if self.earlier_new or self.earlier_already:
            earlier = f"; de vueltas anteriores, {self.earlier_new} guardados y {self.earlier_already} ya estaban"
        return f"{self.received} recibidos, {kept}{why}{pending}{earlier}"


class CycleStats:
    """The counts of the cycle under way. ``take`` begins the next one."""

    def __init__(self) -> None:
        self._cameras: defaultdict[str, CameraStats] = defaultdict(CameraStats)
        self._waiting: Counter[str] = Counter()  # what earlier cycles read and is not stored yet

    def page_read(self, batch: Batch) -> None:
        """A page was read and classified."""
        for camera, count in _by_camera(batch.events).items():
            self._cameras[camera].received += count
        for camera, reason, _ in batch.excluded:
            stats = self._cameras[camera]
            stats.received += 1
            stats.excluded[reason] += 1

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """A batch was stored: what of it was new, and what was stored already. Batches are stored as they were read."""
        in_batch = _by_camera(batch.events)
        new = _by_camera(result.new) if result.already else in_batch
        mixed = [camera for camera, count in in_batch.items() if 0 < self._waiting[camera] < count]
        earlier_new = self._new_of_earlier(batch.events, result.new, mixed) if mixed else {}
        for camera, count in in_batch.items():
            stats, earlier = self._cameras[camera], min(self._waiting[camera], count)
            of_earlier = earlier_new.get(camera, new[camera] if earlier else 0)
            self._waiting[camera] -= earlier
            stats.earlier_new += of_earlier
            stats.earlier_already += earlier - of_earlier
            stats.new += new[camera] - of_earlier
            stats.already += count - earlier - (new[camera] - of_earlier)

    def take(self) -> Mapping[str, CameraStats]:
        """The counts by camera ("" for events that name none); the next cycle begins at zero."""
        cameras, self._cameras = self._cameras, defaultdict(CameraStats)
        for camera, stats in cameras.items():
            self._waiting[camera] += stats.waiting
        return cameras

    def forget_waiting(self) -> None:
        """What waits to be stored was dropped, and is read again."""
        self._waiting.clear()
        for stats in self._cameras.values():
            stats.received -= stats.waiting

    def _new_of_earlier(
        self, events: Iterable[CameraEvent], new: Iterable[CameraEvent], cameras: Sequence[str]
    ) -> dict[str, int]:
        """How many of the events that earlier cycles read were new, of cameras with events of this cycle as well."""
        unseen = {identity_number(event) for event in new}
        left = {camera: self._waiting[camera] for camera in cameras}
        found = dict.fromkeys(cameras, 0)
        for event in events:
            camera = event.camera_id
            if left.get(camera):
                left[camera] -= 1
                identity = identity_number(event)
                found[camera] += identity in unseen
                unseen.discard(identity)
        return found


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
        whole.earlier_new += stats.earlier_new
        whole.earlier_already += stats.earlier_already
    return whole


def reasons(excluded: Mapping[str, int]) -> str:
    """The reasons in words, most frequent first, then by name."""
    in_order = sorted(excluded.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {reason}" for reason, count in in_order)
