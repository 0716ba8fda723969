"""Every event of a window exactly once, whatever the server's paging; identities that no re-windowing changes."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from aforo.avigilon.errors import CutAnswer
from aforo.avigilon.pagination import EventSearch, WindowPart
from aforo.avigilon.payloads import SearchAnswer
from aforo.avigilon.tolerant_decoding import decode_events
from aforo.avigilon.transport import Query
from aforo.errors import AccBadRequest, AccIncomplete, AccUnknownCamera, AccUnreachable, AccWindowTooLarge
from aforo.models import CameraEvent, Window

START = datetime(2026, 1, 17, 21, 0, tzinfo=UTC)
LIMIT = 20
LEAST = 2
A, B = "camera-a", "camera-b"

Wire = dict[str, Any]


def at(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


def wire(milliseconds: int, this_id: str | None, camera: str = A, name: str = "PUERTA 1", micro: int = 0) -> Wire:
    stamp = START + timedelta(milliseconds=milliseconds, microseconds=micro)
    text = stamp.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
    return {"timestamp": text, "cameraId": camera, "analyticEventName": name, "thisId": this_id}


@dataclass
class Server:
    """A Web Endpoint in memory, with every behaviour that the guide leaves open."""

    events: list[Wire]
    inclusive: bool = False
    order: str = "ascending"
    tokens: str = "full"  # with each page, only with full pages, never
    scroll: bool = False  # one token for all of a search: the server keeps the position
    cap: int = LIMIT  # the most that it gives, whatever the limit
    sizes: list[int] = field(default_factory=list)  # of the next pages, where they vary
    refuses: bool = False  # all its tokens
    faults: list[str] = field(default_factory=list)  # of the next CONTINUEs: refused, lost, repeat, tokenless or fine
    stuck: bool = False  # the last page again and again
    filters: bool = True
    equal_ends: bool = True  # whether from = to is an allowed window
    grain: str = "microseconds"  # what becomes of a ``to`` finer than a millisecond
    requests: int = 0
    searches: dict[str, list[list[Wire]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.grain != "microseconds":  # it keeps no time finer than what it reads
            self.events = [{**one, "timestamp": one["timestamp"][:-4] + "000Z"} for one in self.events]

    async def send(self, query: Query, *, idempotent: bool) -> SearchAnswer:
        self.requests += 1
        keys = [key for key, _ in query]
        given = dict(query)
        if given["queryType"] == "CONTINUE":
            assert keys == ["queryType", "token"]
            assert not idempotent
            body = self._more(given["token"])
        else:
            assert idempotent
            body = self._first(given, [value for key, value in query if key == "deviceIds"])
        return decode_events(json.dumps({"status": "success", "result": body}).encode(), "server")

    def _first(self, given: dict[str, str], devices: list[str]) -> Wire:
        since, until = given["from"], given["to"]
        assert since.endswith("Z")
        assert len(since) == len("2026-01-27T19:00:00.000Z")
        if self.grain == "refuses finer" and len(until) > len(since):
            raise AccBadRequest("to")
        if self.grain == "fails on finer" and len(until) > len(since):
            raise AccUnreachable("500")
        if since == until and not self.equal_ends:
            raise AccBadRequest("vacía")
        low, high = (f"{text[:-1]:0<26}Z" for text in (since, until))
        if self.grain == "rounds":
            high = wire(round((datetime.fromisoformat(high) - START) / timedelta(milliseconds=1)), None)["timestamp"]
        found = [
            one
            for one in self.events
            if (one["cameraId"] in devices or not self.filters)
            and low <= one["timestamp"]
            and (one["timestamp"] < high or (self.inclusive and one["timestamp"] == high))
        ]
        pages = list(self._pages(self._ordered(found), min(int(given["limit"]), self.cap)))
        token = f"t{self.requests}"
        self.searches[token] = pages[1:]
        return self._page(pages[0] if pages else [], f"{token}:1" if not self.scroll else token, bool(pages[1:]))

    def _ordered(self, found: list[Wire]) -> list[Wire]:
        if self.order == "as recorded":
            return found
        if self.order == "random":
            return random.Random(self.requests).sample(found, len(found))
        return sorted(found, key=lambda one: str(one["timestamp"]), reverse=self.order == "descending")

    def _pages(self, found: list[Wire], most: int) -> Iterator[list[Wire]]:
        while found:
            size = min(most, self.sizes.pop()) if self.sizes else most
            yield found[:size]
            found = found[size:]

    def _page(self, events: list[Wire], token: str, more: bool, was_full: bool = False) -> Wire:
        given = {"each": True, "full": more, "never": False}[self.tokens]
        return {"events": events, "token": token} if given else {"events": events}

    def _more(self, token: str) -> Wire:
        fault = self.faults.pop() if self.faults else "fine"
        if self.refuses or fault == "refused":
            raise AccBadRequest("token") if self.requests % 2 else AccUnknownCamera("token")
        name, _, number = token.partition(":")
        pages = self.searches[name]
        place = int(number or 1) - 1
        page = pages[place] if place < len(pages) else []
        if self.scroll:
            self.searches[name] = pages[1:]
        if fault == "lost":
            raise AccUnreachable("perdida")
        following = name if self.scroll else f"{name}:{place + 2}"
        more = len(pages) > place + 1
        if fault == "repeat" and not self.scroll and 0 < place <= len(pages):
            return self._page(pages[place - 1], f"{name}:{place + 1}", more=True)
        if fault == "tokenless":
            return {"events": page}
        if self.stuck and not page and pages:
            return self._page(pages[-1], following, more=True)
        return self._page(page, following, more)


def found(search: EventSearch, server: Server, window: Window, cameras: tuple[str, ...] = (A,)) -> list[CameraEvent]:
    async def collect() -> list[CameraEvent]:
        pages = search.events(server.send, "server", cameras, window)
        return [event for page in [page async for page in pages] for event in page.events]

    return asyncio.run(collect())


def patiently(search: EventSearch, server: Server, window: Window, cameras: tuple[str, ...]) -> list[CameraEvent]:
    """Read as the poller does: a window that was not answered is queried again."""
    while True:
        try:
            return found(search, server, window, cameras)
        except AccUnreachable:
            assert server.faults or server.requests < 10_000


def expected(events: list[Wire], window: Window, cameras: tuple[str, ...]) -> Counter[tuple[object, ...]]:
    """How many different identities each content has; the contents of events with a thisId are all different."""
    inside: dict[tuple[object, ...], set[object]] = {}
    for number, one in enumerate(events):
        stamp = one["timestamp"][:-4] + "Z"
        if window.since <= datetime.fromisoformat(stamp) < window.until and one["cameraId"] in cameras:
            named = one["thisId"] is not None
            content = (stamp, one["cameraId"], one["analyticEventName"], one["thisId"])
            inside.setdefault(content, set()).add(None if named else number)
    return Counter({content: len(members) for content, members in inside.items()})


def identified(events: list[CameraEvent]) -> Counter[tuple[object, ...]]:
    distinct = {(one.server_id, one.this_id, one.occurred_at): one for one in events}
    return Counter(
        (
            one.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            one.camera_id,
            one.name,
            None if one.this_id.startswith("~") else one.this_id,
        )
        for one in distinct.values()
    )


def at_limit(server: Server, size: int) -> bool:
    """A millisecond (with the next one, where ``to`` is inclusive) has as many events as the server gives in a page.

    Without a sound token it cannot be known then whether that is all.
    """
    counts = Counter(
        (datetime.fromisoformat(one["timestamp"]) - START) // timedelta(milliseconds=1) for one in server.events
    )
    return any(count + server.inclusive * counts[moment + 1] >= size for moment, count in [*counts.items()])


@st.composite
def wire_event_lists(draw: st.DrawFn, unnamed: bool = True) -> list[Wire]:
    spread = draw(st.sampled_from([3, 40, 5_000, 3_600_000]))
    chance = draw(st.randoms(use_true_random=False))
    kinds = draw(st.sampled_from([(0, 7), (2, 7), (4, 7)] if unnamed else [(4, 7)]))
    events = []
    for number in range(draw(st.integers(0, 120))):
        moment, kind = chance.randint(0, spread), chance.randint(*kinds)
        events.append(
            wire(
                moment,
                None if kind < 4 else str(number),
                camera=B if kind == 6 else A,
                name="PUERTA 2" if kind in {1, 5} else "PUERTA 1",
                micro=500 if kind == 3 else 0,
            )
        )
    return events


servers = st.builds(
    Server,
    wire_event_lists(),
    inclusive=st.booleans(),
    order=st.sampled_from(["ascending", "descending", "random"]),
    tokens=st.sampled_from(["each", "full", "never"]),
    scroll=st.booleans(),
    cap=st.sampled_from([LIMIT, LIMIT, 10, 5]),
    refuses=st.booleans(),
    faults=st.lists(st.sampled_from(["refused", "lost", "repeat", "tokenless", "fine", "fine"]), max_size=12),
    stuck=st.booleans(),
    filters=st.booleans(),
    equal_ends=st.booleans(),
    grain=st.sampled_from(["microseconds", "rounds", "refuses finer", "fails on finer"]),
)
windows = st.lists(st.integers(-2, 5_002), min_size=2, max_size=6, unique=True).map(sorted)


@given(servers, windows)
@settings(max_examples=400, deadline=None)
def test_every_event_once_and_identities_that_hold(server: Server, cuts: list[int]) -> None:
    # A server that cuts below the limit and gives no token is found out only once a larger page was seen.
    assume(server.cap == LIMIT or server.tokens != "never")
    cameras = (A, B)
    whole = Window(at(-10), at(3_600_010))
    search = EventSearch(LIMIT, LEAST)
    try:
        first = patiently(search, server, whole, cameras)
        pieces = [*zip([-10, *cuts], [*cuts, 3_600_010], strict=True), (cuts[0], cuts[-1])]
        again = [one for low, high in pieces for one in patiently(search, server, Window(at(low), at(high)), cameras)]
    except AccIncomplete:
        assert at_limit(server, LEAST)
        event("undecidable")
        return
    assert identified(first) == expected(server.events, whole, cameras)
    assert {(one.server_id, one.this_id, one.occurred_at) for one in first} == {
        (one.server_id, one.this_id, one.occurred_at) for one in again
    }


@given(servers, st.lists(st.integers(1, 30), max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_reading_that_fails_goes_on_from_where_it_was(server: Server, failing_after: list[int]) -> None:
    """Whatever request fails: all before ``read_until`` was given, and from there on nothing is missing."""
    assume(server.cap == LIMIT or server.tokens != "never")
    whole = Window(at(-10), at(3_600_010))
    search, waits = EventSearch(LIMIT, LEAST), list(failing_after)
    got: list[CameraEvent] = []
    left = waits.pop() if waits else 10_000

    async def send(query: Query, *, idempotent: bool) -> SearchAnswer:
        nonlocal left
        left -= 1
        if not left:
            left = waits.pop() if waits else 10_000
            raise AccUnreachable("sin respuesta")
        return await server.send(query, idempotent=idempotent)

    async def read() -> None:
        since = whole.since
        while since < whole.until:
            try:
                async for page in search.events(send, "server", (A, B), Window(since, whole.until)):
                    got.extend(page.events)
                    if page.read_until is not None:
                        assert since <= page.read_until <= whole.until
                        since = page.read_until
                        assert expected(server.events, Window(whole.since, since), (A, B)) <= identified(got)
            except AccUnreachable:
                assert waits or server.faults or server.requests < 10_000

    try:
        asyncio.run(read())
    except AccIncomplete:
        assert at_limit(server, min(LIMIT, server.cap))
        event("not provable")
        return
    assert identified(got) == expected(server.events, whole, (A, B))


patchy = st.builds(
    Server, wire_event_lists(unnamed=False), sizes=st.lists(st.integers(1, LIMIT), max_size=60), tokens=st.just("each")
)


@given(patchy)
@settings(max_examples=100, deadline=None)
def test_pages_of_any_size_are_followed(server: Server) -> None:
    whole = Window(at(-10), at(3_600_010))
    assert identified(found(EventSearch(LIMIT, LEAST), server, whole)) == expected(server.events, whole, (A,))


@given(wire_event_lists(), st.integers(-2, 5_000), st.integers(0, 5_000), st.booleans())
@settings(max_examples=100, deadline=None)
def test_only_the_window(events: list[Wire], low: int, width: int, inclusive: bool) -> None:
    window = Window(at(low) + timedelta(microseconds=300), at(low + width))
    server = Server(events, inclusive=inclusive, tokens="each")
    assert identified(found(EventSearch(LIMIT, LEAST), server, window)) == expected(events, window, (A,))


def dense(milliseconds: int, each: int) -> list[Wire]:
    return [wire(ms, f"{ms}-{number}") for ms in range(milliseconds) for number in range(each)]


@pytest.mark.parametrize("inclusive", [False, True])
def test_neighbouring_milliseconds_that_fill_half_a_page_each(inclusive: bool) -> None:
    server = Server(dense(50, LIMIT // 2 + 3), inclusive=inclusive, tokens="never", order="random")
    assert len({one.this_id for one in found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(50)))}) == 50 * 13


@pytest.mark.parametrize("inclusive", [False, True])
def test_a_millisecond_that_cannot_be_proven_whole_is_raised_after_all_the_rest(inclusive: bool) -> None:
    events = [*dense(5, 3), *(wire(2, f"too-many-{number}") for number in range(30))]
    server = Server(events, inclusive=inclusive, tokens="never")
    seen: list[CameraEvent] = []

    async def collect() -> None:
        async for page in EventSearch(LIMIT, LEAST).events(server.send, "server", (A,), Window(at(0), at(5))):
            seen.extend(page.events)

    with pytest.raises(AccIncomplete, match="no se puede garantizar"):
        asyncio.run(collect())
    assert {one.this_id for one in seen} >= {f"{ms}-{number}" for ms in (0, 1, 3, 4) for number in range(3)}
    assert len([one for one in seen if one.occurred_at == at(2)]) == LIMIT


def test_tokens_cost_one_request_a_page() -> None:
    server = Server(dense(999, 1))
    assert len(found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(60_000)))) == 999
    assert server.requests == 1_000 // LIMIT


def test_each_part_of_a_window_that_is_read_is_reported() -> None:
    server = Server([wire(ms * 600, str(ms)) for ms in range(100)], tokens="never")

    async def read() -> list[tuple[datetime, int]]:
        pages = EventSearch(LIMIT, LEAST).events(server.send, "server", (A,), Window(at(0), at(60_000)))
        return [(page.read_until, len(page.events)) async for page in pages if page.read_until is not None]

    reached = asyncio.run(read())
    assert len(reached) >= 5
    assert reached[-1][0] == at(60_000)
    given = 0
    for until, count in reached:
        given += count
        assert given == -(-((until - START) // timedelta(milliseconds=1)) // 600)


def test_without_tokens_a_dense_window_is_split_by_its_density() -> None:
    events = [wire(ms * 600, str(ms)) for ms in range(1_000)]
    server = Server(events, tokens="never")
    assert len(found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(600_000)))) == 1_000
    assert server.requests < 3 * 1_000 / LIMIT


def test_a_quiet_window_is_one_request() -> None:
    server = Server(dense(3, 1))
    assert len(found(EventSearch(), server, Window(at(0), at(60_000)))) == 3
    assert server.requests == 1


def test_an_empty_window_sends_nothing() -> None:
    server = Server(dense(3, 1))
    assert found(EventSearch(), server, Window(at(5), at(5))) == []
    assert found(EventSearch(), server, Window(at(1), at(1)), ()) == []
    assert server.requests == 0


def test_the_tokens_of_short_pages_are_ignored_after_three_refusals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, search = Server(dense(3, 1), tokens="each", refuses=True), EventSearch()
    window = Window(at(0), at(60_000))
    for _ in range(3):
        assert len({one.this_id for one in found(search, server, window)}) == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    sent = server.requests
    assert len(found(search, server, window)) == 3
    assert server.requests == sent + 1


def test_a_lost_continuation_loses_nothing_where_the_token_moves_on() -> None:
    server = Server(dense(100, 1), scroll=True, faults=["lost"])
    got = found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(100)))
    assert {one.this_id for one in got} == {f"{ms}-0" for ms in range(100)}


def test_a_chain_that_breaks_goes_on_by_time_from_its_last_event() -> None:
    server = Server(dense(300, 1), faults=["lost", "fine", "fine", "fine"])
    froms: list[str] = []

    async def send(query: Query, *, idempotent: bool) -> SearchAnswer:
        froms.extend(value[-7:] for key, value in query if key == "from")
        return await server.send(query, idempotent=idempotent)

    async def read() -> list[CameraEvent]:
        pages = EventSearch(LIMIT, LEAST).events(send, "server", (A,), Window(at(0), at(1_000)))
        return [one async for page in pages for one in page.events]

    got = asyncio.run(read())
    assert {one.this_id for one in got} == {f"{ms}-0" for ms in range(300)}
    assert froms[:2] == ["00.000Z", "00.079Z"], "four pages were given before it broke"
    assert len(got) < 300 + LIMIT


@pytest.mark.parametrize("order", ["descending", "random"])
def test_a_chain_that_breaks_is_begun_anew_where_the_order_shows_nothing(order: str) -> None:
    server = Server(dense(100, 1), order=order, faults=["lost", "fine"])
    got = found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(100)))
    assert {one.this_id for one in got} == {f"{ms}-0" for ms in range(100)}


def test_one_event_out_of_order_is_remembered_of_a_server() -> None:
    late = Server([*dense(60, 1)[5:], wire(5_000, "end")], order="as recorded")
    late.events.insert(30, wire(1, "late"))
    search = EventSearch(LIMIT, LEAST)
    assert len(found(search, late, Window(at(0), at(6_000)))) == 57
    in_order = Server([*dense(60, 1), wire(3, "hidden")], order="as recorded", faults=["lost", "fine"])
    got = found(search, in_order, Window(at(0), at(6_000)))
    assert "hidden" in {one.this_id for one in got}


def test_a_token_that_is_not_answered_is_asked_for_anew_several_times() -> None:
    server = Server(dense(3, 1), tokens="each", faults=["lost"] * 5)
    assert len({one.this_id for one in found(EventSearch(), server, Window(at(0), at(100)))}) == 3


def test_a_camera_that_stays_unreachable_is_raised() -> None:
    server = Server(dense(3, 1), tokens="each", faults=["lost"] * 9)
    with pytest.raises(AccUnreachable):
        found(EventSearch(), server, Window(at(0), at(100)))


def test_other_cameras_are_left_out_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    server, search = Server([wire(1, "1"), wire(2, "2", camera=B)], filters=False), EventSearch()
    for _ in range(2):
        assert [one.this_id for one in found(search, server, Window(at(0), at(10)))] == ["1"]
    assert ["deviceIds" in record.getMessage() for record in caplog.records] == [True]


def test_a_server_that_does_not_keep_to_the_window_does_not_go_on_for_ever() -> None:
    class Endless(Server):
        async def send(self, query: Query, *, idempotent: bool) -> SearchAnswer:
            self.requests += 1
            events = [wire(10_000 + number, f"{self.requests}-{number}") for number in range(3)]
            body = {"status": "success", "result": {"events": events, "token": f"t{self.requests}"}}
            return decode_events(json.dumps(body).encode(), "server")

    server = Endless([])
    with pytest.raises(AccWindowTooLarge, match="no termina"):
        found(EventSearch(), server, Window(at(0), at(10)))
    assert server.requests == 20_000


def test_equals_without_this_id_are_numbered_across_pages() -> None:
    events = [wire(ms, None) for ms in (1, 1, 1, 2, 2)] + [wire(3, str(number)) for number in range(LIMIT)]
    server = Server(events, order="random")
    got = {one.this_id for one in found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(10)))}
    ordinals = Counter(name.rsplit(".")[1] for name in got if name.startswith("~"))
    assert ordinals == {"0": 2, "1": 2, "2": 1}
    assert {len(name) for name in got if name.startswith("~")} == {len("~0123456789abcdef.0")}


def test_a_page_of_equals_that_may_be_a_repeated_one_is_not_taken_for_complete() -> None:
    server = Server([*(wire(1, None) for _ in range(2 * LIMIT)), wire(2, "last")])
    with pytest.raises(AccIncomplete):
        found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(10)))


def test_a_token_that_is_missing_after_a_full_page_loses_nothing() -> None:
    server = Server(dense(100, 1), faults=["tokenless"])
    got = found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(100)))
    assert {one.this_id for one in got} == {f"{ms}-0" for ms in range(100)}


def test_a_token_of_a_short_page_that_is_refused_once_loses_nothing() -> None:
    server = Server(dense(10, 1), tokens="each", sizes=[6, 6, 6, 6], faults=["refused"])
    got = found(EventSearch(LIMIT, 8), server, Window(at(0), at(100)))
    assert {one.this_id for one in got} == {f"{ms}-0" for ms in range(10)}


def test_a_server_that_repeats_its_last_page_for_ever_is_left_soon() -> None:
    server = Server(dense(30, 1), tokens="each", stuck=True)
    assert len(found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(100)))) == 30
    assert server.requests <= 2 + 3


def test_short_pages_are_followed_for_good_where_one_led_on() -> None:
    server, search = Server(dense(10, 1), tokens="each", sizes=[6, 6]), EventSearch(LIMIT, 8)
    window = Window(at(0), at(100))
    assert len(found(search, server, window)) == 10
    server.refuses = True
    for _ in range(4):
        found(search, server, window)
    server.refuses, server.sizes = False, [6, 6]
    assert len(found(search, server, window)) == 10


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 -- made UTC below
    st.integers(1, 10_000_000),
    st.integers(1, 20),
)
def test_parts_cover_their_window_without_gap_or_overlap(start: datetime, width: int, number: int) -> None:
    since = start.replace(tzinfo=UTC)
    whole = WindowPart.of(Window(since, since + timedelta(microseconds=width)))
    low, high = whole.window
    assert low >= since > low - timedelta(milliseconds=1)
    assert high >= since + timedelta(microseconds=width) > high - timedelta(milliseconds=1)
    if whole.width:
        parts = whole.split(number)[::-1]
        assert [parts[0].since, parts[-1].until] == [whole.since, whole.until]
        assert all(a.until == b.since for a, b in pairwise(parts))
        assert all(part.width > 0 for part in parts)
        assert len(parts) == min(number, whole.width)


@dataclass
class DamagingServer(Server):
    """Damages its answers, as the client of a window gets them: cut after so many bytes, or with unreadable events."""

    most_bytes: int = 1_000_000
    unreadable: frozenset[str] = frozenset()

    async def send(self, query: Query, *, idempotent: bool) -> SearchAnswer:
        await super().send(query, idempotent=idempotent)
        body = json.dumps(self.last).encode()
        for this_id in self.unreadable:
            body = body.replace(f'"{this_id}"'.encode(), b'"x"x"')
        try:
            return decode_events(body[: self.most_bytes], "server")
        except CutAnswer as error:
            if not idempotent:
                raise
            return error.answer

    def _page(self, events: list[Wire], token: str, more: bool, was_full: bool = False) -> Wire:
        page = super()._page(events, token, more, was_full)
        self.last = {"status": "success", "result": page}
        return page


@pytest.mark.parametrize("tokens", ["each", "full", "never"])
@pytest.mark.parametrize("this_id", [True, False])
def test_answers_that_come_cut_lose_nothing_while_shorter_ones_do_not(tokens: str, this_id: bool) -> None:
    events = [wire(ms, f"{ms}-0" if this_id else None) for ms in range(0, 400, 3)]
    server = DamagingServer(events, tokens=tokens, most_bytes=900)
    whole = found(EventSearch(LIMIT, LEAST), Server(events), Window(at(0), at(400)))
    assert set(found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(400)))) == set(whole)


def test_an_answer_that_comes_cut_down_to_a_millisecond_leaves_the_window_open() -> None:
    events = [wire(5, str(number)) for number in range(12)] + [wire(9, "other")]
    server, pages = DamagingServer(events, tokens="never", most_bytes=900), []

    async def read() -> None:
        async for page in EventSearch(LIMIT, LEAST).events(server.send, "server", [A], Window(at(0), at(100))):
            pages.append(page)

    with pytest.raises(AccUnreachable):
        asyncio.run(read())
    assert server.requests < 200
    assert "other" in {one.this_id for page in pages for one in page.events}
    assert all(page.read_until is None or page.read_until <= at(5) for page in pages)


@pytest.mark.parametrize("tokens", ["each", "full", "never"])
@pytest.mark.parametrize("hidden", [1, 7])
def test_unreadable_events_cost_nothing_else(tokens: str, hidden: int) -> None:
    events = [wire(ms, f"{ms}-0") for ms in range(200)]
    unreadable = frozenset(f"{ms}-0" for ms in range(100, 100 + hidden))
    server = DamagingServer(events, tokens=tokens, unreadable=unreadable)
    got = found(EventSearch(LIMIT, LEAST), server, Window(at(0), at(200)))
    assert {one.this_id for one in got} == {str(one["thisId"]) for one in events} - unreadable
