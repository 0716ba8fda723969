from datetime import UTC, date, datetime, timedelta

from aforo.counting.rules import Rules
from aforo.models import EventSource, Rule, ScheduledEvent, Window, to_ms
from aforo.reporting.compute import compute_report, percentiles
from aforo.reporting.data import Lateness, OneWayFigures
from aforo.reporting.page import html
from aforo.settings import Settings, zones_from
from aforo.storage import DoorMinute, EventRecord, ReportSnapshot, StoredHistory

DOORS = datetime(2026, 1, 27, 21, tzinfo=UTC)
ENTER, EXIT = "OBJECT_COUNTING_ENTER", "OBJECT_COUNTING_EXIT"


def snapshot(settings: Settings, *doors: tuple[str, str, int]) -> ReportSnapshot:
    """An event in which so many passed each door, by its name and the activity."""
    rules = Rules(map(Rule.of, settings.events.stored), zones_from(settings.zones))
    event = ScheduledEvent(date(2026, 1, 27), "Concierto", Window(DOORS, DOORS + timedelta(hours=3)))
    record = EventRecord(1, event, {}, {}, True, rules.classify, rules.fingerprint)
    history = StoredHistory(
        doors=[DoorMinute(EventSource(name, name, "", activity), to_ms(DOORS), n) for name, activity, n in doors]
    )
    return ReportSnapshot(record, "prueba", [record], history, {}, 0, [], [], {}, [])


def test_percentiles_of_nothing_are_zero() -> None:
    assert percentiles([]) == Lateness()


def test_percentiles_count_events_and_no_lateness_is_negative() -> None:
    histogram = [(-2.0, 50), (1.0, 44), (5.0, 4), (61.0, 1), (300.0, 1)]
    assert percentiles(histogram) == Lateness(median=0.0, p95=5.0, p99=61.0, longest=300.0, over_minute=2)


def test_a_door_that_lacks_a_direction_is_named_with_what_it_means() -> None:
    settings = Settings()
    doors = [("PUERTA 1", ENTER, 400), ("PUERTA 1", EXIT, 380), ("PUERTA 2", ENTER, 300)]
    report = compute_report(snapshot(settings, *doors), settings, DOORS + timedelta(hours=4))
    assert report.one_way == [OneWayFigures("PUERTA 2", "Personas en el estadio", True, 300)]
    assert "«PUERTA 2» solo cuenta entradas en Personas en el estadio: quien sale por ella sigue contado" in html(
        report
    )
    both = compute_report(snapshot(settings, *doors, ("PUERTA 2", EXIT, 290)), settings, DOORS + timedelta(hours=4))
    assert both.one_way == []
    assert "solo cuenta" not in html(both)
