import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aforo.simulator import Delay, DeviceIds, Fault, Faults, Order, Scenario, ScenarioPlan, ServerProfile, Tokens
from aforo.simulator.search_endpoint import SearchEndpoint
from aforo.simulator.serialization import AnswerError, iso

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
END = START + timedelta(hours=4)
LATER = END + timedelta(hours=1)
SCENARIO = Scenario(ScenarioPlan(START, END, events=6_000, burst=1_500, servers=2))
SERVER = SCENARIO.servers[0].id
CAMERAS = [camera.id for camera in SCENARIO.cameras]
STOP = "DEVICE_ANALYTICS_STOP"


class Client:
    """Queries the endpoint as a client does, and parses its answers as JSON."""

    def __init__(
        self, profile: ServerProfile | None = None, faults: Faults | None = None, scenario: Scenario = SCENARIO
    ) -> None:
        self.faults = faults or Faults()
        self.endpoint = SearchEndpoint(scenario, profile or ServerProfile(), self.faults, seed=1)

    def page(self, now: datetime = LATER, /, **arguments: str | list[str]) -> dict[str, Any]:
        listed = {name: [value] if isinstance(value, str) else value for name, value in arguments.items() if value}
        answer = json.loads(self.endpoint.answer(listed, now))
        assert answer["status"] == "success"
        return dict(answer["result"])

    def first(self, now: datetime = LATER, /, **changes: str | list[str]) -> dict[str, Any]:
        usual: dict[str, str | list[str]] = {
            "queryType": "TIME_RANGE",
            "serverId": SERVER,
            "from": text(START),
            "to": text(END),
            "eventTopics": STOP,
        }
        return self.page(now, **(usual | changes))

    def all(self, now: datetime = LATER, /, **changes: str | list[str]) -> list[list[dict[str, Any]]]:
        """Every page, by tokens."""
        page = self.first(now, **changes)
        pages = [page["events"]]
        while page["events"] and "token" in page:
            page = self.page(now, queryType="CONTINUE", token=page["token"])
            pages.append(page["events"])
        return pages

    def status(self, request: Callable[[], object]) -> int:
        with pytest.raises(AnswerError) as caught:
            request()
        body = json.loads(caught.value.body)
        assert body["status"] == "error"
        assert body["statusCode"] == caught.value.status
        return caught.value.status


def text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03}Z"


def flat(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [event for page in pages for event in page]


def recorded(server_id: str = SERVER, cameras: list[str] = CAMERAS) -> Counter[tuple[str, str, str]]:
    crossings = SCENARIO.event_log.crossings(SCENARIO.plan.at(0), SCENARIO.plan.at(1), cameras)
    return Counter(
        (crossing.kind.camera_id, str(crossing.number), iso(crossing.at))
        for crossing in crossings
        if crossing.kind.server_id == server_id
    )


def found(events: list[dict[str, Any]]) -> Counter[tuple[str, str, str]]:
    return Counter((event["cameraId"], event["thisId"], event["timestamp"]) for event in events)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("tokens", [Tokens.ALWAYS, Tokens.FULL_PAGES])
def test_tokens_lead_through_every_event_once(order: Order, tokens: Tokens) -> None:
    pages = Client(ServerProfile(order=order, tokens=tokens)).all()
    assert found(flat(pages)) == recorded()
    assert [len(page) for page in pages[:3]] == [1000] * 3
    instants = [event["timestamp"] for event in flat(pages)]
    assert (instants == sorted(instants)) == (order is Order.OLDEST)
    assert (instants == sorted(instants, reverse=True)) == (order is Order.NEWEST)


@pytest.mark.parametrize(
    ("tokens", "on_full", "on_short"),
    [(Tokens.ALWAYS, True, True), (Tokens.FULL_PAGES, True, False), (Tokens.NEVER, False, False)],
)
def test_when_a_page_carries_a_token(tokens: Tokens, on_full: bool, on_short: bool) -> None:
    client = Client(ServerProfile(tokens=tokens))
    assert ("token" in client.first(limit="10")) == on_full
    assert ("token" in client.first(to=text(START))) == on_short


@pytest.mark.parametrize("order", Order)
def test_halving_the_window_finds_every_event_without_a_token(order: Order) -> None:
    client = Client(ServerProfile(tokens=Tokens.NEVER, order=order))

    def within(since: datetime, until: datetime) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = client.first(**{"from": text(since), "to": text(until)})["events"]
        if len(events) < 1000:
            return events
        middle = since + (until - since) // timedelta(milliseconds=2) * timedelta(milliseconds=1)
        return within(since, middle) + within(middle, until)

    assert found(within(START, END)) == recorded()


@pytest.mark.parametrize("inclusive", [True, False])
def test_whether_the_end_belongs_to_the_window(inclusive: bool) -> None:
    client = Client(ServerProfile(to_inclusive=inclusive))
    at_start = client.first(to=text(START))["events"]
    assert [event["timestamp"] for event in at_start] == (["2026-11-20T23:00:00.000Z"] if inclusive else [])


def test_the_other_server_returns_what_it_recorded() -> None:
    other = SCENARIO.servers[1].id
    assert found(flat(Client().all(serverId=other))) == recorded(other)
    assert recorded(other, [CAMERAS[0]])


@pytest.mark.parametrize(
    ("device_ids", "answered"),
    [(DeviceIds.HONOURED, CAMERAS[:3]), (DeviceIds.FIRST_ONLY, CAMERAS[:1]), (DeviceIds.IGNORED, CAMERAS)],
)
def test_the_answer_to_several_device_ids(device_ids: DeviceIds, answered: list[str]) -> None:
    events = flat(Client(ServerProfile(device_ids=device_ids)).all(deviceIds=CAMERAS[:3]))
    assert found(events) == recorded(cameras=answered)


def test_several_device_ids_can_be_rejected_and_one_is_not() -> None:
    client = Client(ServerProfile(device_ids=DeviceIds.REFUSED))
    assert client.status(lambda: client.first(deviceIds=CAMERAS[:2])) == 400
    assert found(flat(client.all(deviceIds=CAMERAS[0]))) == recorded(cameras=CAMERAS[:1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"queryType": "EVERYTHING"},
        {"queryType": []},
        {"from": []},
        {"from": "2026-11-20 23h"},
        {"from": "2026-11-20T23:00:00"},
        {"from": text(END), "to": text(START)},
        {"to": [""]},
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "x"},
        {"serverId": []},
        {"eventTopics": "stop!"},
        {"token": "abc"},
        {"cameraIds": "abc"},
    ],
)
def test_a_wrong_argument_is_400(wrong: dict[str, str | list[str]]) -> None:
    client = Client()
    assert client.status(lambda: client.first(**wrong)) == 400


def test_unknown_servers_and_cameras_are_404() -> None:
    client = Client()
    assert client.status(lambda: client.first(serverId="other")) == 404
    assert client.status(lambda: client.first(deviceIds=[CAMERAS[0], "other"])) == 404


def test_a_camera_of_another_server_may_be_unknown() -> None:
    elsewhere = next(camera.id for camera in SCENARIO.cameras if camera.server_id != SERVER)
    assert Client().first(deviceIds=elsewhere)["events"] == []
    strict = Client(ServerProfile(away_cameras_known=False))
    assert strict.status(lambda: strict.first(deviceIds=elsewhere)) == 404


@pytest.mark.parametrize("more", ["serverId", "limit", "from", "to"])
def test_continue_takes_a_token_and_nothing_else(more: str) -> None:
    client = Client()
    token = client.first()["token"]
    assert client.status(lambda: client.page(queryType="CONTINUE", token=token, **{more: "1"})) == 400
    assert client.page(queryType="CONTINUE", token=token)["events"]


def test_a_token_dies_of_age_of_a_fault_and_of_a_restart() -> None:
    client = Client(ServerProfile(page_token_seconds=60))
    token = client.first()["token"]
    at = LATER + timedelta(seconds=60)
    assert client.status(lambda: client.page(at, queryType="CONTINUE", token=token)) == 400
    token = client.first()["token"]
    client.endpoint.forget_all()
    assert client.status(lambda: client.page(queryType="CONTINUE", token=token)) == 400
    token = client.first()["token"]
    client.faults.set("expire_token", Fault(times=1))
    assert client.status(lambda: client.page(queryType="CONTINUE", token=token)) == 400


def test_only_what_has_happened_is_visible() -> None:
    now = START + timedelta(hours=1)
    events = flat(Client().all(now))
    assert events
    assert max(event["timestamp"] for event in events) <= text(now)
    assert 0 < len(events) < recorded().total()


def first_seen(faults: Faults, camera: str, ages: range) -> dict[str, int]:
    """By event, the age of the window's end in seconds at which it is first found."""
    client = Client(faults=faults)
    seen: dict[str, int] = {}
    since = START + timedelta(hours=1)
    for age in ages:
        window = {"from": text(since), "to": text(since + timedelta(minutes=10)), "deviceIds": camera}
        for event in flat(client.all(since + timedelta(minutes=10, seconds=age), **window)):
            seen.setdefault(event["thisId"], age)
    return seen


def busiest_camera() -> str:
    since = START + timedelta(hours=1)
    events = flat(Client().all(**{"from": text(since), "to": text(since + timedelta(minutes=10))}))
    return Counter(str(event["cameraId"]) for event in events).most_common(1)[0][0]


def test_late_events_can_all_be_late_by_the_same_time() -> None:
    camera = busiest_camera()
    faults = Faults(on={"late": Fault(seconds=900, delay=Delay.FIXED)})
    seen = first_seen(faults, camera, range(0, 1000, 100))
    assert set(first_seen(Faults(), camera, range(1))) == set(seen)
    assert min(seen.values()) >= 300  # the oldest event of the window is ten minutes older than its end
    assert max(seen.values()) > 800


def test_a_tail_makes_most_late_events_late_by_little() -> None:
    camera = busiest_camera()
    uniform, tail = (
        list(first_seen(Faults(on={"late": Fault(seconds=3600, delay=delay)}), camera, range(0, 3700, 100)).values())
        for delay in (Delay.UNIFORM, Delay.TAIL)
    )
    assert len(uniform) == len(tail) > 10
    assert sorted(tail)[len(tail) // 2] < sorted(uniform)[len(uniform) // 2] / 2


def test_only_the_named_cameras_are_late() -> None:
    camera = busiest_camera()
    late = Fault(seconds=900, delay=Delay.FIXED, cameras=frozenset({"another"}))
    assert set(first_seen(Faults(on={"late": late}), camera, range(0, 1000, 100)).values()) == {0}


def test_what_a_camera_records_in_an_outage_is_visible_after_it() -> None:
    camera = busiest_camera()
    since = START + timedelta(hours=1)
    outage = Fault(since=since, until=since + timedelta(minutes=20), cameras=frozenset({camera}))
    seen = first_seen(Faults(on={"camera_outage": outage}), camera, range(0, 700, 50))
    assert set(seen) == set(first_seen(Faults(), camera, range(1)))
    assert set(seen.values()) == {600}


@pytest.mark.parametrize("seconds", [-700, 700])
def test_an_event_with_a_wrong_timestamp_is_visible_when_it_happens(seconds: int) -> None:
    camera = busiest_camera()
    faults = Faults(on={"camera_clock": Fault(seconds=seconds, cameras=frozenset({camera}))})
    since, until = START + timedelta(hours=1), START + timedelta(hours=1, minutes=10)
    ages = range(-1400, 800, 50)
    window = {"from": text(since), "to": text(until), "deviceIds": camera}
    happened = {
        event["thisId"]: datetime.fromisoformat(event["timestamp"]) - timedelta(seconds=seconds)
        for event in flat(Client().all(**window))
    }
    expected = {
        number: next(age for age in ages if until + timedelta(seconds=age) >= instant)
        for number, instant in happened.items()
    }
    assert first_seen(faults, camera, ages) == expected


def test_a_late_event_becomes_visible_in_the_end() -> None:
    client = Client(faults=Faults(on={"late": Fault(0.5, seconds=600)}))
    now = START + timedelta(hours=1)
    punctual, late = found(flat(Client().all(now))), found(flat(client.all(now)))
    assert late < punctual
    missing = punctual - late
    assert all(at > text(now - timedelta(seconds=600)) for _, _, at in missing)
    then = now + timedelta(seconds=600)
    assert found(flat(client.all(then, to=text(now)))) == found(flat(Client().all(then, to=text(now))))


def is_whole(event: Any) -> bool:
    texts = ("cameraId", "analyticEventName")
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in texts):
        return False
    try:
        datetime.fromisoformat(event.get("timestamp") or "")
    except (TypeError, ValueError):
        return False
    return True


def test_broken_events_stand_beside_the_good_ones_and_replace_none() -> None:
    events = flat(Client(faults=Faults(on={"malformed": Fault(0.1)})).all())
    whole = [event for event in events if is_whole(event)]
    assert found(whole) == recorded()
    broken = [json.dumps(event) for event in events if not is_whole(event)]
    assert len(broken) > 100
    assert len({type(json.loads(event)) for event in broken}) > 3


def test_repeats_stand_in_one_page_and_in_two_and_add_nothing_new() -> None:
    pages = Client(faults=Faults(on={"repeated": Fault(0.1)})).all()
    assert all(len(page) <= 1000 for page in pages)
    counted = found(flat(pages))
    assert counted.keys() == recorded().keys()
    assert counted.total() > recorded().total()
    assert any(max(found(page).values(), default=0) > 1 for page in pages)
    distinct = Counter(event for page in pages for event in found(page))
    assert max(distinct.values()) == 2


def test_an_event_has_the_fields_of_the_guide() -> None:
    event = Client().first(limit="1")["events"][0]
    assert event["type"] == STOP
    assert event["timestamp"] == event["eventTriggerTime"] == "2026-11-20T23:00:00.000Z"
    assert event["originatingServerId"] == SERVER
    assert int(event["linkedEventId"]) == int(event["thisId"]) - 1
    assert event["classifiedObjects"] == [{"subclass": "VEHICLE_CAR", "objectId": int(event["thisId"])}]
    assert event.keys() >= {"analyticEventName", "area", "activity", "cameraId", "location", "cameraIds", "entityIds"}


def test_this_id_can_be_missing() -> None:
    events = flat(Client(ServerProfile(this_id=False)).all())
    assert len(events) == recorded().total()
    assert not any("thisId" in event for event in events)


def test_each_crossing_has_a_start_where_all_topics_are_requested() -> None:
    client = Client()
    events = flat(client.all(eventTopics=[STOP, "DEVICE_ANALYTICS_START"]))
    kinds = Counter(event["type"] for event in events)
    assert kinds[STOP] == recorded().total()
    starts = {event["thisId"]: event for event in events if event["type"] != STOP}
    stop = next(event for event in events if event["type"] == STOP and event["linkedEventId"] in starts)
    assert starts[stop["linkedEventId"]]["linkedEventId"] == stop["thisId"]
    assert client.first(eventTopics="DEVICE_MOTION_START")["events"] == []


def test_active_returns_what_goes_on_and_no_stop() -> None:
    scenario = Scenario(ScenarioPlan(START, END, events=0))
    scenario.add(scenario.allowed[0], "PUERTA 1", START + timedelta(seconds=10.5))
    client = Client(scenario=scenario)
    usual = {"queryType": "ACTIVE", "serverId": scenario.servers[0].id}
    during = client.page(START + timedelta(seconds=10), **usual)
    assert [event["type"] for event in during["events"]] == ["DEVICE_ANALYTICS_START"]
    assert client.page(START + timedelta(seconds=12), **usual)["events"] == []
