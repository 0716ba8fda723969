"""Which event is to be seen to now, what has been seen to, what is to be closed again. ``now`` is an argument."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from aforo.inputs.schedule import UNCLOSED_FOR, ScheduleFile
from aforo.models import ScheduledEvent


class ScheduleQueue:
    """The schedule as it is worked through. ``interrupted``: the event that a kill left open, if any."""

    def __init__(self, file: ScheduleFile, timezone: ZoneInfo) -> None:
        self.interrupted: ScheduledEvent | None = None
        self._file = file
        self._timezone = timezone
        self._over: set[ScheduledEvent] = set()
        self._close_again: dict[ScheduledEvent, datetime] = {}

    def day_of(self, instant: datetime) -> date:
        """The stadium's date at an instant."""
        return instant.astimezone(self._timezone).date()

    def done(self, *events: ScheduledEvent) -> None:
        """These have been seen to."""
        self._over.update(events)
        for event in events:
            self._close_again.pop(event, None)

    def close_again(self, event: ScheduledEvent, at: datetime) -> None:
        """It was seen to, but not everything could be compared: it is due again then."""
        self._close_again[event] = at

    def is_done(self, event: ScheduledEvent) -> bool:
        """It has been seen to."""
        return event in self._over

    def another_is_on(self, event: ScheduledEvent, now: datetime) -> bool:
        """Another event than this one is going on at that instant, and is to be seen to."""
        active = self._file.schedule.active(now)
        return active is not None and active != event and active not in self._over

    def due(self, now: datetime) -> ScheduledEvent | None:
        """One left open, one of today that is over and was not seen to, the active one, or one to close again."""
        schedule, today = self._file.schedule, self.day_of(now)
        days = (*schedule.on(today - timedelta(days=1)), *schedule.on(today))
        over = [event for event in days if event.window.until <= now and self.day_of(event.window.until) == today]
        left_open = self.interrupted
        if left_open is not None and left_open.window.until <= now < left_open.window.until + UNCLOSED_FOR:
            over.insert(0, schedule.overlapping(left_open.window) or left_open)
        left = [event for event in over if event not in self._over]
        again = [event for event, due in self._close_again.items() if due <= now]
        return next(iter(left), None) or schedule.active(now) or next(iter(again), None)

    def next(self, now: datetime) -> ScheduledEvent | None:
        """The next event to begin."""
        return self._file.schedule.next(now)

    def next_due(self, now: datetime) -> datetime | None:
        """When something is due next, as far as is known now."""
        upcoming = self.next(now)
        instants = [*self._close_again.values(), *([upcoming.window.since] if upcoming else [])]
        return min(instants, default=None)

    def more_today(self, event: ScheduledEvent, day: date) -> bool:
        """Whether more is to be done on the event's date, or on the date on which the job was started."""
        events = [*self._file.schedule.on(event.day), *self._file.schedule.on(day)]
        return any(other not in self._over for other in events if other.window.since >= event.window.since)
