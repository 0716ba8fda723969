import pytest

from aforo.http_server.addresses import network_of
from aforo.http_server.places import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, Place, Places


class Connections:
    """Connections by the order in which they came; ``closed``: those that gave way."""

    def __init__(self, *without_limit: str) -> None:
        self.places = Places(frozenset(without_limit))
        self.all: list[Place | None] = []
        self.closed: list[int] = []

    def come(self, address: str, count: int = 1) -> None:
        for _ in range(count):
            number = len(self.all)
            self.all.append(self.places.admit(address, lambda number=number: self.closed.append(number)))  # type: ignore[misc]

    def keep(self, number: int) -> None:
        place = self.all[number]
        assert place is not None
        self.places.keep(place)


def test_the_oldest_that_has_shown_nothing_gives_way() -> None:
    here = Connections()
    for number in range(MAX_CONNECTIONS):
        here.come(f"10.0.{number}.1")
    here.keep(0)
    here.come("10.1.0.1")
    here.come("10.1.0.2")
    assert here.closed == [1, 2]
    assert len(here.places) == MAX_CONNECTIONS
    assert here.places.gave_way == 2


def test_of_several_addresses_the_one_with_most_connections_gives_way() -> None:
    here = Connections()
    here.come("10.0.0.1")
    here.come("10.0.0.2", 90)
    here.come("10.0.0.3", 90)
    here.come("10.0.0.4", 75)
    here.come("10.0.0.5", 3)
    assert here.closed == [1, 91, 2], "the only connection of the first address stays, although it is the oldest"


def test_one_address_takes_its_share_and_what_is_over_replaces_its_own() -> None:
    here = Connections("10.0.0.9")
    here.come("10.0.0.1", MAX_CONNECTIONS_PER_ADDRESS + 2)
    assert here.closed == [0, 1]
    here.come("10.0.0.9", MAX_CONNECTIONS_PER_ADDRESS + 2)
    assert here.closed == [0, 1], "a proxy's connections are those of many people"


def test_who_is_in_stays_in() -> None:
    here = Connections()
    for number in range(MAX_CONNECTIONS):
        here.come(f"10.0.{number}.1")
        here.keep(number)
    here.come("10.1.0.1")
    assert (here.closed, here.all[-1]) == ([], None)
    first = here.all[0]
    assert first is not None
    here.places.free(first)
    here.places.free(first)
    here.come("10.1.0.1", 2)
    assert (here.all[-2] is None, here.all[-1] is None) == (False, False), "one place was free, one gave way"
    assert here.closed == [MAX_CONNECTIONS + 1]


@pytest.mark.parametrize(
    ("host", "counted_by"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "desconocida"),
        (None, "desconocida"),
        ("no es una dirección", "desconocida"),
    ],
)
def test_rates_and_places_are_counted_by_network(host: str | None, counted_by: str) -> None:
    assert network_of(host) == counted_by
