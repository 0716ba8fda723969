"""When a service compares an event again after its close: events may have come late. Pure."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_SOON = (timedelta(minutes=15), timedelta(hours=1))
_MORNING = time(7)  # local: what was restarted after the event has sent what it kept by then


def comparison_times(closed_at: datetime, timezone: ZoneInfo) -> Sequence[datetime]:
    """Return when to compare again an event that was closed then (aware): soon, later, and the next morning."""
    soon = [closed_at + pause for pause in _SOON]
    last = soon[-1].astimezone(timezone)
    days = 0 if last.time() < _MORNING else 1
    morning = datetime.combine(last.date() + timedelta(days=days), _MORNING, timezone)
    return [*soon, morning.astimezone(closed_at.tzinfo)]
