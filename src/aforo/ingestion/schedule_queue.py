"""Which events are due now, which are done, which are to be closed again. ``now`` is an argument, aware UTC."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from aforo.inputs.schedule import UNCLOSED_FOR, ScheduleFile
from aforo.models import ScheduledEvent


class ScheduleQueue:
    """The schedule as it is worked through. ``left_open``: the events that were never closed, after a kill."""

    def __init__(self, file: ScheduleFile, timezone: ZoneInfo, left_open: Iterable[ScheduledEvent] = ()) -> None:
        self._file = file
        self._timezone = timezone
        self._left_open = tuple(left_open)
        self._done: set[ScheduledEvent] = set()
        self._close_at: dict[ScheduledEvent, datetime] = {}
        self._compare_at: dict[ScheduledEvent, list[datetime]] = {}

    def day_of(self, instant: datetime) -> date:
        """The stadium's date at an instant."""
        return instant.astimezone(self._timezone).date()

    def mark_done(self, *events: ScheduledEvent) -> None:
        """These were watched; what they were before an edit is due again where the edit is taken back."""
        for event in events:
            for kept in [one for one in (*self._done, *self._close_at) if _share_time(one, event)]:
                self._done.discard(kept)
                self._close_at.pop(kept, None)
            for edited in [one for one in self._compare_at if one != event and _share_time(one, event)]:
                del self._compare_at[edited]
        self._done.update(events)

    def retry_close_at(self, event: ScheduledEvent, at: datetime) -> None:
        """The event is done, but not everything could be compared: it is due again then."""
        self._close_at[event] = at

    def plan_comparison(self, event: ScheduledEvent, at: datetime) -> None:
        """The event is closed, and is to be compared again then."""
        self._compare_at.setdefault(event, []).append(at)

    def end_comparisons(self, event: ScheduledEvent, now: datetime) -> datetime | None:
        """The event was compared; returns when that is due next, None where it was the last time."""
        left = [at for at in self._compare_at.pop(event, []) if at > now]
        if left:
            self._compare_at[event] = left
        return min(left, default=None)

    def to_compare_again(self, now: datetime) -> list[ScheduledEvent]:
        """The events that are to be compared again now."""
        return [event for event, due in self._compare_at.items() if min(due) <= now]

    def is_done(self, event: ScheduledEvent) -> bool:
        """Whether it was watched and closed."""
        return event in self._done

    def another_is_on(self, event: ScheduledEvent, now: datetime) -> bool:
        """Whether another event than this one is going on at that instant, and is not done."""
        active = self._file.schedule.active(now)
        return active is not None and active != event and active not in self._done

    def due(self, now: datetime) -> list[ScheduledEvent]:
        """The events to run now: those that are over and not done, the active one, and those to close again."""
        active = self._file.schedule.active(now)
        again = [event for event, at in self._close_at.items() if at <= now]
        return list(dict.fromkeys([*self._over_and_not_done(now), *([active] if active else []), *again]))

    def upcoming(self, now: datetime) -> ScheduledEvent | None:
        """The next event to begin."""
        return self._file.schedule.next(now)

    def next_due_at(self, now: datetime) -> datetime | None:
        """When something else is due, as far as is known now."""
        upcoming = self.upcoming(now)
        comparisons = [at for due in self._compare_at.values() for at in due]
        instants = [*self._close_at.values(), *comparisons, *([upcoming.window.since] if upcoming else [])]
        return min((instant for instant in instants if instant > now), default=None)

    def more_today(self, event: ScheduledEvent, day: date) -> bool:
        """Whether more is to be done on the event's date, or on the date on which the program was started."""
        events = [*self._file.schedule.on(event.day), *self._file.schedule.on(day)]
        return any(other not in self._done for other in events if other.window.since >= event.window.since)

    def _over_and_not_done(self, now: datetime) -> list[ScheduledEvent]:
        """The events left open, unless they have been over for too long, and those that ended today."""
        schedule, today = self._file.schedule, self.day_of(now)
        days = (*schedule.on(today - timedelta(days=1)), *schedule.on(today))
        ended_today = [
            event for event in days if event.window.until <= now and self.day_of(event.window.until) == today
        ]
        left_open = [
            schedule.edited(event) or event
            for event in self._left_open
            if event.window.until <= now < event.window.until + UNCLOSED_FOR
        ]
        return [event for event in (*left_open, *ended_today) if event not in self._done]


def _share_time(one: ScheduledEvent, other: ScheduledEvent) -> bool:
    return one.window.since < other.window.until and other.window.since < one.window.until
