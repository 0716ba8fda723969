from aforo.reporting.compute import percentiles
from aforo.reporting.data import Lateness


def test_percentiles_of_nothing_are_zero() -> None:
    assert percentiles([]) == Lateness()


def test_percentiles_count_events_and_no_lateness_is_negative() -> None:
    histogram = [(-2.0, 50), (1.0, 44), (5.0, 4), (61.0, 1), (300.0, 1)]
    assert percentiles(histogram) == Lateness(median=0.0, p95=5.0, p99=61.0, longest=300.0, over_minute=2)
