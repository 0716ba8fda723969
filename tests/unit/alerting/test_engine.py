from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aforo.alerting.engine import AlertTracker, Condition, ZoneLevels
from aforo.models import (
    Alert,
    AlertKind,
    ZoneLevel,
)

NOW = datetime(2026, 11, 24, 22, tzinfo=UTC)
MINIMUM = timedelta(minutes=2)


def condition(holds: bool | None, subject: str = "Norte") -> Condition:
    return Condition(AlertKind.ZONE_FULL, subject, holds, "llena")


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_an_alert_begins_once_and_ends_once() -> None:
    tracker = AlertTracker(MINIMUM)
    steps = [
        tracker.step([condition(holds)], after(number)) for number, holds in enumerate([True, True, True, False, False])
    ]
    assert [[transition.begins for transition in transitions] for transitions in steps] == [[True], [], [], [False], []]
    begun, ended = steps[0][0].alert, steps[3][0].alert
    assert (ended.id, ended.began, ended.ended) == (begun.id, NOW, after(3))


def test_a_condition_that_flaps_changes_at_most_once_in_the_minimum_time() -> None:
    tracker = AlertTracker(MINIMUM)
    found = [one for number in range(60) for one in tracker.step([condition(number % 2 == 0)], after(number / 10))]
    assert [(one.begins, one.alert.ended or one.alert.began) for one in found] == [
        (True, after(0)),
        (False, after(0.1)),
        (True, after(2.2)),
        (False, after(2.3)),
        (True, after(4.4)),
        (False, after(4.5)),
    ], "an end is shown at once; what begins again waits"


def test_an_alert_that_goes_on_has_the_current_figures() -> None:
    tracker = AlertTracker(MINIMUM)
    full = [Condition(AlertKind.ZONE_FULL, "Norte", True, f"Norte está llena: {count} de 400.") for count in (400, 430)]
    (begun,) = tracker.step(full[:1], NOW)
    assert tracker.step(full[1:], after(0.1)) == []
    (shown,) = tracker.active.values()
    assert (shown.text, shown.id, shown.began) == ("Norte está llena: 430 de 400.", begun.alert.id, NOW)
    (ended,) = tracker.step([replace(full[0], holds=False, text="Norte está llena: 380 de 400.")], after(0.2))
    assert ended.alert.text == "Norte está llena: 430 de 400."


def test_a_step_of_a_clock_ends_at_once() -> None:
    tracker = AlertTracker(timedelta(minutes=2))
    step = Condition(AlertKind.CLOCK, "reloj de este equipo (+5 h)", True, "…")
    assert [one.begins for one in tracker.step([step], NOW)] == [True]
    assert [one.begins for one in tracker.step([], NOW + timedelta(seconds=8))] == [False]


def test_a_clock_that_was_set_back_holds_up_no_alert() -> None:
    tracker = AlertTracker(timedelta(minutes=2))
    tracker.step([condition(True)], after(60))
    assert [one.begins for one in tracker.step([condition(False)], after(0))] == [False]


def test_a_condition_that_cannot_be_known_changes_nothing() -> None:
    tracker = AlertTracker(MINIMUM)
    assert tracker.step([condition(None)], NOW) == []
    tracker.step([condition(True)], NOW)
    assert tracker.step([condition(None)], after(30)) == []
    assert len(tracker.active) == 1


def test_an_alert_without_a_condition_ends() -> None:
    tracker = AlertTracker(MINIMUM)
    tracker.step([condition(True)], NOW)
    assert [one.begins for one in tracker.step([], after(5))] == [False]


def test_a_restored_alert_is_not_begun_again_and_ends_with_its_id() -> None:
    tracker = AlertTracker(MINIMUM)
    tracker.restore([Alert("x", AlertKind.ZONE_FULL, "Norte", "llena", after(-60))])
    assert tracker.step([condition(True)], NOW) == []
    assert [one.alert.id for one in tracker.step([condition(False)], after(1))] == ["x"]


@pytest.mark.parametrize(
    ("percents", "expected"),
    [
        ([79, 80, 78, 77.5, 76.9], ["normal", "warning", "warning", "warning", "normal"]),
        ([101, 98, 97, 96.9, 79, 76], ["full", "full", "warning", "warning", "warning", "normal"]),
        ([None, 50], ["unknown", "normal"]),
    ],
)
def test_a_level_rises_at_once_and_falls_some_points_below(percents: list[float | None], expected: list[str]) -> None:
    levels = ZoneLevels(3.0)
    assert [levels.update("Norte", percent, 80, 100) for percent in percents] == [
        ZoneLevel(level) for level in expected
    ]


def test_after_a_restart_a_level_falls_from_where_it_was() -> None:
    levels = ZoneLevels(3.0)
    for kind in (AlertKind.ZONE_FULL, AlertKind.ZONE_WARNING):
        levels.restore(Alert("x", kind, "Norte", "llena", NOW))
    assert levels.update("Norte", 98, 80, 100) is ZoneLevel.FULL
    assert levels.update("Norte", 78, 80, 100) is ZoneLevel.WARNING
