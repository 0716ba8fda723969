from datetime import UTC, datetime, timedelta

import pytest

from aforo.simulator import EVERY, Fault, Faults

NOW = datetime(2026, 11, 20, 23, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LASTING = {  # not among the usual faults
    "date",
    "no_date",
    "camera_outage",
    "camera_clock",
    "camera_disconnected",
    "camera_no_video",
    "camera_tampered",
    "camera_not_recording",
    "camera_reconfigured",
    "camera_dead",
    "push_early",
}


def test_a_fault_strikes_in_its_span_only() -> None:
    faults = Faults(on={"away": Fault(since=NOW, until=NOW + SECOND)})
    struck = [faults.strikes("away", NOW + seconds * SECOND) is not None for seconds in (-1, 0, 0.9, 1)]
    assert struck == [False, True, True, False]


def test_a_fault_strikes_so_often_and_no_more() -> None:
    faults = Faults(on={"error_500": Fault(times=2)})
    assert [faults.strikes("error_500", NOW) is not None for _ in range(4)] == [True, True, False, False]


def test_a_fault_strikes_as_often_as_it_is_likely_and_the_same_with_the_same_seed() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(seed, {"error_500": Fault(0.1)})
        return [faults.strikes("error_500", NOW) is not None for _ in range(1000)]

    assert 60 < sum(struck(1)) < 140
    assert struck(1) == struck(1) != struck(2)


def test_a_camera_s_fault_strikes_only_requests_that_name_it() -> None:
    faults = Faults(on={"camera_500": Fault(cameras=frozenset({"a"}))})
    assert faults.strikes("camera_500", NOW, cameras=("b", "a"))
    assert not faults.strikes("camera_500", NOW, cameras=("b",))
    assert not Faults(on={"camera_500": Fault()}).strikes("camera_500", NOW, cameras=("a",))


def test_a_fault_can_be_aimed_at_a_path() -> None:
    faults = Faults(on={"hang": Fault(paths=frozenset({"login"}))})
    assert faults.strikes("hang", NOW, "login")
    assert not faults.strikes("hang", NOW, "cameras")


def test_faults_are_switched_while_they_are_in_use() -> None:
    faults = Faults.all(broken=["a", "b", "c", "d", "e", "f"])
    assert set(EVERY) - set(faults.names()) == LASTING
    hanging = faults.get("camera_hang")
    assert hanging is not None
    assert hanging.cameras == {"a", "f"}
    faults.clear("hang", "late")
    assert set(EVERY) - set(faults.names()) == {"hang", "late"} | LASTING
    faults.clear()
    assert faults.names() == []
    with pytest.raises(ValueError, match="no_such"):
        faults.set("no_such")


def test_a_mark_on_a_crossing_stays_and_is_as_frequent_as_set() -> None:
    faults, again, other = (Faults(seed, {"late": Fault(0.2), "repeated": Fault(0.2)}) for seed in (1, 1, 2))
    marks = [faults.marks("late", place) for place in range(5000)]
    assert 900 < sum(marks) < 1100
    assert marks == [again.marks("late", place) for place in range(5000)]
    assert marks != [other.marks("late", place) for place in range(5000)]
    assert marks != [faults.marks("repeated", place) for place in range(5000)]
