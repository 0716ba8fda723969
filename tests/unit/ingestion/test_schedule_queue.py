"""Which events are due: what was left open, what goes on, what is to be closed again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.unit.ingestion.memory import BOGOTA, at, write

from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.inputs.schedule import ScheduleFile
from aforo.models import ScheduledEvent, Window

DAYS = timedelta(days=1)
TWO = [
    {"nombre": "Primero", "hora_inicio": "16:00", "hora_fin": "17:00"},
    {"nombre": "Segundo", "hora_inicio": "18:00", "hora_fin": "19:00"},
]


def queue_of(folder: Path, document: object, left_open: Sequence[ScheduledEvent] = ()) -> ScheduleQueue:
    write(folder / "schedule.json", document)
    return ScheduleQueue(ScheduleFile(folder / "schedule.json", BOGOTA), BOGOTA, left_open)


def name(event: ScheduledEvent | None) -> str:
    return event.name if event is not None else ""


def due(queue: ScheduleQueue, now: datetime) -> list[str]:
    return [event.name for event in queue.due(now)]


def test_nothing_is_due_before_the_first_event_and_the_active_one_in_it(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    assert due(queue, at(-1)) == []
    assert (name(queue.upcoming(at(-1))), queue.next_due_at(at(-1))) == ("Primero", at(0))
    assert due(queue, at(1)) == ["Primero"]
    assert queue.next_due_at(at(1)) == at(120)
    assert due(queue, at(121)) == ["Primero", "Segundo"], "the first is over today and was not closed"


def test_what_is_done_is_not_due_again(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    (first,) = queue.due(at(1))
    assert queue.more_today(first, first.day)
    queue.mark_done(first)
    assert queue.is_done(first)
    assert due(queue, at(61)) == []
    (second,) = queue.due(at(121))
    assert name(second) == "Segundo"
    queue.mark_done(second)
    assert not queue.more_today(second, second.day)


def test_an_event_whose_edit_is_taken_back_after_its_end_is_due_as_it_was(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    (first,) = queue.due(at(1))
    queue.mark_done(first)
    longer = replace(first, window=Window(first.window.since, at(90)))
    queue.mark_done(longer)
    assert due(queue, at(91)) == ["Primero"]


def test_an_event_that_ended_after_midnight_belongs_to_the_next_day(tmp_path: Path) -> None:
    entry = {"nombre": "Noche", "hora_inicio": "22:00", "hora_fin": "01:00"}
    queue = queue_of(tmp_path, {"2026-01-27": entry})
    after_midnight = at(9.5 * 60)  # 01:30 in Bogotá
    assert due(queue, after_midnight) == ["Noche"]
    assert due(queue, after_midnight + DAYS) == []


def test_all_events_left_open_are_due_beside_the_active_one_unless_they_are_long_over(tmp_path: Path) -> None:
    yesterday = [
        {"nombre": "Ayer", "hora_inicio": "16:00", "hora_fin": "17:00"},
        {"nombre": "Anoche", "hora_inicio": "20:00", "hora_fin": "21:00"},
    ]
    write(tmp_path / "other.json", {"2026-01-26": yesterday})
    left_open = ScheduleFile(tmp_path / "other.json", BOGOTA).schedule.events
    queue = queue_of(tmp_path, {"2026-01-27": TWO}, left_open)
    assert due(queue, at(-1)) == ["Ayer", "Anoche"]
    assert due(queue, at(1)) == ["Ayer", "Anoche", "Primero"]
    assert due(queue, at(61)) == ["Anoche", "Primero"], "the other has been over for a day"
    queue.mark_done(left_open[1])
    assert due(queue, at(61)) == ["Primero"]
    again = queue_of(tmp_path, {"2026-01-27": TWO}, left_open)
    assert due(again, at(1) + 30 * DAYS) == []


def test_an_event_left_open_is_due_as_the_schedule_has_it_now(tmp_path: Path) -> None:
    (before,) = queue_of(tmp_path, {"2026-01-27": TWO[:1]}).due(at(1))
    renamed = {"nombre": "Final", "hora_inicio": "16:00", "hora_fin": "16:50"}
    queue = queue_of(tmp_path, {"2026-01-27": [renamed, TWO[1]]}, [before])
    assert due(queue, at(61)) == ["Final"], "once"


def test_a_close_that_was_given_up_is_due_again_in_its_time(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    (first,) = queue.due(at(1))
    queue.mark_done(first)
    queue.retry_close_at(first, at(76))
    assert due(queue, at(75)) == []
    assert queue.next_due_at(at(75)) == at(76)
    assert due(queue, at(76)) == ["Primero"]
    assert queue.next_due_at(at(77)) == at(120), "what is due already is under way"
    assert due(queue, at(121)) == ["Segundo", "Primero"]
    queue.mark_done(first)
    assert due(queue, at(76)) == []


def test_another_event_is_on(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    (first,) = queue.due(at(1))
    assert not queue.another_is_on(first, at(1))
    assert queue.another_is_on(first, at(121))
    second = queue.upcoming(at(61))
    assert second is not None
    queue.mark_done(second)
    assert not queue.another_is_on(first, at(121))
