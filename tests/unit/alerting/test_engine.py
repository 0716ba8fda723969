from datetime import UTC, datetime, timedelta

import pytest

from aforo.alerting.engine import AlertTracker, Condition, ZoneLevels, silent_doors
from aforo.alerting.rules import conditions
from aforo.counting.doors import Doors, SourceMinute
from aforo.live.state import HealthProbes, LiveState
from aforo.models import (
    MINUTE_MS,
    Alert,
    AlertKind,
    Classification,
    EventPhase,
    EventSource,
    Feed,
    FeedStatus,
    Movement,
    ScheduledEvent,
    Window,
    ZoneLevel,
)
from aforo.settings import AlertsSettings

NOW = datetime(2026, 11, 24, 22, tzinfo=UTC)
MINIMUM = timedelta(minutes=2)


def condition(holds: bool | None, subject: str = "Norte") -> Condition:
    return Condition(AlertKind.ZONE_FULL, subject, holds, "llena")


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_an_alert_begins_once_and_ends_once() -> None:
    watch = AlertTracker(MINIMUM)
    steps = [
        watch.step([condition(holds)], after(number)) for number, holds in enumerate([True, True, True, False, False])
    ]
    assert [[notice.begins for notice in notices] for notices in steps] == [[True], [], [], [False], []]
    begun, ended = steps[0][0].alert, steps[3][0].alert
    assert (ended.id, ended.began, ended.ended) == (begun.id, NOW, after(3))


def test_what_flaps_is_told_at_most_once_in_the_minimum_time() -> None:
    watch = AlertTracker(MINIMUM)
    told = [notice for number in range(60) for notice in watch.step([condition(number % 2 == 0)], after(number / 10))]
    assert len(told) <= 1 + 6 / 2
    assert [notice.begins for notice in told] == [True, False, True][: len(told)]


def test_what_cannot_be_told_changes_nothing() -> None:
    watch = AlertTracker(MINIMUM)
    assert watch.step([condition(None)], NOW) == []
    watch.step([condition(True)], NOW)
    assert watch.step([condition(None)], after(30)) == []
    assert len(watch.active) == 1


def test_what_is_not_looked_at_any_more_is_over() -> None:
    watch = AlertTracker(MINIMUM)
    watch.step([condition(True)], NOW)
    assert [notice.begins for notice in watch.step([], after(5))] == [False]


def test_a_restored_alert_is_not_begun_again_and_ends_with_its_id() -> None:
    watch = AlertTracker(MINIMUM)
    watch.restore([Alert("x", AlertKind.ZONE_FULL, "Norte", "llena", after(-60))])
    assert watch.step([condition(True)], NOW) == []
    assert [notice.alert.id for notice in watch.step([condition(False)], after(1))] == ["x"]


@pytest.mark.parametrize(
    ("percents", "levels"),
    [
        ([79, 80, 78, 77.5, 76.9], ["normal", "warning", "warning", "warning", "normal"]),
        ([101, 98, 97, 96.9, 79, 76], ["full", "full", "warning", "warning", "warning", "normal"]),
        ([None, 50], ["unknown", "normal"]),
    ],
)
def test_a_level_rises_at_once_and_falls_some_points_below(percents: list[float | None], levels: list[str]) -> None:
    seen = ZoneLevels(3.0)
    assert [seen.level("Norte", percent, 80, 100) for percent in percents] == [ZoneLevel(level) for level in levels]


def test_after_a_restart_a_level_comes_down_from_where_it_was() -> None:
    seen = ZoneLevels(3.0)
    for kind in (AlertKind.ZONE_FULL, AlertKind.ZONE_WARNING):
        seen.restore(Alert("x", kind, "Norte", "llena", NOW))
    assert seen.level("Norte", 98, 80, 100) is ZoneLevel.FULL
    assert seen.level("Norte", 78, 80, 100) is ZoneLevel.WARNING


def test_nothing_is_told_of_a_camera_before_it_was_asked_nor_while_the_server_is_away() -> None:
    feed, away = Feed("srv", "A"), None
    board = LiveState()
    board.phase = EventPhase.WATCHING
    board.event = ScheduledEvent(NOW.date(), "Concierto A", Window(NOW, after(60)))
    board.follow([FeedStatus(feed, NOW)])
    board.signs = HealthProbes(link_down_since=lambda: away)

    def gone(minutes: float) -> bool | None:
        found = conditions(board, AlertsSettings(), board.levels, after(minutes))
        return next(one.holds for one in found if one.kind is AlertKind.CAMERA_GONE)

    assert gone(1) is None, "after a restart an alert that is on must not end before the camera was asked"
    board.update_feeds([FeedStatus(feed, after(1), answered=True)])
    assert gone(2) is False
    failing = FeedStatus(feed, after(1), after(2), after(2), answered=True, error="cortado")
    board.update_feeds([failing])
    assert (gone(4), gone(6)) == (None, True)
    away = after(6)
    assert gone(7) is None


HISTORY = Classification(True, ())


def doors(*rates: tuple[str, int, int], verdict: Classification = HISTORY) -> Doors:
    """Doors with so many a minute for an hour, then so many a minute for a quarter."""
    found = Doors()
    for name, before, now in rates:
        for minute in range(75):
            if count := before if minute < 60 else now:
                found.add(
                    SourceMinute(EventSource("c", name, "", "OBJECT_COUNTING_ENTER"), minute * MINUTE_MS),
                    verdict,
                    count,
                )
    return found


QUARTER = (60 * MINUTE_MS, 75 * MINUTE_MS)


def test_a_door_that_falls_silent_while_the_others_count_is_told() -> None:
    assert silent_doors(doors(("P1", 2, 0), ("P2", 2, 2), ("P3", 2, 2)), *QUARTER) == {
        "P1": True,
        "P2": False,
        "P3": False,
    }


def test_when_all_are_quiet_no_door_is_silent() -> None:
    assert silent_doors(doors(("P1", 2, 0), ("P2", 2, 0)), *QUARTER) == {"P1": None, "P2": None}


def test_a_door_that_seldom_counts_is_not_called_silent() -> None:
    found = doors(("P1", 2, 2), ("P2", 2, 2))
    found.add(SourceMinute(EventSource("c", "P3", "", "OBJECT_COUNTING_ENTER"), 0), HISTORY, 20)
    assert silent_doors(found, *QUARTER)["P3"] is None


def test_exits_are_not_expected_of_an_entrance() -> None:
    found = doors(("ENTRADA 1", 3, 0), ("ENTRADA 2", 3, 0), verdict=Classification(False, (Movement("Norte", 1),)))
    for minute in range(60, 75):
        found.add(
            SourceMinute(EventSource("c", "SALIDA 1", "", ""), minute * MINUTE_MS),
            Classification(False, (Movement("Norte", -1),)),
            20,
        )
    assert silent_doors(found, *QUARTER)["ENTRADA 1"] is None
