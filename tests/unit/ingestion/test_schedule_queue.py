"""Which event is due: what was left open first, then what goes on, then what is to be closed again."""

from datetime import datetime, timedelta
from pathlib import Path

from tests.unit.ingestion.memory import BOGOTA, at, write

from aforo.ingestion.schedule_queue import ScheduleQueue
from aforo.inputs.schedule import ScheduleFile
from aforo.models import ScheduledEvent

DAYS = timedelta(days=1)
TWO = [
    {"nombre": "Primero", "hora_inicio": "16:00", "hora_fin": "17:00"},
    {"nombre": "Segundo", "hora_inicio": "18:00", "hora_fin": "19:00"},
]


def queue_of(folder: Path, document: object, interrupted: ScheduledEvent | None = None) -> ScheduleQueue:
    write(folder / "schedule.json", document)
    return ScheduleQueue(ScheduleFile(folder / "schedule.json", BOGOTA), BOGOTA, interrupted)


def name(event: ScheduledEvent | None) -> str:
    return event.name if event is not None else ""


def next_name(queue: ScheduleQueue, now: datetime) -> str:
    return name(queue.next_event(now))


def test_nothing_is_due_before_the_first_event_and_the_active_one_in_it(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    assert next_name(queue, at(-1)) == ""
    assert (name(queue.upcoming(at(-1))), queue.next_due_at(at(-1))) == ("Primero", at(0))
    assert next_name(queue, at(1)) == "Primero"
    assert next_name(queue, at(121)) == "Primero", "it is over today and was not closed"


def test_what_is_done_is_not_due_again(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    first = queue.next_event(at(1))
    assert first is not None
    assert queue.more_today(first, first.day)
    queue.mark_done(first)
    assert queue.is_done(first)
    assert next_name(queue, at(61)) == ""
    second = queue.next_event(at(121))
    assert name(second) == "Segundo"
    assert second is not None
    queue.mark_done(second)
    assert not queue.more_today(second, second.day)


def test_an_event_that_ended_after_midnight_belongs_to_the_next_day(tmp_path: Path) -> None:
    entry = {"nombre": "Noche", "hora_inicio": "22:00", "hora_fin": "01:00"}
    queue = queue_of(tmp_path, {"2026-01-27": entry})
    after_midnight = at(9.5 * 60)  # 01:30 in Bogotá
    assert next_name(queue, after_midnight) == "Noche"
    assert next_name(queue, after_midnight + DAYS) == ""


def test_an_interrupted_event_comes_first_unless_it_is_long_over(tmp_path: Path) -> None:
    write(tmp_path / "other.json", {"2026-01-26": {"nombre": "Ayer", "hora_inicio": "16:00", "hora_fin": "17:00"}})
    (interrupted,) = ScheduleFile(tmp_path / "other.json", BOGOTA).schedule.events
    queue = queue_of(tmp_path, {"2026-01-27": TWO}, interrupted)
    assert next_name(queue, at(1)) == "Ayer"
    queue.mark_done(interrupted)
    assert next_name(queue, at(1)) == "Primero"
    again = queue_of(tmp_path, {"2026-01-27": TWO}, interrupted)
    assert next_name(again, at(1) + 30 * DAYS) == ""


def test_a_close_that_was_given_up_is_due_again_in_its_time(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    first = queue.next_event(at(1))
    assert first is not None
    queue.mark_done(first)
    queue.retry_close_at(first, at(76))
    assert next_name(queue, at(75)) == ""
    assert queue.next_due_at(at(75)) == at(76)
    assert next_name(queue, at(76)) == "Primero"
    assert next_name(queue, at(121)) == "Segundo", "the one that goes on comes before"
    queue.mark_done(first)
    assert next_name(queue, at(76)) == ""


def test_another_event_is_on(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, {"2026-01-27": TWO})
    first = queue.next_event(at(1))
    assert first is not None
    assert not queue.another_is_on(first, at(1))
    assert queue.another_is_on(first, at(121))
    second = queue.upcoming(at(61))
    assert second is not None
    queue.mark_done(second)
    assert not queue.another_is_on(first, at(121))
