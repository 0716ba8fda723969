from datetime import UTC, datetime, timedelta
from itertools import permutations

from aforo.counting.camera_health import CameraHealth, blind
from aforo.models import CameraEvent, CameraFault, FaultSpan, HealthEvent, Window

NOW = datetime(2026, 1, 27, 21, tzinfo=UTC)
DISCONNECTED, NO_VIDEO, TAMPERED = CameraFault.DISCONNECTED, CameraFault.NO_VIDEO, CameraFault.TAMPERED


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def counted(camera_id: str, minutes: float) -> CameraEvent:
    return CameraEvent("srv", "1", at(minutes), camera_id, "PUERTA 1", "", "OBJECT_COUNTING_ENTER")


def test_events_give_the_same_spans_in_any_order_and_however_often_they_are_read() -> None:
    events = [
        HealthEvent("A", NO_VIDEO, at(minute), on) for minute, on in ((1, True), (2, True), (5, False), (9, True))
    ]
    for order in permutations(events):
        health = CameraHealth()
        assert health.take_events(order)
        assert not health.take_events(events)
        assert health.spans() == [FaultSpan("A", NO_VIDEO, at(1), at(5)), FaultSpan("A", NO_VIDEO, at(9))]


def test_a_list_begins_and_ends_a_disconnection_and_an_event_tells_its_begin_better() -> None:
    health = CameraHealth()
    assert not health.take_connected({"A": True, "B": None}, at(0))
    assert health.take_connected({"A": False, "B": None}, at(1))
    assert not health.take_connected({"A": False}, at(2))
    assert not health.take_connected({"A": None}, at(3))
    assert health.take_events([HealthEvent("A", DISCONNECTED, at(0.5), on=True)])
    assert health.spans() == [FaultSpan("A", DISCONNECTED, at(0.5))]
    assert health.take_connected({"A": True}, at(4))
    assert health.spans() == [FaultSpan("A", DISCONNECTED, at(0.5), at(4))]


def test_a_camera_that_counts_again_is_not_blind_but_may_be_listed_as_disconnected() -> None:
    health = CameraHealth()
    health.take_events([HealthEvent("A", TAMPERED, at(1), on=True), HealthEvent("A", DISCONNECTED, at(1), on=True)])
    assert not health.take_counted([counted("A", 0.5), counted("B", 3), counted("A", 1.2)]), "in flight at the fault"
    assert health.take_counted([counted("A", 1.2), counted("A", 6), counted("A", 7)])
    assert health.spans() == [FaultSpan("A", DISCONNECTED, at(1)), FaultSpan("A", TAMPERED, at(1), at(6))]
    assert health.take_counted([counted("A", 4)]) is False, "the end that is known stays"


def test_a_change_of_settings_is_an_instant_and_blinds_nobody() -> None:
    health = CameraHealth()
    health.take_events([HealthEvent("A", CameraFault.RECONFIGURED, at(1), on=True)])
    assert health.spans() == [FaultSpan("A", CameraFault.RECONFIGURED, at(1), at(1))]
    assert blind(health.spans(), Window(at(0), at(60)), at(30)) == {}


def test_what_an_earlier_process_journaled_goes_on_until_the_list_says_otherwise() -> None:
    spans = [FaultSpan("A", DISCONNECTED, at(1)), FaultSpan("B", NO_VIDEO, at(2), at(3))]
    health = CameraHealth()
    assert health.restore(spans)
    assert not health.restore(spans)
    assert health.spans() == spans
    health.take_connected({"A": True}, at(9))
    assert health.spans()[0] == FaultSpan("A", DISCONNECTED, at(1), at(9))


def test_blind_windows_lie_inside_the_event_and_do_not_overlap() -> None:
    spans = [
        FaultSpan("A", DISCONNECTED, at(-5), at(2)),
        FaultSpan("A", NO_VIDEO, at(1), at(4)),
        FaultSpan("A", TAMPERED, at(20)),
        FaultSpan("B", DISCONNECTED, at(-5), at(-1)),
        FaultSpan("C", DISCONNECTED, at(50), at(90)),
    ]
    assert blind(spans, Window(at(0), at(60)), at(55)) == {
        "A": [Window(at(0), at(4)), Window(at(20), at(55))],
        "C": [Window(at(50), at(60))],
    }


def test_memory_is_bounded() -> None:
    health = CameraHealth()
    health.take_events(HealthEvent("A", NO_VIDEO, at(one), one % 2 == 0) for one in range(10_000))
    assert len(health.spans()) == 200
    assert health.spans()[-1].ended == at(9_999)
