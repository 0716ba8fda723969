"""What the API says of a zone, from the live state."""

from datetime import UTC, date, datetime, timedelta

from aforo.counting.occupancy import OccupancyDelta
from aforo.live.state import LiveState
from aforo.models import Batch, Classification, CommitResult, Occupancy, ScheduledEvent, Window
from aforo.settings import TotalSettings, ZoneSettings
from aforo.storage import Correction, EventRecord
from aforo.web import serializers

START = datetime(2026, 11, 24, 21, tzinfo=UTC)
ZONES = [ZoneSettings(name=name, table=name, capacity=400, initial=10) for name in ("Norte", "Sur")]
TOTALS = [TotalSettings(name="Las dos", zones=["Norte", "Sur"])]
EVENT = ScheduledEvent(date(2026, 11, 24), "Partido", Window(START, START + timedelta(hours=7)))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def minute_ms(minutes: int) -> int:
    return int(at(minutes).timestamp() * 1000)


def test_a_correction_is_no_flow() -> None:
    live = LiveState(ZONES, totals=TOTALS)
    begun = {zone.name: Occupancy(zone.name, 0, 0, 10, 0) for zone in ZONES}
    live.open(EventRecord(1, EVENT, {}, begun, False, lambda _: Classification(False, ()), ""), START)
    passed = OccupancyDelta.of([1] * 5 + [-1] * 2)
    occupancy = passed.occupancy("Norte", 10)
    live.committed(CommitResult([], 0, {"Norte": occupancy}, {"Norte": {minute_ms(50): passed}}), at(51), Batch())

    def correct(number: int, delta: int, minutes: int) -> None:
        correction = Correction(f"{number}", "Norte", delta, "se contó a mano", "Ana", at(minutes))
        count = live.occupancies["Norte"].count + delta
        live.correct(
            [*live.corrections.values(), correction],
            {"Norte": Occupancy("Norte", 5, 2, count, 0)},
            {"Norte": {minute_ms(minutes): OccupancyDelta.correction(delta)}},
        )

    correct(1, 100, 20)
    correct(2, 89, 55)
    (north, _), (both,) = serializers.zones(live, at(60)), serializers.totals(live, at(60))
    assert (north.count, north.trend, north.corrected) == (10 + 3 + 189, 3, 189)
    assert (both.count, both.trend, both.corrected) == (20 + 3 + 189, 3, 189)
    later = serializers.zones(live, at(120))[0]
    assert (later.trend, later.corrected) == (0, 189)


def test_before_the_first_event_the_zones_stand_there_as_they_begin() -> None:
    live = LiveState(ZONES, totals=TOTALS)
    assert [(zone.count, zone.entries, zone.trend) for zone in serializers.zones(live, START)] == [(10, 0, 0)] * 2
    assert [total.count for total in serializers.totals(live, START)] == [20]
