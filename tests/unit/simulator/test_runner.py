"""The options of ``aforo simulate``: faults, profile, plan."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest

from aforo.errors import BadCommand
from aforo.simulator import (
    EVERY,
    CrowdOptions,
    Fault,
    Options,
    Order,
    ScenarioPlan,
    ServerProfile,
    add_arguments,
    options_from,
)
from aforo.simulator.runner import crowd_from, faults_from, profile_from

NOW = datetime(2026, 11, 20, 23, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def options(faults: str, latency_ms: float = 0) -> Options:
    return Options(ScenarioPlan(NOW, NOW + SECOND), faults=faults, latency_ms=latency_ms)


def test_options_name_faults_with_their_rates() -> None:
    faults = faults_from(options("error_500,late=0.5:90,hang=0.25", latency_ms=20))
    assert faults.get("error_500") == EVERY["error_500"]
    assert faults.get("late") == Fault(0.5, seconds=90)
    assert faults.get("hang") == Fault(0.25)
    assert faults.get("latency") == Fault(seconds=0.02)
    assert faults_from(options("none")).names() == []


@pytest.mark.parametrize("wrong", ["no_such", "late=x", "late=0.1:y", "late=0.1,", "late=2", "late=nan"])
def test_an_unknown_fault_is_an_error_that_lists_the_known_ones(wrong: str) -> None:
    with pytest.raises(BadCommand, match="error_500"):
        faults_from(options(wrong))


def test_options_name_the_profile() -> None:
    assert profile_from("") == ServerProfile()
    assert profile_from("order=newest,this_id=false") == ServerProfile(order=Order.NEWEST, this_id=False)
    for wrong in ("order=sideways", "nothing=1", "order"):
        with pytest.raises(BadCommand, match="to_inclusive"):
            profile_from(wrong)


def test_options_name_the_crowd() -> None:
    assert crowd_from("") is None
    assert crowd_from("people=700,missed=0.1") == CrowdOptions(people=700, missed=0.1)
    assert parsed("--crowd", "inside=40").plan.crowd == CrowdOptions(inside=40)
    for wrong in ("people=many", "nobody=1"):
        with pytest.raises(BadCommand, match="people, inside"):
            crowd_from(wrong)


def parsed(*argv: str) -> Options:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser)
    return options_from(parser.parse_args(argv))


def test_the_plan_of_an_event_that_began_an_hour_ago_and_lasts_three() -> None:
    plan = parsed().plan
    assert timedelta(minutes=59) < datetime.now(UTC) - plan.start < timedelta(minutes=61)
    assert plan.end - plan.start == timedelta(hours=3)
    given = parsed("--start", "2026-11-20T18:00:00-05:00", "--end", "2026-11-21T00:00:00+00:00", "--burst", "7")
    assert (given.plan.start, given.plan.end, given.plan.burst) == (NOW, NOW + timedelta(hours=1), 7)


@pytest.mark.parametrize(
    "argv",
    [
        ("--start", "2026-11-20T18:00:00Z", "--end", "2026-11-20T18:00:00Z"),
        ("--events", "-1"),
        ("--cameras", "0"),
        ("--speed", "0"),
    ],
)
def test_options_that_are_not_possible(argv: tuple[str, ...]) -> None:
    with pytest.raises(BadCommand, match="no son posibles"):
        parsed(*argv)
