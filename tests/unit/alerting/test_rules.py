from datetime import UTC, datetime, timedelta

from aforo.alerting.engine import ZoneLevels
from aforo.alerting.rules import conditions
from aforo.live.state import HealthProbes, LiveState
from aforo.models import (
    AlertKind,
    Batch,
    CameraEvent,
    Classification,
    CommitResult,
    Feed,
    FeedStatus,
    Occupancy,
    ScheduledEvent,
    Window,
)
from aforo.reference_clock import ClockStep, ClockStepKind
from aforo.settings import AlertsSettings, TotalSettings, ZoneSettings
from aforo.storage import EventRecord, StoredHistory

NOW = datetime(2026, 11, 24, 22, tzinfo=UTC)


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_a_camera_is_unknown_before_it_was_read_and_while_the_server_is_away() -> None:
    feed, away = Feed("srv", "A"), None
    live = LiveState(probes=HealthProbes(link_down_since=lambda: away))
    event = ScheduledEvent(NOW.date(), "Concierto A", Window(NOW, after(60)))
    live.open(EventRecord(1, event, {}, {}, False, lambda _: Classification(False, ()), ""), NOW)
    live.follow([FeedStatus(feed, NOW)])

    def gone(minutes: float) -> bool | None:
        found = conditions(live, AlertsSettings(), ZoneLevels(0.0), after(minutes))
        return next(one.holds for one in found if one.kind is AlertKind.CAMERA_GONE)

    assert gone(1) is None, "after a restart an alert that is on must not end before the camera was read"
    live.update_feeds([FeedStatus(feed, after(1), answered=True)], after(1))
    assert gone(2) is False
    failing = FeedStatus(feed, after(1), after(2), after(2), answered=True, error="cortado")
    live.update_feeds([failing], after(2))
    assert (gone(4), gone(6)) == (None, True)
    away = after(6)
    assert gone(7) is None


def test_a_camera_with_too_many_events_is_an_alert_and_all_are_stored() -> None:
    live = LiveState()
    event = ScheduledEvent(NOW.date(), "Concierto A", Window(NOW, after(600)))
    live.open(EventRecord(1, event, {}, {}, False, lambda _: Classification(False, ()), ""), NOW)
    live.follow([FeedStatus(Feed("srv", camera), NOW) for camera in ("A", "B")])

    def store(camera: str, minute: int, number: int, at: float) -> None:
        events = [
            CameraEvent("srv", f"{minute}-{place}", after(minute), camera, "PUERTA 1", "", "")
            for place in range(number)
        ]
        live.committed(CommitResult(events, 0, {}), after(at), Batch())

    def floods(at: float, **given: float) -> dict[str, bool | None]:
        found = conditions(live, AlertsSettings.model_validate(given), ZoneLevels(0.0), after(at))
        return {one.subject: one.holds for one in found if one.kind is AlertKind.EVENT_FLOOD}

    for minute in range(300):  # a catch-up of five hours in one go
        store("A", minute, 60, at=300)
    store("B", 300, 2_000, at=300)
    assert floods(300) == {"A": False, "B": False}
    store("B", 300, 1_001, at=301)
    assert floods(301) == {"A": False, "B": True}
    assert floods(301, camera_rate=100) == {"A": False, "B": False}
    assert floods(301, camera_rate=0) == {}
    store("B", 302, 10, at=302)
    assert floods(302)["B"]
    store("B", 309, 10, at=309)
    assert floods(309) == {"B": False}


def test_a_step_of_a_clock_is_a_condition_also_between_two_events() -> None:
    step = ClockStep(ClockStepKind.MACHINE, 18_000.0, NOW)
    live = LiveState(probes=HealthProbes(current_clock_steps=lambda: [step]))
    (found,) = [one for one in conditions(live, AlertsSettings(), ZoneLevels(0.0), NOW) if one.kind is AlertKind.CLOCK]
    assert found.holds
    assert "adelantado 5 h" in found.text


def test_the_first_catch_up_is_no_old_count_and_a_catch_up_that_stands_still_is() -> None:
    feeds = Feed("srv", "A"), Feed("srv", "B")
    live = LiveState()
    event = ScheduledEvent(NOW.date(), "Concierto A", Window(NOW, after(600)))
    live.open(EventRecord(1, event, {}, {}, False, lambda _: Classification(False, ()), ""), after(120))
    live.follow([FeedStatus(feed, NOW) for feed in feeds])

    def stale(minutes: float) -> bool | None:
        found = conditions(live, AlertsSettings(), ZoneLevels(0.0), after(minutes))
        return next(one.holds for one in found if one.kind is AlertKind.STALE)

    def read(until: float, at: float, *of: Feed) -> None:
        live.committed(CommitResult([], 0, {}), after(at), Batch(checkpoints=dict.fromkeys(of, after(until))))

    assert stale(120) is None
    read(40, 121, *feeds)
    read(80, 125, *feeds)
    assert stale(129) is None, "it goes on"
    assert stale(131) is True, "five minutes without any progress"
    read(131, 132, feeds[0])
    assert stale(132) is True, "the other camera is not read"
    read(131, 132, feeds[1])
    assert stale(132) is False
    assert stale(140) is True, "it was current once"


def test_a_total_is_full_by_the_same_rules_as_a_zone() -> None:
    zones = [ZoneSettings(name=name, table="") for name in ("Norte", "Sur")]
    live = LiveState(zones, totals=[TotalSettings(name="Carros", zones=["Norte", "Sur"], capacity=100, warning=70)])
    occupancies = {"Norte": Occupancy("Norte", 50, 0, 50, 0), "Sur": Occupancy("Sur", 25, 0, 25, 0)}
    event = ScheduledEvent(NOW.date(), "Concierto A", Window(NOW, after(60)))
    live.open(EventRecord(1, event, {}, occupancies, False, lambda _: Classification(False, ()), ""), NOW)
    levels = ZoneLevels(0.0)

    def held() -> list[tuple[AlertKind, str]]:
        found = conditions(live, AlertsSettings(), levels, NOW)
        return [(one.kind, one.text) for one in found if one.subject == "Carros" and one.holds]

    assert held() == [(AlertKind.ZONE_WARNING, "La suma Carros está casi llena: 75 de 100.")]
    live.recount({"Sur": Occupancy("Sur", 60, 0, 60, 0)}, StoredHistory())
    assert held()[1] == (AlertKind.ZONE_FULL, "La suma Carros está llena: 110 de 100.")
