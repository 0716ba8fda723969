"""Which event is due now, which are done, which is to be closed again. ``now`` is an argument, aware UTC."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from aforo.inputs.schedule import UNCLOSED_FOR, ScheduleFile
from aforo.models import ScheduledEvent


class ScheduleQueue:
    """The schedule as it is worked through. ``interrupted``: the event that was left open by a kill, if any."""

    def __init__(self, file: ScheduleFile, timezone: ZoneInfo, interrupted: ScheduledEvent | None = None) -> None:
        self._file = file
        self._timezone = timezone
        self._interrupted = interrupted
        self._done: set[ScheduledEvent] = set()
        self._close_at: dict[ScheduledEvent, datetime] = {}

    def day_of(self, instant: datetime) -> date:
        """The stadium's date at an instant."""
        return instant.astimezone(self._timezone).date()

    def mark_done(self, *events: ScheduledEvent) -> None:
        """These were watched and closed."""
        self._done.update(events)
        for event in events:
            self._close_at.pop(event, None)

    def retry_close_at(self, event: ScheduledEvent, at: datetime) -> None:
        """The event is done, but not everything could be compared: it is due again then."""
        self._close_at[event] = at

    def is_done(self, event: ScheduledEvent) -> bool:
        """Whether it was watched and closed."""
        return event in self._done

    def another_is_on(self, event: ScheduledEvent, now: datetime) -> bool:
        """Whether another event than this one is going on at that instant, and is not done."""
        active = self._file.schedule.active(now)
        return active is not None and active != event and active not in self._done

    def next_event(self, now: datetime) -> ScheduledEvent | None:
        """The event to run now: one that is over and not done, else the active one, else one to close again."""
        return self._over_and_not_done(now) or self._file.schedule.active(now) or self._to_close_again(now)

    def upcoming(self, now: datetime) -> ScheduledEvent | None:
        """The next event to begin."""
        return self._file.schedule.next(now)

    def next_due_at(self, now: datetime) -> datetime | None:
        """When something is due next, as far as is known now."""
        upcoming = self.upcoming(now)
        instants = [*self._close_at.values(), *([upcoming.window.since] if upcoming else [])]
        return min(instants, default=None)

    def more_today(self, event: ScheduledEvent, day: date) -> bool:
        """Whether more is to be done on the event's date, or on the date on which the program was started."""
        events = [*self._file.schedule.on(event.day), *self._file.schedule.on(day)]
        return any(other not in self._done for other in events if other.window.since >= event.window.since)

    def _over_and_not_done(self, now: datetime) -> ScheduledEvent | None:
        """The interrupted event, unless it has been over for too long, or one that ended today."""
        schedule, today = self._file.schedule, self.day_of(now)
        days = (*schedule.on(today - timedelta(days=1)), *schedule.on(today))
        over = [event for event in days if event.window.until <= now and self.day_of(event.window.until) == today]
        left_open = self._interrupted
        if left_open is not None and left_open.window.until <= now < left_open.window.until + UNCLOSED_FOR:
            over.insert(0, schedule.overlapping(left_open.window) or left_open)
        return next((event for event in over if event not in self._done), None)

    def _to_close_again(self, now: datetime) -> ScheduledEvent | None:
        return next((event for event, at in self._close_at.items() if at <= now), None)
