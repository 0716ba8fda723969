"""``aforo count`` writes into the journal of the event that it means, and nowhere else."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from aforo.cli.count import CountOrder, main
from aforo.counting.rules import Rules
from aforo.errors import BadCommand
from aforo.models import ScheduledEvent, Window
from aforo.settings import DatabaseSettings, Settings, zones_from
from aforo.storage import JournalKind, ManualCount, Store

PEOPLE = "Personas en el estadio"
START = datetime(2026, 11, 24, 21, tzinfo=UTC)  # 16:00 in Bogotá
NOW = START + timedelta(hours=3)
EVENT = ScheduledEvent(date(2026, 11, 24), "Partido", Window(START, START + timedelta(hours=9)))
BEFORE = ScheduledEvent(date(2026, 11, 20), "Anterior", Window(START - timedelta(days=4), START - timedelta(days=3.7)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(database=DatabaseSettings(url=SecretStr(f"sqlite:///{tmp_path / 'aforo.db'}")))


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store(settings.database.address(), zones_from(settings.zones), ZoneInfo("America/Bogota"))
    store.open()
    rules = Rules([], zones_from(settings.zones))
    for event in (BEFORE, EVENT):
        store.open_record(event, rules.classify, rules.fingerprint, START)
    yield store
    store.close()


def counts(store: Store, event: ScheduledEvent = EVENT) -> list[tuple[str, datetime, ManualCount]]:
    (record,) = store.records_on(event.day)
    found = [(one, ManualCount.of(one)) for one in store.entries(record, JournalKind.COUNT)]
    return [(entry.subject, entry.began, count) for entry, count in found if count is not None]


def test_a_count_of_now(settings: Settings, store: Store) -> None:
    (line,) = main(settings, CountOrder("personas en el estadio", people=15_000), NOW)
    ((zone, at, count),) = counts(store)
    assert (zone, at, count.value, count.error, count.entries) == (PEOPLE, NOW, 15_000, 450, False)
    assert line == f"«Partido», {PEOPLE}: 15.000 dentro a las 19:00, con un error de ±450. Anotado."


@pytest.mark.parametrize(
    ("at", "expected"),
    [(time(18, 30), START + timedelta(hours=2.5)), (time(0, 30), START + timedelta(hours=8.5))],
)
def test_a_count_of_another_time_of_the_event(settings: Settings, store: Store, at: time, expected: datetime) -> None:
    main(settings, CountOrder(PEOPLE, people=0, error=0, at=at), NOW)
    ((_, instant, count),) = counts(store)
    assert (instant, count.value, count.error) == (expected, 0, 0)


def test_a_count_of_an_event_that_is_over(settings: Settings, store: Store) -> None:
    lines = main(settings, CountOrder(PEOPLE, people=900, at=time(17, 0), day=BEFORE.day), NOW)
    ((_, at, _),) = counts(store, BEFORE)
    assert at == BEFORE.window.since + timedelta(hours=1)
    assert counts(store) == []
    assert lines[-1] == "El acta se hace de nuevo con «aforo report 2026-11-20»."


@pytest.mark.parametrize(
    "text",
    [
        "hora;puerta\n16:05;1\n16:20:30;2\n19:30;9\n",  # 19:30 is after now
        "puerta,leída\n1,2026-11-24 16:05:00\n2,2026-11-24T16:20:30-05:00\n3,2026-11-23 16:00:00\n",
        "hora;boletas\n16:05;1\n16:20:30;1\n",
    ],
)
def test_tickets_are_entries_until_the_last_of_them(
    settings: Settings, store: Store, tmp_path: Path, text: str
) -> None:
    scans = tmp_path / "boletas.csv"
    scans.write_text(text, encoding="utf-8")
    main(settings, CountOrder(PEOPLE, scans=scans), NOW)
    ((_, at, count),) = counts(store)
    assert count.entries
    assert at == START + timedelta(minutes=20, seconds=30)
    assert count.value == 2


def test_tickets_by_the_hour(settings: Settings, store: Store, tmp_path: Path) -> None:
    scans = tmp_path / "boletas.csv"
    scans.write_bytes("Hora\tBoletas leídas\n17:00\t1.200\n18:00\t3.400\n15:00\t70\n".encode("cp1252"))
    lines = main(settings, CountOrder(PEOPLE, scans=scans, error=50), NOW)
    ((_, at, count),) = counts(store)
    assert (at, count.value, count.error) == (START + timedelta(hours=2), 4_600, 50)
    assert lines[0].startswith(f"«Partido», {PEOPLE}: 4.600 entradas por boletas hasta las 18:00")


def test_what_cannot_be_meant(settings: Settings, store: Store, tmp_path: Path) -> None:
    with pytest.raises(BadCommand, match="No hay ninguna zona «Tribuna»"):
        main(settings, CountOrder("Tribuna", people=5), NOW)
    with pytest.raises(BadCommand, match="ningún evento"):
        main(settings, CountOrder(PEOPLE, people=5, day=date(2026, 1, 1)), NOW)
    with pytest.raises(BadCommand, match="ningún evento"):
        main(settings, CountOrder(PEOPLE, people=5, at=time(9, 0)), NOW)
    empty = tmp_path / "boletas.csv"
    empty.write_text("hora;puerta\nnada;1\n")
    with pytest.raises(BadCommand, match="ninguna boleta"):
        main(settings, CountOrder(PEOPLE, scans=empty), NOW)
    assert counts(store) == []
