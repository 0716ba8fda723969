"""The schedule: which event is on, which comes next, and the error for a file that cannot be used."""

import json
import logging
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.errors import BadSchedule
from aforo.inputs.schedule import Schedule, ScheduleFile
from aforo.models import ScheduledEvent, Window

BOGOTA = ZoneInfo("America/Bogota")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("eventos.json")


def entry(start: str, end: str, name: str = "Concierto A") -> dict[str, str]:
    return {"nombre": name, "hora_inicio": start, "hora_fin": end}


def load(path: Path, document: object, timezone: ZoneInfo = BOGOTA) -> Schedule:
    path.write_text(json.dumps(document), encoding="utf-8")
    return Schedule.load(path, timezone)


def at(text: str, timezone: ZoneInfo = BOGOTA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone).astimezone(UTC)


def test_the_document_s_example(path: Path) -> None:
    (event,) = load(path, {"2025-01-20": entry("16:00", "23:00")}).events
    assert (event.day, event.name) == (date(2025, 1, 20), "Concierto A")
    assert event.window == Window(datetime(2025, 1, 20, 21, tzinfo=UTC), datetime(2025, 1, 21, 4, tzinfo=UTC))
    assert event.window.since.tzinfo is UTC


@pytest.mark.parametrize(
    ("start", "end", "since", "until"),
    [
        ("16:00", "23:00:30", "2025-01-20T16:00", "2025-01-20T23:00:30"),
        ("20:00:15", "02:00", "2025-01-20T20:00:15", "2025-01-21T02:00"),
        ("18:00", "00:00", "2025-01-20T18:00", "2025-01-21T00:00"),
        ("10:00", "10:00", "2025-01-20T10:00", "2025-01-21T10:00"),
        (" 9:05 ", "11:00", "2025-01-20T09:05", "2025-01-20T11:00"),
    ],
)
def test_times(path: Path, start: str, end: str, since: str, until: str) -> None:
    (event,) = load(path, {"2025-01-20": entry(start, end)}).events
    assert event.window == Window(at(since), at(until))


def test_which_event_is_on_half_open_and_past_midnight(path: Path) -> None:
    schedule = load(
        path, {"2025-01-20": entry("20:00", "02:00", "noche"), "2025-01-21": entry("02:00", "04:00", "madrugada")}
    )

    def names(text: str) -> tuple[str | None, ...]:
        now = at(text)
        found = (schedule.active(now), schedule.next(now))
        return tuple(event.name if event else None for event in found)

    assert names("2025-01-20T19:59:59") == (None, "noche")
    assert names("2025-01-20T20:00:00") == ("noche", "madrugada")
    assert names("2025-01-21T01:59:59.999") == ("noche", "madrugada")
    assert names("2025-01-21T02:00:00") == ("madrugada", None)
    assert names("2025-01-21T04:00:00") == (None, None)


def test_several_events_on_one_date(path: Path) -> None:
    matches = [entry("19:00", "22:00", "segundo"), entry("13:00", "16:00", "primero")]
    schedule = load(path, {"2025-01-20": matches, "2025-01-19": [], "2025-02-01": entry("13:00", "16:00", "otro")})
    assert [event.name for event in schedule.on(date(2025, 1, 20))] == ["primero", "segundo"]
    assert schedule.on(date(2025, 1, 19)) == []
    assert [event.name for event in schedule.events] == ["primero", "segundo", "otro"]


def test_an_event_is_found_again_after_its_times_changed(path: Path) -> None:
    schedule = load(path, {"2025-01-20": [entry("16:00", "20:30", "A"), entry("20:30", "23:00", "B")]})
    first, second = schedule.events

    def edited(since: str, until: str, name: str) -> ScheduledEvent | None:
        window = Window(at(f"2025-01-20T{since}"), at(f"2025-01-20T{until}"))
        return schedule.edited(ScheduledEvent(date(2025, 1, 20), name, window))

    assert edited("15:00", "20:00", "A") == first
    assert edited("20:00", "22:00", "B") == second, "by its name"
    assert edited("20:00", "22:00", "Otro") == second, "by most of its time"
    assert edited("19:00", "21:00", "Otro") == first
    assert edited("23:00", "23:30", "B") is None
    assert edited("15:00", "16:00", "A") is None, "they only touch"


@given(st.integers(0, 14 * 24 * 60), st.lists(st.integers(0, 23), min_size=1, max_size=6))
def test_at_most_one_event_is_on_and_the_others_are_before_or_after(
    tmp_path_factory: pytest.TempPathFactory, minutes: int, hours: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "eventos.json"
    document = {
        f"2025-01-{day:02}": entry(f"{hour:02}:00", f"{(hour + 1) % 24:02}:00") for day, hour in enumerate(hours, 1)
    }
    schedule = load(path, document)
    instant = datetime(2024, 12, 28, tzinfo=BOGOTA) + timedelta(minutes=minutes)
    before = [event for event in schedule.events if event.window.until <= instant]
    after = [event for event in schedule.events if event.window.since > instant]
    on = [event for event in schedule.events if event not in before + after]
    assert on == ([schedule.active(instant)] if schedule.active(instant) else [])
    assert schedule.next(instant) == (after[0] if after else None)


# Where clocks change


def test_an_event_over_a_repeated_hour_is_watched_whole(path: Path) -> None:
    madrid = ZoneInfo("Europe/Madrid")
    (event,) = load(path, {"2025-10-26": entry("02:30", "02:45")}, madrid).events
    assert event.window == Window(datetime(2025, 10, 26, 0, 30, tzinfo=UTC), datetime(2025, 10, 26, 1, 45, tzinfo=UTC))


def test_an_event_over_a_lost_hour_is_watched_whole(path: Path) -> None:
    madrid = ZoneInfo("Europe/Madrid")
    (event,) = load(path, {"2025-03-29": entry("22:00", "02:30")}, madrid).events
    assert event.window.until - event.window.since == timedelta(hours=4, minutes=30)
    (gap,) = load(path, {"2025-03-30": entry("02:15", "02:30")}, madrid).events
    assert gap.window.since < datetime(2025, 3, 30, 1, tzinfo=UTC) < gap.window.until


# Files that cannot be used


GOOD = '{"nombre": "A", "hora_inicio": "16:00", "hora_fin": "23:00"}'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "eventos.json está vacío."),
        (" \n\n", "eventos.json está vacío."),
        ('{\n"2025-01-20": ' + GOOD + ",\n}", "eventos.json, línea"),
        ('{"2025-01-20": ' + GOOD, "no es JSON válido (acaba antes de tiempo: falta cerrar una llave o un corchete)"),
        ('{"2025-01-20" ' + GOOD + "}", "(faltan los dos puntos tras el nombre)"),
        ("{'2025-01-20': 3}", "(comillas simples: en JSON son dobles)"),
        ('{"2025-01-20": ' + GOOD + "} x", "(sobra texto al final)"),
        ("[]", "eventos.json no es un objeto JSON con fechas."),
        ("[" * 100_000, "eventos.json no es lo que se espera."),
        ('{"2025-01-20": ' + "9" * 5_000 + "}", "eventos.json no es lo que se espera."),
        ('{"2025-01-20": ' + GOOD.replace("A", "\\ud83d") + "}", "eventos.json: un texto tiene media letra"),
        (
            '{\n"2025-01-20": ' + GOOD + ',\n"2025-01-20": ' + GOOD + "}",
            "eventos.json, línea 3: «2025-01-20» está dos veces.",
        ),
        ('{\n\n"20-01-2025": ' + GOOD + "}", "eventos.json, línea 3, fecha «20-01-2025»: no es una fecha."),
        ('{"2025-02-30": ' + GOOD + "}", "fecha «2025-02-30»: no es una fecha."),
        ('{"0001-01-01": ' + GOOD + "}", "fecha «0001-01-01»: no es una fecha."),
        ('{"2025-01-20": 3}', "fecha «2025-01-20»: no es un evento."),
        ('{"2025-01-20": [' + GOOD + ", 3]}", "fecha «2025-01-20», evento 2: no es un evento."),
        ('{"2025-01-20": ' + GOOD.replace('"A"', '" "') + "}", "fecha «2025-01-20»: falta nombre."),
        ('{"2025-01-20": ' + GOOD.replace("hora_fin", "hora_final") + "}", "falta hora_fin."),
        ('{"2025-01-20": ' + GOOD.replace("23:00", "24:00") + "}", "hora_fin «24:00» no es una hora."),
        ('{"2025-01-20": ' + GOOD.replace("16:00", "4 pm") + "}", "hora_inicio «4 pm» no es una hora."),
        ('{"2025-01-20": ' + GOOD.replace('"16:00"', "1600") + "}", "hora_inicio «1600» no es una hora."),
        ('{"2025-01-20": [' + GOOD + ", " + GOOD + "]}", "«A» (2025-01-20) y «A» (2025-01-20) se cruzan."),
        (
            '{"2025-01-20": ' + GOOD.replace("23:00", "15:00") + ', "2025-01-21": ' + GOOD.replace("16", "09") + "}",
            "«A» (2025-01-20) y «A» (2025-01-21) se cruzan.",
        ),
    ],
)
def test_the_error_of_an_invalid_file(path: Path, text: str, what: str) -> None:
    path.write_text(text)
    with pytest.raises(BadSchedule) as caught:
        Schedule.load(path, BOGOTA)
    assert what in caught.value.what
    assert caught.value.what.startswith("eventos.json")
    assert caught.value.remedy


def test_a_file_that_is_not_there_or_no_text(path: Path) -> None:
    with pytest.raises(BadSchedule, match=r"no se puede leer \(no existe\)"):
        Schedule.load(path, BOGOTA)
    path.write_bytes('{"2025-01-20": "ñ"}'.encode("utf-16"))
    with pytest.raises(BadSchedule, match="está en UTF-16"):
        Schedule.load(path, BOGOTA)


def test_a_byte_order_mark_and_spanish_letters(path: Path) -> None:
    path.write_text("﻿" + json.dumps({"2025-01-20": entry("16:00", "23:00", "Año Ñandú")}, ensure_ascii=False), "utf-8")
    assert Schedule.load(path, BOGOTA).events[0].name == "Año Ñandú"


# A file that changes


def test_a_change_is_seen_once(path: Path) -> None:
    path.write_text(json.dumps({"2025-01-20": entry("16:00", "23:00")}))
    file = ScheduleFile(path, BOGOTA)
    assert not file.refresh()
    path.write_text(json.dumps({"2025-01-20": entry("16:00", "23:30")}))
    os.utime(path, ns=(1, 1))
    assert file.refresh()
    assert file.schedule.events[0].window.until == at("2025-01-20T23:30")
    assert not file.refresh()


def test_a_broken_version_leaves_the_old_one_in_force_and_is_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    good = json.dumps({"2025-01-20": entry("16:00", "23:00")})
    path.write_text(good)
    file = ScheduleFile(path, BOGOTA)
    before = file.schedule
    for stamp, text in enumerate(["{", "{ ", "{  "], start=1):
        path.write_text(text)
        os.utime(path, ns=(stamp, stamp))
        assert not file.refresh()
        assert not file.refresh()
    assert file.schedule == before
    broken = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(broken) == len(set(broken)) == 3  # each version has another fault, and each is logged once
    assert all(message.endswith("Sigue en vigor la versión anterior.") for message in broken)
    path.unlink()
    assert not file.refresh()
    assert "no existe" in caplog.records[-1].getMessage()
    path.write_text(good)
    assert not file.refresh()  # the same as before: nothing has changed
    assert caplog.records[-1].getMessage() == "eventos.json vuelve a servir."


def test_the_fault_of_a_file_ends_with_its_valid_version_also_when_that_comes_back_as_it_was(path: Path) -> None:
    path.write_text(json.dumps({"2025-01-20": entry("16:00", "23:00")}))
    file = ScheduleFile(path, BOGOTA)
    assert file.fault == ""
    aside = path.rename("aside.json")
    assert not file.refresh()
    assert "no existe" in file.fault
    aside.rename(path)
    assert not file.refresh()
    assert file.fault == ""


def test_a_touched_file_is_no_change(path: Path) -> None:
    path.write_text(json.dumps({"2025-01-20": entry("16:00", "23:00")}))
    file = ScheduleFile(path, BOGOTA)
    os.utime(path, ns=(1, 1))
    assert not file.refresh()


def test_a_half_written_file_is_read_again_though_nothing_more_of_it_changes(path: Path) -> None:
    """The rest is written within the same instant of the file system: neither time nor size nor file tell it."""
    path.write_text(json.dumps({"2025-01-20": entry("16:00", "23:00")}))
    file = ScheduleFile(path, BOGOTA)
    later = json.dumps({"2025-01-20": entry("16:00", "23:30")})
    for text in (later[:-9].ljust(len(later)), later):
        path.write_text(text)
        os.utime(path, ns=(7, 7))
        assert file.refresh() is (text == later)
    assert file.schedule.events[0].window.until == at("2025-01-20T23:30")
