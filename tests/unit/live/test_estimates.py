"""What is known of an event, as the journal and the settings say it, becomes what the estimates are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from aforo.counting.doors import Crossings
from aforo.counting.estimate import Anchor, Door, EntriesAnchor
from aforo.counting.occupancy import OccupancyDelta
from aforo.live.estimates import (
    DoorCounts,
    KnownEvent,
    anchors,
    because,
    door_minutes,
    empty_instants,
    estimates,
    news,
    one_way,
    shown,
)
from aforo.models import ScheduledEvent, Window, to_ms
from aforo.settings import TotalSettings, ZoneSettings
from aforo.storage import Correction, JournalEntry, JournalKind, ManualCount

BOGOTA = ZoneInfo("America/Bogota")
START = datetime(2026, 11, 24, 21, tzinfo=UTC)  # 16:00 in Bogotá
END = START + timedelta(hours=9)
EVENT = ScheduledEvent(date(2026, 11, 24), "Partido", Window(START, END))
HALL, PARK = ZoneSettings(name="Sala", table=""), ZoneSettings(name="Parqueadero", table="")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def ms(minute: int) -> int:
    return to_ms(at(minute))


def crossings(entries: Mapping[int, int], exits: Mapping[int, int]) -> dict[int, Crossings]:
    return {ms(minute): Crossings(entries.get(minute, 0), exits.get(minute, 0)) for minute in {*entries, *exits}}


def door(number: int, zone: str = "Sala", *, exits: bool = True) -> DoorCounts:
    left = dict.fromkeys(range(200, 300), 10) if exits else {}
    return DoorCounts(f"PUERTA {number}", zone, f"CAM{number}", crossings(dict.fromkeys(range(100), 10), left))


def deltas(doors: Sequence[DoorCounts], zone: str = "Sala") -> dict[int, OccupancyDelta]:
    found: dict[int, OccupancyDelta] = {}
    for one in doors:
        for minute, counted in one.minutes.items() if one.zone == zone else ():
            delta = OccupancyDelta.of([1] * counted.entries + [-1] * counted.exits)
            found[minute] = found.get(minute, OccupancyDelta()).then(delta)
    return found


def known(doors: Sequence[DoorCounts] = (door(1), door(2)), *entries: JournalEntry) -> KnownEvent:
    return KnownEvent(
        id=7,
        event=EVENT,
        zones=[HALL],
        totals=[],
        timezone=BOGOTA,
        doors=doors,
        deltas={"Sala": deltas(doors)},
        entries=entries,
    )


def counted(number: int, when: datetime, count: ManualCount, zone: str = "Sala") -> JournalEntry:
    return JournalEntry(number, 7, JournalKind.COUNT, zone, when, when, count.text())


def test_the_crossings_of_a_zone_by_door() -> None:
    """Those of which no door is known are one door without a name: none is lost, none is counted twice."""
    event = known([door(1), door(2, "Otra")])
    both = event.deltas["Sala"][ms(0)].then(OccupancyDelta.of([1, 1, -1]))
    event = replace(event, deltas={"Sala": {**event.deltas["Sala"], ms(0): both}})
    minutes = door_minutes(event, "Sala")
    assert minutes is not None
    assert minutes[Door("Sala", "PUERTA 1", "CAM1", 1)] == {ms(minute): 10 for minute in range(100)}
    assert minutes[Door("Sala", "", "", 1)] == {ms(0): 2}
    assert minutes[Door("Sala", "", "", -1)] == {ms(0): 1}
    assert len(minutes) == 4
    assert door_minutes(event, "No hay") is None


def test_a_door_that_counts_one_direction_only_among_others_that_count_both() -> None:
    minutes = door_minutes(known([door(1), door(2), door(3, exits=False)]), "Sala")
    assert minutes is not None
    assert one_way(minutes) == {Door("Sala", "PUERTA 3", "CAM3", 1)}
    before_anybody_left = {one: counts for one, counts in minutes.items() if one.direction > 0}
    assert one_way(before_anybody_left) == set()


def test_what_was_not_read_yet_of_a_camera_may_hold_people() -> None:
    """The count has what the other cameras counted since: the interval beside it is of the same instant."""
    behind = replace(door(2), minutes={minute: n for minute, n in door(2).minutes.items() if minute < ms(60)})
    event = known([door(1), behind])
    plain = estimates(event, at(100))["Sala"]
    awaited = estimates(replace(event, unread={"CAM2": Window(at(60), at(100))}), at(100))["Sala"]
    whole = estimates(known([door(1), door(2)]), at(100))["Sala"]
    assert plain.mode < awaited.mode
    assert awaited.low < whole.mode < awaited.high
    assert awaited.width > whole.width


@pytest.mark.parametrize(
    ("written", "minutes"),
    [("inicio", 0), ("inicio+30", 30), ("fin", 540), ("fin - 15", 525), ("18:00", 120), ("00:30", 510)],
)
def test_when_a_zone_is_known_to_be_empty(written: str, minutes: int) -> None:
    assert list(empty_instants([written], EVENT, BOGOTA)) == [at(minutes)]


@pytest.mark.parametrize("written", ["06:00", "inicio-30", "fin+15"])
def test_outside_the_event_nothing_is_known(written: str) -> None:
    assert list(empty_instants([written], EVENT, BOGOTA)) == []


def test_the_counts_of_the_journal() -> None:
    first, second = ManualCount.inside(500, 20, "Ana"), ManualCount.inside(900, None, "Ana")
    corrected = ManualCount.inside(700, 10, "Ana", "11111111-2222-4333-8444-000000000001")
    tickets = ManualCount.tickets(1_000, 40, "Ana")
    event = known(
        (door(1),),
        counted(1, at(50), first),
        counted(2, at(50), second),  # the same instant: the last one is meant
        counted(3, at(60), corrected),
        counted(4, at(90), tickets),
        counted(5, at(95), first, "Otra"),
        JournalEntry(6, 7, JournalKind.COUNT, "Sala", at(97), at(97), "{dañado"),
    )
    zone = HALL.model_copy(update={"empty_at": ["inicio"]})
    assert anchors(event, zone) == [
        Anchor("Sala", at(0), 0.0),
        Anchor("Sala", at(50), 900, 13.5),
        Anchor("Sala", at(60), 700, 5),
        EntriesAnchor("Sala", at(90), 1_000, 20),
    ]
    undo = Correction("deshace:11111111-2222-4333-8444-000000000001", "Sala", 3, "", "Ana", at(70))
    undone = anchors(replace(event, corrections=[undo]), zone)
    assert Anchor("Sala", at(60), 700, 5) not in undone
    assert len(undone) == 3


def test_a_manual_count_narrows_the_zone_and_the_total_and_its_correction_is_no_crossing() -> None:
    correction = Correction("11111111-2222-4333-8444-000000000001", "Sala", 200, "conteo", "Ana", at(150))
    entry = counted(1, at(150), ManualCount.inside(2_200, 20, "Ana", correction.id))
    event = replace(
        known((door(1), door(2), door(3, "Parqueadero"))),
        zones=[HALL, PARK],
        totals=[TotalSettings(name="Todo", zones=["Sala", "Parqueadero"])],
    )
    event = replace(event, deltas={**event.deltas, "Parqueadero": deltas(event.doors, "Parqueadero")})
    before = estimates(event, at(160))
    after = estimates(replace(event, entries=[entry], corrections=[correction]), at(160))
    assert abs(after["Sala"].mode - 2_200) < 30
    assert after["Sala"].width < 0.3 * before["Sala"].width
    assert after["Parqueadero"] == before["Parqueadero"]
    assert after["Todo"].mode == after["Sala"].mode + after["Parqueadero"].mode
    assert after["Todo"].width < before["Todo"].width
    assert [band.at for band in after["Todo"].bands] == [at(15 * step) for step in range(11)] + [at(160)]
    plain = estimates(replace(event, corrections=[correction]), at(160))
    assert before["Sala"].mode < plain["Sala"].mode < before["Sala"].mode + 200


def test_a_camera_that_was_disconnected_widens_the_interval() -> None:
    doors = [door(1), replace(door(2), minutes=crossings(dict.fromkeys(range(40), 10), {}))]
    gone = JournalEntry(1, 7, JournalKind.DISCONNECTED, "CAM2", at(40), None, "{}")
    plain, blind = (estimates(known(doors, *entries), at(120))["Sala"] for entries in ((), (gone,)))
    assert blind.mode > plain.mode + 400
    assert blind.width > plain.width
    assert "una cámara no veía" in because(blind, BOGOTA)


def test_an_event_is_learned_once_and_later_ones_know_it() -> None:
    zone = HALL.model_copy(update={"empty_at": ["fin"]})
    event = replace(known(), zones=[zone])
    (text,) = news(event).values()
    entry = JournalEntry(1, 7, JournalKind.LEARNED, "Sala", START, END, text)
    assert news(replace(event, learned=[entry])) == {}
    damaged = JournalEntry(2, 5, JournalKind.LEARNED, "Sala", START - timedelta(days=3), END, "{dañado")
    later = ScheduledEvent(date(2026, 11, 25), "Otro", Window(START + timedelta(days=1), END + timedelta(days=1)))
    tomorrow = {ms(minute) + 86_400_000: delta for minute, delta in enumerate([OccupancyDelta.of([1] * 50)] * 60)}
    today = replace(event, id=8, event=later, doors=[], deltas={"Sala": tomorrow}, learned=[entry, damaged])
    unlearned = estimates(replace(today, learned=[]), at(1_500))["Sala"]
    assert estimates(today, at(1_500))["Sala"] != unlearned
    # An event does not learn from itself, nor from what came after it.
    assert estimates(replace(event, learned=[entry]), END) == estimates(event, END)
    # A count that is taken back is unlearned.
    assert news(replace(event, zones=[HALL], learned=[entry])) == {"Sala": ""}
    forgotten = JournalEntry(3, 7, JournalKind.LEARNED, "Sala", START, END, "")
    assert estimates(replace(today, learned=[entry, forgotten]), at(1_500))["Sala"] == unlearned


def test_what_is_shown_beside_the_count() -> None:
    one = estimates(known(), at(150))["Sala"]
    plain = shown(one, 2_000, 0.35, BOGOTA)
    assert (plain.low, plain.high, plain.unreliable) == (one.low, one.high, False)
    assert plain.because == (
        "Sale sobre todo de lo que todas las cámaras pueden dejar de contar a la vez y de lo que falla cada puerta."
        " Lo estrecha un conteo a mano o el de las boletas («aforo count»)."
    )
    assert shown(one, 2_000, 0.1, BOGOTA).unreliable
    wrong = counted(1, at(140), ManualCount.inside(20, 1, "Ana"))
    doubtful = estimates(known((door(1), door(2)), wrong), at(150))["Sala"]
    assert "El conteo de las 18:20 dista de las cámaras más de lo que pueden fallar" in because(doubtful, BOGOTA)
