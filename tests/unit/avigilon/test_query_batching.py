"""Joint queries only after proof, cross-checked in every cycle, and ended for good by the first missing event."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from aforo.avigilon.event_query import EventQuery
from aforo.avigilon.query_batching import BatchLimits, QueryBatching
from aforo.errors import AccBadRequest, AccError, AccUnreachable
from aforo.models import CameraEvent, Page, Window

START = datetime(2026, 1, 17, 21, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=2))
LATER = WINDOW.until + timedelta(minutes=5)
SERVER = "server"


def event(camera: str, number: int = 1) -> CameraEvent:
    return CameraEvent(SERVER, f"{camera}-{number}", START + timedelta(seconds=number), camera, "PUERTA 1", "", "")


def query(*cameras: str) -> EventQuery:
    return EventQuery(SERVER, cameras, WINDOW)


class Client:
    """A server in memory. ``joint``: cameras whose events it sends when several are queried; None: all."""

    def __init__(self, *cameras: str, joint: set[str] | None = None) -> None:
        self.sent = {camera: [event(camera)] for camera in cameras}
        self.joint = joint
        self.error: AccError | None = None
        self.link_down_since: datetime | None = None
        self.batch_limits = BatchLimits("host")
        self.queries: list[tuple[str, ...]] = []

    async def events(self, server_id: str, camera_ids: Sequence[str], window: Window) -> AsyncGenerator[Page, None]:
        self.queries.append(tuple(camera_ids))
        if self.error is not None:
            raise self.error
        for camera in camera_ids:
            if len(camera_ids) == 1 or self.joint is None or camera in self.joint:
                yield Page(self.sent.get(camera, []))


async def read(batching: QueryBatching, client: Client, *cameras: str) -> None:
    async for page in client.events(SERVER, cameras, WINDOW):
        batching.record_page(query(*cameras), page)


async def proven(client: Client) -> QueryBatching:
    batching = QueryBatching(client)
    batching.begin_cycle()
    await read(batching, client, "a")
    await read(batching, client, "b")
    await batching.prove()
    return batching


class TestProof:
    async def test_joint_queries_follow_a_proof(self) -> None:
        client = Client("a", "b")
        batching = await proven(client)
        assert client.queries == [("a",), ("b",), ("a", "b")]
        assert batching.max_cameras(SERVER) == 40
        assert batching.max_cameras("another") == 1

    async def test_a_joint_answer_that_lacks_an_event_ends_them_for_good(self) -> None:
        client = Client("a", "b", joint={"a"})
        assert (await proven(client)).max_cameras(SERVER) == 1
        client.joint = None
        assert (await proven(client)).max_cameras(SERVER) == 1
        assert client.queries.count(("a", "b")) == 1

    @pytest.mark.parametrize(("error", "queries"), [(AccBadRequest("no."), 1), (AccUnreachable("roto."), 2)])
    async def test_a_server_that_does_not_answer_may_be_tried_in_the_next_event(
        self, error: AccError, queries: int
    ) -> None:
        client = Client("a", "b")
        for _ in range(2):
            batching = QueryBatching(client)
            client.error = None
            await read(batching, client, "a")
            await read(batching, client, "b")
            client.error = error
            await batching.prove()
            await batching.prove()
        assert client.queries.count(("a", "b")) == queries
        assert client.batch_limits.max_cameras(SERVER) == 1

    async def test_cameras_without_events_prove_nothing(self) -> None:
        client = Client("a")
        await proven(client)
        assert client.queries == [("a",), ("b",)]

    async def test_each_cycle_collects_its_own_proof(self) -> None:
        client = Client("a", "b")
        batching = QueryBatching(client)
        await read(batching, client, "a")
        batching.begin_cycle()
        await read(batching, client, "b")
        await batching.prove()
        assert client.queries == [("a",), ("b",)]

    @pytest.mark.parametrize(("host", "length", "most"), [("host", 55, 40), ("host", 500, 7), ("h" * 3000, 55, 7)])
    async def test_the_url_bounds_the_cameras(self, host: str, length: int, most: int) -> None:
        cameras = ("a" * length, "b" * length)
        client = Client(*cameras)
        limits = BatchLimits(host)
        answers = {camera: {(one.this_id, one.occurred_at) for one in client.sent[camera]} for camera in cameras}
        assert await limits.prove(client.events, SERVER, answers, WINDOW)
        assert limits.max_cameras(SERVER) == most


class TestCrossCheck:
    async def test_another_query_and_another_camera_in_each_cycle(self) -> None:
        client = Client("a", "b")
        batching = await proven(client)
        queries = [query("a", "b"), query("c"), query("d", "e", "f")]
        assert batching.pick_cross_check([query("c")]) is None
        picked = []
        for _ in range(4):
            batching.begin_cycle()
            chosen = batching.pick_cross_check(queries)
            assert chosen is not None
            await batching.cross_check(chosen)
            picked.append((chosen.cameras, client.queries[-1]))
        assert [cameras for cameras, _ in picked] == [("a", "b"), ("d", "e", "f")] * 2
        assert [camera for _, camera in picked] == [("a",), ("d",), ("a",), ("f",)]

    async def test_what_the_joint_answer_has_contradicts_nothing(self) -> None:
        client = Client("a", "b")
        batching = await proven(client)
        await read(batching, client, "a", "b")
        alone = await batching.cross_check(query("a", "b"))
        assert alone
        assert not batching.is_contradicted(query("a", "b"), alone, LATER)
        assert batching.max_cameras(SERVER) == 40

    async def test_an_event_that_the_joint_answer_lacks_ends_joint_queries(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = Client("a", "b")
        batching = await proven(client)
        client.joint = set()
        client.sent = {"a": [event("a")], "b": [event("b")]}
        batching.record_page(query("a", "b"), Page([]))
        alone = await batching.cross_check(query("a", "b"))
        assert batching.is_contradicted(query("a", "b"), alone, LATER)
        assert batching.max_cameras(SERVER) == 1
        assert [record.levelname for record in caplog.records] == ["WARNING"]

    async def test_a_recent_event_may_have_come_between_the_two_queries(self) -> None:
        batching = await proven(Client("a", "b"))
        batching.record_page(query("a", "b"), Page([]))
        now = event("b").occurred_at + timedelta(seconds=59)
        assert not batching.is_contradicted(query("a", "b"), [event("a"), event("b")], now)

    async def test_a_cross_check_that_is_not_answered_contradicts_nothing(self) -> None:
        client = Client("a", "b")
        batching = await proven(client)
        client.error = AccUnreachable("roto.")
        assert await batching.cross_check(query("a", "b")) == []


class TestFailures:
    async def test_joint_queries_that_fail_in_three_cycles_are_disabled(self) -> None:
        batching = await proven(Client("a", "b"))
        for _ in range(3):
            assert batching.max_cameras(SERVER) == 40
            batching.begin_cycle()
            batching.record_failure(query("a", "b"))
            batching.record_failure(query("a", "b"))
        assert batching.max_cameras(SERVER) == 1

    async def test_an_answer_in_between_starts_the_count_anew(self) -> None:
        batching = await proven(Client("a", "b"))
        for number in range(5):
            batching.begin_cycle()
            batching.record_failure(query("a", "b"))
            if number == 1:
                batching.record_success(query("a", "b"))
            batching.record_success(query("a"))
            assert batching.max_cameras(SERVER) == (40 if number < 4 else 1)

    async def test_outages_and_single_queries_prove_nothing(self) -> None:
        client = Client("a", "b")
        batching = await proven(client)
        for _ in range(5):
            batching.begin_cycle()
            batching.record_failure(query("a"))
            client.link_down_since = START
            batching.record_failure(query("a", "b"))
            client.link_down_since = None
        assert batching.max_cameras(SERVER) == 40
