"""Zones without a table, zones in zones, totals; and rules that change while an event is on."""

from collections.abc import Sequence

from tests.contract.storage.databases import (
    BOGOTA,
    ENTRADA,
    HISTORY,
    PUERTA,
    SALIDA,
    START,
    DatabaseUnderTest,
    at,
    event_at,
)

from aforo.counting.rules import Rules
from aforo.models import Batch, CameraEvent, Classification, Occupancy, Rule, Total, Zone
from aforo.storage import EventRecord, Store

ENTER, EXIT = "OBJECT_COUNTING_ENTER", "OBJECT_COUNTING_EXIT"
NORTH = Zone("Norte", "Aforo_parqueadero", (Rule.of(f"equals:{ENTRADA}"),), (Rule.of(f"equals:{SALIDA}"),))
PEOPLE = Zone(
    "Personas", "", (Rule.of({"stored": True, "activity": ENTER}),), (Rule.of({"stored": True, "activity": EXIT}),)
)
BOX = Zone(
    "Palco", "", (Rule.of({"area": "Palco", "activity": ENTER}),), (Rule.of({"area": "Palco", "activity": EXIT}),),
    within="Personas",
)  # fmt: skip
EVENTS = [
    at(1_000, "1", ENTRADA),
    at(2_000, "2", PUERTA),
    at(3_000, "3", PUERTA),
    at(4_000, "4", PUERTA)._replace(activity=EXIT),
    at(65_000, "5", PUERTA)._replace(area="Palco"),
]


def store_of(database: DatabaseUnderTest, zones: Sequence[Zone], totals: Sequence[Total] = ()) -> Store:
    store = Store(database.url, zones, BOGOTA, totals=totals)
    database.stores.append(store)
    store.open()
    return store


def opened(store: Store, zones: Sequence[Zone], stored: str = "PUERTA") -> EventRecord:
    rules = Rules([Rule.of(f"contains:{stored}")], zones)
    return store.open_record(event_at(), rules.classify, rules.fingerprint, START)


def add(store: Store, record: EventRecord, *events: CameraEvent) -> dict[str, Occupancy]:
    classifications: dict[tuple[str, str, str, str], Classification]
    classifications = {one.source: record.classify(one.source) for one in events}
    return dict(store.add(record, Batch(list(events), classifications), START).occupancies)


def counts(occupancies: dict[str, Occupancy]) -> dict[str, int]:
    return {name: occupancy.count for name, occupancy in occupancies.items()}


def test_a_zone_without_a_table_is_kept_in_our_tables_only(database: DatabaseUnderTest) -> None:
    store = store_of(database, [NORTH, PEOPLE])
    others = {name for name in database.tables() if not name.lower().startswith("aforo_")}
    assert others == {HISTORY}
    assert store.dry_run().there == [HISTORY, "Aforo_parqueadero"]
    record = opened(store, [NORTH, PEOPLE])
    assert counts(add(store, record, *EVENTS)) == {"Norte": 1, "Personas": 2}
    assert database.aforo() == {record.event.name: 1}
    assert store.recount(record) == store.occupancies(record)
    figures = store.stored_figures(record)
    assert (counts(figures.occupancies), figures.rejected_zones) == ({"Norte": 1, "Personas": 2}, ())
    assert {zone for (zone,) in database.rows("SELECT DISTINCT zone FROM aforo_minutes")} == {"Norte", "Personas"}


def test_a_crossing_inside_leaves_the_zone_around_as_it_is(database: DatabaseUnderTest) -> None:
    zones = [NORTH, PEOPLE, BOX]
    store = store_of(database, zones)
    record = opened(store, zones)
    assert counts(add(store, record, *EVENTS)) == {"Norte": 1, "Personas": 1, "Palco": 1}
    assert store.recount(record) == store.occupancies(record)


def test_zones_that_are_new_in_mid_event_are_counted_from_the_ledger(database: DatabaseUnderTest) -> None:
    """As when a program that knew three zones is replaced by this one; then the zones are nested, then taken away."""
    before = store_of(database, [NORTH])
    add(before, opened(before, [NORTH]), *EVENTS)
    history = database.history()
    for zones, expected in (
        ([NORTH, PEOPLE], {"Norte": 1, "Personas": 2}),
        ([NORTH, PEOPLE, BOX], {"Norte": 1, "Personas": 1, "Palco": 1}),
        ([PEOPLE], {"Personas": 2}),
    ):
        store = store_of(database, zones)
        record = opened(store, zones)
        assert counts(record.occupancies) == expected
        assert record.checkpoints == {}, "what the rules of before excluded is read again"
        assert counts(add(store, record, *EVENTS)) == expected, "each once"
        assert database.history() == history


def test_people_inside_follow_what_the_history_keeps(database: DatabaseUnderTest) -> None:
    store = store_of(database, [NORTH, PEOPLE])
    add(store, opened(store, [NORTH, PEOPLE]), *EVENTS)
    assert counts(opened(store, [NORTH, PEOPLE], stored=ENTRADA).occupancies) == {"Norte": 1, "Personas": 1}
    assert counts(opened(store, [NORTH, PEOPLE]).occupancies) == {"Norte": 1, "Personas": 2}


def test_the_doors_keep_what_rules_may_ask_for(database: DatabaseUnderTest) -> None:
    store = store_of(database, [NORTH, PEOPLE, BOX])
    record = opened(store, [NORTH, PEOPLE, BOX])
    add(store, record, *EVENTS)
    doors = store.stored_history(record).doors
    assert [(door.source.area, door.source.activity, door.events) for door in doors] == [
        ("", ENTER, 2), ("", EXIT, 1), ("Palco", ENTER, 1),
    ]  # fmt: skip
    assert {door.source.camera_id for door in doors} == {"CAM1"}


def test_what_the_totals_add_up_is_stored_with_the_event(database: DatabaseUnderTest) -> None:
    zones = [NORTH, PEOPLE]
    both, north = Total("Todo", ("Norte", "Personas")), Total("Carros", ("Norte",))
    for totals, expected in (
        ([both, north], [("Carros", "Norte"), ("Todo", "Norte"), ("Todo", "Personas")]),
        ([both], [("Todo", "Norte"), ("Todo", "Personas")]),
        ([], []),
    ):
        for _ in range(2):
            opened(store_of(database, zones, totals), zones)
            assert sorted(database.rows("SELECT total, zone FROM aforo_totals")) == expected
