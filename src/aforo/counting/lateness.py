"""How late the camera events of an event became visible at ACC, over all feeds. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from aforo.models import FeedLateness


@dataclass(frozen=True, slots=True)
class LatenessSummary:
    """Seconds from a camera event to its being visible at ACC; a punctual one counts as zero.

    ``events``: new camera events that were measured; ``late``: how many of these were late. ``worst``: the latest was
    late by at most that much. Cameras whose clocks are off are left out: their events carry another time.
    """

    events: int = 0
    late: int = 0
    median: float = 0.0
    p95: float = 0.0
    worst: float = 0.0


def summarize(feeds: Iterable[FeedLateness]) -> LatenessSummary:
    """Return what was measured of these feeds in one."""
    measured = [one for one in feeds if one.clock_offset is None]
    events = sum(one.events for one in measured)
    by_seconds: Counter[int] = Counter()
    for one in measured:
        by_seconds.update(one.late)
    late = by_seconds.total()
    by_seconds[0] += events - late

    def at(share: float) -> float:
        seen = 0
        for seconds in sorted(by_seconds):
            seen += by_seconds[seconds]
            if seen >= share * events:
                return float(seconds)
        return 0.0

    worst = max((one.worst[1] for one in measured), default=0.0)
    return LatenessSummary(events, late, at(0.5), at(0.95), worst)
