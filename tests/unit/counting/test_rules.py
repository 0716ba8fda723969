"""The stadium's rules on names, as the mission's table gives them."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.counting.exclusions import ExclusionCount
from aforo.counting.rules import Rules
from aforo.models import (
    CameraEvent,
    EventSource,
    ExclusionReason,
    Malformed,
    Movement,
    Page,
    Rule,
    ScheduledEvent,
    Window,
    Zone,
    comparable,
)
from aforo.settings import Settings, zones_from

START = datetime(2026, 3, 7, 21, tzinfo=UTC)
EVENT = ScheduledEvent(date(2026, 3, 7), "Concierto A", Window(START, START + timedelta(hours=7)))
CAMERAS = frozenset({"CAM123", "CAM998"})


@pytest.fixture
def rules() -> Rules:
    settings = Settings()
    return Rules(map(Rule.of, settings.events.stored), zones_from(settings.zones))


def camera_event(name: str, *, camera: str = "CAM123", at: datetime = START) -> CameraEvent:
    return CameraEvent("srv", "1", at, camera, name, "", "OBJECT_ENTERS")


@pytest.mark.parametrize(
    ("name", "history", "movements"),
    [
        ("PUERTA 12", True, ()),
        ("puerta sur 3", True, ()),
        ("AFORO ENTRADA SENCIA NORTE", True, ()),
        ("INGRESO PERSONAS ENTRADA MARATON", True, ()),
        ("Aforo entrada parqueadero norte 2", False, (Movement("Parqueadero Norte", 1),)),
        ("AFORO SALIDA PARQUEADERO NORTE", False, (Movement("Parqueadero Norte", -1),)),
        ("ENTRADA VEHICULAR CAMPINSITO", False, (Movement("Campinsito", 1),)),
        ("SALIDA VEHICULAR CAMPINSITO B", False, (Movement("Campinsito", -1),)),
        ("INGRESO PARQUEADERO SUR", False, (Movement("Zona Sur", 1),)),
        ("SALIDA PARQUEADERO SUR", False, (Movement("Zona Sur", -1),)),
        ("PUERTA INGRESO PARQUEADERO SUR", True, (Movement("Zona Sur", 1),)),
        (
            "AFORO SALIDA PARQUEADERO NORTE - INGRESO PARQUEADERO SUR",
            False,
            (Movement("Parqueadero Norte", -1), Movement("Zona Sur", 1)),
        ),
    ],
)
def test_what_a_name_means(rules: Rules, name: str, history: bool, movements: tuple[Movement, ...]) -> None:
    meaning = rules.classify(EventSource("", name, "", ""))
    assert (meaning.history, meaning.movements, meaning.exclusion) == (history, movements, None)


ZERO_WIDTH, NO_BREAK, SOFT_HYPHEN = "\u200b", "\u00a0", "\u00ad"


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("equals:INGRESO PERSONAS", "INGRESO PERSONAS "),
        ("equals:INGRESO PERSONAS", f" INGRESO{NO_BREAK}\t  personas\u2003"),
        ("equals:INGRESO PERSONAS", f"{ZERO_WIDTH}IN{SOFT_HYPHEN}GRESO PERSONAS\ufeff"),
        ("equals:INGRESO PERSONAS", "ＩＮＧＲＥＳＯ\u3000ｐｅｒｓｏｎａｓ"),
        ("equals:MARATÓN", "marato\u0301n"),
        ("equals:MARATO\u0301N", "maratón"),
        ("equals:CAÑÓN", "can\u0303o\u0301n"),
        (f"contains:AFORO{NO_BREAK} ENTRADA  SENCIA", "x AFORO ENTRADA SENCIA 3"),
        ("equals:STRASSE", "straße"),
        ("equals:straße", "STRASSE"),
        ("equals:ﬁn 2", "FIN ２"),
        ("equals:J\u030cA", "\u01f0a"),  # upper-cased it has a composed form no more
    ],
)
def test_what_the_eye_does_not_tell_apart_is_one_name(rule: str, name: str) -> None:
    rules = Rules([Rule.of(rule)], ())
    assert rules.classify(EventSource("", name, "", "")).history


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("equals:MARATON", "MARATÓN"),  # another letter, not another composition
        ("contains:PUERTA", "PUERTA\u0301"),
        ("equals:PUERTA 12", "PUERTA 1 2"),
        ("equals:PUERTA12", "PUERTA 12"),
    ],
)
def test_what_the_eye_tells_apart_stays_two_names(rule: str, name: str) -> None:
    rules = Rules([Rule.of(rule)], ())
    assert rules.classify(EventSource("", name, "", "")).exclusion is ExclusionReason.NO_RULE


@given(st.text(st.characters(codec="utf-8"), max_size=12))
def test_a_comparable_name_is_its_own_comparable_form(name: str) -> None:
    assert comparable(comparable(name)) == comparable(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("INGRESO PERSONAS ENTRADA MARATON 2", ExclusionReason.NO_RULE),
        ("PASILLO", ExclusionReason.NO_RULE),
        ("", ExclusionReason.NO_RULE),
        ("INGRESO PARQUEADERO SUR / SALIDA PARQUEADERO SUR", ExclusionReason.AMBIGUOUS),
    ],
)
def test_what_a_name_does_not_mean(rules: Rules, name: str, reason: ExclusionReason) -> None:
    assert rules.classify(EventSource("", name, "", "")).exclusion is reason


def test_a_page_is_split_and_each_exclusion_has_its_camera_and_reason(rules: Rules) -> None:
    until = EVENT.window.until
    page = Page(
        [
            camera_event("PUERTA 1"),
            camera_event("PUERTA 1", camera="CAM000"),
            camera_event("PUERTA 1", at=START - timedelta(milliseconds=1)),
            camera_event("PUERTA 1", at=until - timedelta(milliseconds=1)),
            camera_event("PUERTA 1", at=until),
            camera_event("PASILLO"),
        ],
        malformed=[Malformed("sin timestamp", 1)],
    )
    batch = rules.classify_page(page, EVENT, CAMERAS)
    assert [event.occurred_at for event in batch.events] == [START, until - timedelta(milliseconds=1)]
    assert Counter((one.camera_id, one.reason) for one in batch.excluded) == {
        ("CAM000", ExclusionReason.CAMERA): 1,
        ("CAM123", ExclusionReason.OUTSIDE): 2,
        ("CAM123", ExclusionReason.NO_RULE): 1,
        ("", "sin timestamp"): 1,
    }


def test_each_name_is_new_once(rules: Rules) -> None:
    rules.classify_page(
        Page([camera_event("PASILLO"), camera_event("PASILLO"), camera_event("PUERTA 1")]), EVENT, CAMERAS
    )
    assert [source.name for source, _ in rules.take_new_names()] == ["PASILLO", "PUERTA 1"]
    rules.classify_page(Page([camera_event("PASILLO")]), EVENT, CAMERAS)
    assert rules.take_new_names() == []


def test_the_fingerprint_follows_every_rule() -> None:
    settings = Settings()
    matchers = [Rule.of(rule) for rule in settings.events.stored]
    zones = zones_from(settings.zones)
    assert Rules(matchers, zones).fingerprint == Rules(matchers, zones).fingerprint
    assert Rules(matchers[1:], zones).fingerprint != Rules(matchers, zones).fingerprint
    assert Rules(matchers, zones[1:]).fingerprint != Rules(matchers, zones).fingerprint


@pytest.mark.parametrize("rule", ["PUERTA", "contains:", "begins:PUERTA", ""])
def test_a_rule_of_another_form_is_an_error(rule: str) -> None:
    with pytest.raises(ValueError, match=rule or "^$"):
        Rule.of(rule)


def test_a_name_is_new_once_however_many_sources_report_it(rules: Rules) -> None:
    for number in range(100_001):
        rules.classify(EventSource(f"CAM{number}", "PASILLO", "", ""))
    assert [source.name for source, _ in rules.take_new_names()] == ["PASILLO"]


def test_an_event_that_cannot_be_read_counts_once_however_often_it_comes(rules: Rules) -> None:
    """Those without an id are distinguished by their number among equals; a server that repeats one repeats its id."""
    unnamed, named = Malformed("ilegible", 1), Malformed("sin timestamp", 2, "CAM123", has_id=True)
    count = ExclusionCount()
    for malformed in ([unnamed, unnamed, named], [unnamed], [named, named, unnamed, unnamed]):
        batch = rules.classify_page(Page([], malformed), EVENT, CAMERAS)
        assert len(batch.excluded) == len(malformed)
        count.add(batch.excluded)
    assert count.by_reason == {"ilegible": 2, "sin timestamp": 1}
    assert count.cameras == {"CAM123"}


def test_an_excluded_event_counts_once_from_whatever_server_and_page(rules: Rules) -> None:
    page = Page([camera_event("PASILLO"), camera_event("PASILLO", camera="CAM998")])
    count = ExclusionCount()
    for _ in range(3):
        count.add(rules.classify_page(page, EVENT, CAMERAS).excluded)
    assert count.by_reason == {ExclusionReason.NO_RULE: 2}


ENTER, EXIT = "OBJECT_COUNTING_ENTER", "OBJECT_COUNTING_EXIT"


def source(name: str = "PUERTA 1", activity: str = ENTER, *, area: str = "Norte", camera: str = "CAM1") -> EventSource:
    return EventSource(camera, name, area, activity)


def inside(rule: str | dict[str, str | bool], *, stored: str = "contains:PUERTA") -> Rules:
    """Rules with one zone whose entries are of that rule."""
    return Rules([Rule.of(stored)], [Zone("Z", "", (Rule.of(rule),), ())])


@pytest.mark.parametrize(
    ("rule", "matching", "other"),
    [
        ({"activity": ENTER}, source(), source(activity=EXIT)),
        ({"activity": "object_counting_enter "}, source(), source(activity="OBJECT_COUNTING_ENTER_2")),
        ({"activity": "contains:ENTER"}, source(), source(activity=EXIT)),
        ({"name": "PUERTA 1"}, source(), source("PUERTA 12")),
        ({"name": "contains:puerta", "activity": ENTER}, source(), source("PASILLO")),
        ({"name": "contains:puerta", "activity": ENTER}, source(), source(activity=EXIT)),
        ({"area": "norte"}, source(), source(area="Norte 2")),
        ({"area": "equals:Área: Norte"}, source(area="área:  norte"), source(area="Norte")),
        ({"camera": "CAM1"}, source(), source(camera="cam1")),
        ({"camera": "contains:AM1"}, source(), source(camera="CAM2")),
        ({"camera": "equals: CAM1 "}, source(), source(camera="CAM1 ")),
        ({"stored": True}, source(), source("PASILLO")),
        ({"stored": True, "activity": ENTER, "area": "Norte", "camera": "CAM1"}, source(), source(area="Sur")),
    ],
)
def test_every_condition_of_a_rule_holds(
    rule: dict[str, str | bool], matching: EventSource, other: EventSource
) -> None:
    rules = inside(rule)
    assert rules.classify(matching).movements == (Movement("Z", 1),)
    assert rules.classify(other).movements == ()


def test_the_history_too_may_ask_for_more_than_the_name() -> None:
    rules = Rules([Rule.of({"name": "contains:PUERTA", "activity": ENTER})], ())
    assert rules.classify(source()).history
    assert rules.classify(source(activity=EXIT)).exclusion is ExclusionReason.NO_RULE


def test_people_inside_are_what_the_history_keeps_by_its_activity(rules: Rules) -> None:
    people = "Personas en el estadio"
    assert rules.classify(source()).movements == (Movement(people, 1),)
    assert rules.classify(source("AFORO ENTRADA SENCIA", EXIT)).movements == (Movement(people, -1),)
    assert rules.classify(source(activity="OBJECT_LOITERING")).movements == ()
    assert rules.classify(source("AFORO SALIDA SENCIA NORTE", EXIT)).exclusion is ExclusionReason.NO_RULE
    assert rules.classify(source("AFORO ENTRADA PARQUEADERO NORTE")).movements == (Movement("Parqueadero Norte", 1),)


def test_a_zone_is_the_same_whether_its_rule_is_a_text_or_a_table() -> None:
    assert inside("equals:PUERTA 1").fingerprint == inside({"name": "PUERTA 1"}).fingerprint


def nested(*zones: tuple[str, str, str]) -> Rules:
    """Zones of a name, of the text that enters it, and of the zone that it lies in."""
    return Rules([], [Zone(name, "", (Rule.of(f"contains:{text}"),), (Rule.of("contains:SALE"),), within=within)
                      for name, text, within in zones])  # fmt: skip


def test_a_crossing_of_an_inner_door_moves_the_innermost_zone_only() -> None:
    rules = nested(("Estadio", "PUERTA", ""), ("Palco", "PALCO", "Estadio"), ("Suite", "SUITE", "Palco"))
    assert rules.classify(source("PUERTA 1")).movements == (Movement("Estadio", 1),)
    assert rules.classify(source("PUERTA PALCO")).movements == (Movement("Palco", 1),)
    assert rules.classify(source("PUERTA SUITE")).movements == (Movement("Suite", 1),), "also around the zone between"
    assert rules.classify(source("SALE")).movements == (Movement("Suite", -1),)


def test_zones_side_by_side_are_both_moved() -> None:
    rules = nested(("Estadio", "PUERTA", ""), ("Norte", "NORTE", "Estadio"), ("Sur", "SUR", "Estadio"))
    assert rules.classify(source("PUERTA NORTE SUR")).movements == (Movement("Norte", 1), Movement("Sur", 1))


def test_an_ambiguous_inner_door_moves_nothing_around_it_either() -> None:
    rules = nested(("Estadio", "PUERTA", ""), ("Palco", "PALCO", "Estadio"))
    assert rules.classify(source("PUERTA PALCO SALE")).exclusion is ExclusionReason.AMBIGUOUS


def test_a_zone_in_itself_is_an_error() -> None:
    with pytest.raises(ValueError, match="A"):
        nested(("A", "X", "B"), ("B", "Y", "A"))


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "contains:PUERTA", "activity": EXIT},
        {"name": "contains:PUERTA", "area": ENTER},
        {"name": "contains:PUERTA", "camera": ENTER},
        {"name": "contains:PUERTA", "activity": f"contains:{ENTER}"},
        {"name": "contains:PUERTA", "activity": ENTER, "stored": True},
        {"name": f'contains:PUERTA", activity = "equals:{ENTER}'},
        {"name": "contains:PUERTA"},
    ],
)
def test_the_fingerprint_follows_every_condition(rule: dict[str, str | bool]) -> None:
    other: dict[str, str | bool] = {"name": "contains:PUERTA", "activity": ENTER}
    assert inside(rule).fingerprint != inside(other).fingerprint


def test_the_fingerprint_follows_where_a_zone_lies() -> None:
    apart, inner = nested(("A", "X", ""), ("B", "Y", "")), nested(("A", "X", ""), ("B", "Y", "A"))
    assert apart.fingerprint != inner.fingerprint


def test_a_name_is_new_with_each_of_its_meanings() -> None:
    rules = Rules([Rule.of({"name": "contains:PUERTA", "activity": ENTER})], ())
    for activity in (ENTER, EXIT, ENTER, "OBJECT_LOITERING"):
        rules.classify(source(activity=activity))
    assert [(one.activity, meaning.history) for one, meaning in rules.take_new_names()] == [
        (ENTER, True),
        (EXIT, False),
    ]
    assert not rules.by_name
