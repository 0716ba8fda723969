"""How many events each camera has in its busiest minute, by the events' own time: a catch-up is no flood."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from aforo.models import CameraEvent

_RECENT = timedelta(minutes=5)  # for so long after it was stored a busy minute counts
_MOST_MINUTES = 50_000  # of all cameras together; the busiest are kept

_CameraMinute = tuple[str, int, int, int]  # camera, day of the month, hour, minute


class EventRates:
    """Counts the stored events of each camera by the minute."""

    def __init__(self) -> None:
        self._counts: Counter[_CameraMinute] = Counter()
        self._busiest: dict[str, tuple[datetime, int]] = {}

    def add(self, events: Sequence[CameraEvent], now: datetime) -> None:
        """Count events that were stored at ``now``."""
        # By position: this runs for every event that is stored.
        stored = Counter([(one[3], one[2].day, one[2].hour, one[2].minute) for one in events])
        self._counts.update(stored)
        for key in stored:
            before = self._busiest.get(key[0])
            if before is None or now - before[0] > _RECENT or self._counts[key] >= before[1]:
                self._busiest[key[0]] = (now, self._counts[key])
        if len(self._counts) > _MOST_MINUTES:
            self._counts = Counter(dict(self._counts.most_common(_MOST_MINUTES // 2)))

    def busiest(self, now: datetime) -> Mapping[str, int]:
        """Return for each camera the events of the busiest minute that something was lately stored of."""
        return {camera: count for camera, (at, count) in self._busiest.items() if now - at <= _RECENT}
