"""Plans what opening an event changes in the database when the schedule or the rules have changed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from aforo.models import ScheduledEvent, Window


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is stored: the id of its record, and the rules that it was counted by."""

    id: int
    event: ScheduledEvent
    rules: str


@dataclass(frozen=True, slots=True)
class RecordEdit:
    """What brings a stored event to what the schedule and the rules say now.

    ``clear_checkpoints``: they claim that all is stored since a later start, or by rules that excluded some of it.
    """

    before: ScheduledEvent
    after: ScheduledEvent
    rules_changed: bool
    clear_checkpoints: bool

    @property
    def recount(self) -> bool:
        """Whether the count changes; then the event is no longer over and compared either."""
        return self.rules_changed or self.before.window != self.after.window


@dataclass(frozen=True, slots=True)
class TimeGiven:
    """The part of a stored event's time that belongs to the opened event now, and the window that is left to it."""

    id: int
    given: Window
    left: Window

    @property
    def ends(self) -> bool:
        """Whether nothing is left: the stored event is over."""
        return self.left.since == self.left.until


@dataclass(frozen=True, slots=True)
class OpeningPlan:
    """What opening an event does to the events that are stored.

    ``record_id``: the stored event that it is, None for a new one; ``edit``: None where that is up to date.
    """

    record_id: int | None
    edit: RecordEdit | None
    given: tuple[TimeGiven, ...]


def plan_opening(event: ScheduledEvent, rules: str, overlapping: Sequence[StoredEvent]) -> OpeningPlan:
    """Plan the opening of an event, given the stored events that share some of its time."""
    stored = _same_event(event, overlapping)
    given = tuple(_time_given(other, event.window) for other in overlapping if other is not stored)
    if stored is None:
        return OpeningPlan(None, None, given)
    if (stored.event, stored.rules) == (event, rules):
        return OpeningPlan(stored.id, None, given)
    rules_changed = stored.rules != rules
    edit = RecordEdit(
        before=stored.event,
        after=event,
        rules_changed=rules_changed,
        clear_checkpoints=rules_changed or event.window.since < stored.event.window.since,
    )
    return OpeningPlan(stored.id, edit, given)


def _same_event(event: ScheduledEvent, overlapping: Sequence[StoredEvent]) -> StoredEvent | None:
    """The stored event that this one is, edited: of the same name, or with at least half of the shorter one's time."""
    candidates = []
    for stored in overlapping:
        common = _common(stored.event.window, event.window)
        shared = common.until - common.since
        same_name = stored.event.name == event.name
        if same_name or shared * 2 >= min(_length(stored.event.window), _length(event.window)):
            candidates.append((same_name, shared, stored.id, stored))
    return max(candidates, key=lambda candidate: candidate[:3])[3] if candidates else None


def _time_given(stored: StoredEvent, taken: Window) -> TimeGiven:
    """The schedule gives an event's time to another: it keeps what is before that, else what is after it."""
    since, until = stored.event.window
    left = Window(since, taken.since) if since < taken.since else Window(min(taken.until, until), until)
    return TimeGiven(stored.id, _common(stored.event.window, taken), left)


def _common(one: Window, other: Window) -> Window:
    return Window(max(one.since, other.since), min(one.until, other.until))


def _length(window: Window) -> timedelta:
    return window.until - window.since
