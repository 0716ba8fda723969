"""How old camera events are when a search has them, when they are stored and when they are sent."""

from datetime import UTC, datetime, timedelta

from aforo.live.latency import BOUNDS, Latency, Stage
from aforo.models import CameraEvent

START = datetime(2026, 1, 27, 21, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(number: int, seconds: float) -> CameraEvent:
    return CameraEvent("srv", str(number), at(seconds), "A", "PUERTA", "", "")


def counts(latency: Latency, stage: Stage) -> dict[float, int]:
    """How many were counted up to each bound that some were counted below."""
    cumulative = latency.histograms[stage].cumulative()
    return dict(zip((*BOUNDS, float("inf")), cumulative, strict=True))


def test_each_stage_is_counted_for_new_events_only() -> None:
    latency = Latency()
    events = [event(1, 0.0), event(2, 4.0)]
    latency.page_read(events, at(4.2))
    latency.page_read(events[:1], at(4.3))  # read twice before it is stored
    latency.committed(events, events, at(4.4))
    latency.page_read(events, at(60))
    latency.committed(events, [], at(60))
    latency.sent(at(4.6), to_anybody=True)
    assert (counts(latency, Stage.VISIBLE)[0.25], counts(latency, Stage.VISIBLE)[5.0]) == (1, 2)
    assert (counts(latency, Stage.STORED)[0.5], counts(latency, Stage.STORED)[float("inf")]) == (1, 2)
    assert (counts(latency, Stage.SHOWN)[0.75], counts(latency, Stage.SHOWN)[float("inf")]) == (1, 2)
    assert round(latency.histograms[Stage.SHOWN].total, 6) == 5.2


def test_what_nobody_looks_at_is_not_shown() -> None:
    latency = Latency()
    latency.page_read([event(1, 0.0)], at(1))
    latency.committed([event(1, 0.0)], [event(1, 0.0)], at(1))
    latency.sent(at(1.2), to_anybody=False)
    latency.sent(at(9), to_anybody=True)
    assert latency.histograms[Stage.SHOWN].count == 0
    assert latency.histograms[Stage.STORED].count == 1


def test_what_is_caught_up_is_not_counted() -> None:
    latency = Latency()
    latency.page_read([event(1, 0.0)], at(3600))
    latency.committed([event(1, 0.0)], [event(1, 0.0)], at(3601))
    assert latency.histograms[Stage.STORED].count == 0


def test_what_is_left_out_stays_left_out() -> None:
    latency = Latency()
    latency.page_read([event(1, 0.0)], at(1))
    latency.committed([event(1, 0.0)], [], at(1))  # of a camera whose clock is off
    assert latency.histograms[Stage.STORED].count == 0


def test_the_figures_of_an_event_begin_with_it_and_give_the_bound_of_a_share() -> None:
    latency = Latency()
    for number in range(20):
        latency.page_read([event(number, 0.0)], at(0.2))
        latency.committed([event(number, 0.0)], [event(number, 0.0)], at(0.2 if number < 18 else 3))
    stored = latency.of_event[Stage.STORED]
    assert (stored.count, stored.bound(0.5), stored.bound(0.9), stored.bound(0.95)) == (20, 0.25, 0.25, 5.0)
    latency.begin_event()
    assert latency.of_event[Stage.STORED].count == 0
    assert latency.histograms[Stage.STORED].count == 20


def test_beyond_the_last_step_there_is_no_bound() -> None:
    latency = Latency()
    latency.page_read([event(1, 0.0)], at(1))
    latency.committed([event(1, 0.0)], [event(1, 0.0)], at(1200))
    assert latency.of_event[Stage.STORED].bound(0.5) is None
