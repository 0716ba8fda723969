from aforo.counting.doors import Doors, SourceMinute
from aforo.counting.silent_doors import silent_doors
from aforo.models import MINUTE_MS, Classification, EventSource, Movement

HISTORY = Classification(True, ())


def doors(*rates: tuple[str, int, int], classification: Classification = HISTORY) -> Doors:
    """Doors with so many a minute for an hour, then so many a minute for a quarter."""
    found = Doors()
    for name, before, now in rates:
        for minute in range(75):
            if count := before if minute < 60 else now:
                found.add(
                    SourceMinute(EventSource("c", name, "", "OBJECT_COUNTING_ENTER"), minute * MINUTE_MS),
                    classification,
                    count,
                )
    return found


QUARTER = (60 * MINUTE_MS, 75 * MINUTE_MS)


def test_a_door_is_silent_when_the_others_of_its_group_count() -> None:
    assert silent_doors(doors(("P1", 2, 0), ("P2", 2, 2), ("P3", 2, 2)), *QUARTER) == {
        "P1": True,
        "P2": False,
        "P3": False,
    }


def test_no_door_is_silent_when_all_are_quiet() -> None:
    assert silent_doors(doors(("P1", 2, 0), ("P2", 2, 0)), *QUARTER) == {"P1": None, "P2": None}


def test_a_door_that_seldom_counts_is_not_silent() -> None:
    found = doors(("P1", 2, 2), ("P2", 2, 2))
    found.add(SourceMinute(EventSource("c", "P3", "", "OBJECT_COUNTING_ENTER"), 0), HISTORY, 20)
    assert silent_doors(found, *QUARTER)["P3"] is None


def test_no_exits_are_expected_of_an_entrance() -> None:
    found = doors(
        ("ENTRADA 1", 3, 0), ("ENTRADA 2", 3, 0), classification=Classification(False, (Movement("Norte", 1),))
    )
    for minute in range(60, 75):
        found.add(
            SourceMinute(EventSource("c", "SALIDA 1", "", ""), minute * MINUTE_MS),
            Classification(False, (Movement("Norte", -1),)),
            20,
        )
    assert silent_doors(found, *QUARTER)["ENTRADA 1"] is None
