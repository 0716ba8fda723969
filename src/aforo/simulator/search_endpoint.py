"""``/events/search``: the checked query, the events that are visible by now, and their pages."""

import random
from base64 import urlsafe_b64encode
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from aforo.simulator.camera_health import HEALTH_TOPICS, health_events
from aforo.simulator.event_log import MARK_MASK, NOISE, SHIFT, STOP, instant_of, milliseconds, place_of
from aforo.simulator.faults import Delay, Faults
from aforo.simulator.scenario import Scenario
from aforo.simulator.serialization import AnswerError, Pages
from aforo.simulator.server_profile import DeviceIds, Order, ServerProfile, Tokens, Topics

Arguments = Mapping[str, Sequence[str]]

_MOST = 1000
_MOST_TOKENS = 2_000
_FOR_EVER = 1e7  # seconds: longer than any event
_REPEATED_WITHIN = 1_500  # places: some repeats fall into the same page, some into the next
_ACTIVE_FOR = 700  # milliseconds from a crossing's START to its STOP
_STARTS, _STOPS = "DEVICE_ANALYTICS_START", "DEVICE_ANALYTICS_STOP"
_OF_TIME_RANGE = {"queryType", "serverId", "from", "to", "eventTopics", "deviceIds", "limit", "session"}
_OF_CONTINUE = {"queryType", "token", "session"}
_OF_ACTIVE = {"queryType", "serverId", "eventTopics", "deviceIds", "limit", "session"}


class _Rest(NamedTuple):
    """What a page token stands for: the keys of the whole answer, and how many of them were given."""

    keys: Sequence[int]
    given: int
    limit: int
    made_at: datetime
    cameras: tuple[str, ...]


class _Query(NamedTuple):
    """A checked query. ``cameras`` None: every camera; [since, until) in milliseconds since 1970."""

    server_id: str
    cameras: tuple[str, ...] | None
    since: int
    until: int
    topics: frozenset[str]
    limit: int


class SearchEndpoint:
    """Answers searches; raises AnswerError for a wrong argument, an unknown server, camera or token."""

    def __init__(self, scenario: Scenario, profile: ServerProfile, faults: Faults, seed: int) -> None:
        self._scenario = scenario
        self._profile = profile
        self._faults = faults
        self._pages = Pages(scenario.event_log, this_id=profile.this_id)
        self._random = random.Random(seed)
        self._servers = {server.id for server in scenario.servers}
        self._server_of = {camera.id: camera.server_id for camera in scenario.cameras}
        self._tokens: OrderedDict[str, _Rest] = OrderedDict()

    def answer(self, arguments: Arguments, now: datetime) -> bytes:
        """Return the page for these arguments."""
        match arguments.get("queryType", [""])[0]:
            case "TIME_RANGE":
                _only(arguments, _OF_TIME_RANGE)
                return self._first(arguments, now)
            case "CONTINUE":
                _only(arguments, _OF_CONTINUE)
                return self._next(_one(arguments, "token"), now)
            case "ACTIVE":
                _only(arguments, _OF_ACTIVE)
                return self._active(arguments, now)
        raise _bad("queryType")

    @property
    def servers(self) -> tuple[str, ...]:
        """The ids of the site's servers."""
        return tuple(self._servers)

    def is_visible(self, key: int, now: datetime) -> bool:
        """Return whether a search finds that event by now."""
        return not self._longest_delay(now) or self._is_visible(key, now)

    def cameras(self, arguments: Arguments) -> tuple[str, ...]:
        """Return the cameras that the query names, itself or by its token."""
        rest = self._tokens.get(arguments.get("token", [""])[0])
        return rest.cameras if rest else tuple(arguments.get("deviceIds", ()))

    def forget_all(self) -> None:
        """End every page token, as a restart of the server does."""
        self._tokens.clear()

    def _first(self, arguments: Arguments, now: datetime) -> bytes:
        first, last = _instant(arguments, "from"), _instant(arguments, "to")
        if first > last:
            raise _bad("from")
        until = milliseconds(last) + 1 if self._profile.to_inclusive else _rounded_up(last)
        query = self._query(arguments, _rounded_up(first), until)
        if query.topics <= set(HEALTH_TOPICS):
            return self._health(query, now)
        keys = self._ordered(self._with_faulty_events(self._visible(query, now), now))
        return self._give(_Rest(keys, 0, query.limit, now, self.cameras(arguments)), now)

    def _health(self, query: _Query, now: datetime) -> bytes:
        """Answer for topics about cameras' health, which the simulator takes by themselves."""
        own = [camera for camera, server_id in self._server_of.items() if server_id == query.server_id]
        window = query.since, query.until
        return self._pages.health_page(health_events(self._faults, own, query.topics, window, now))

    def _next(self, token: str, now: datetime) -> bytes:
        rest = self._tokens.get(token)
        age = timedelta(seconds=self._profile.page_token_seconds)
        if rest is None or now - rest.made_at >= age or self._faults.strikes("expire_token", now, "events/search"):
            self._tokens.pop(token, None)
            raise AnswerError(400, "invalid token.", "BAD_REQUEST")
        return self._give(rest, now)

    def _active(self, arguments: Arguments, now: datetime) -> bytes:
        at = milliseconds(now)
        query = self._query(arguments, at - _ACTIVE_FOR, at)
        starts = self._scenario.event_log.starts(query.server_id, query.cameras, query.since, query.until)
        return self._pages.page(starts[: query.limit], None)

    def _query(self, arguments: Arguments, since: int, until: int) -> _Query:
        server_id = _one(arguments, "serverId")
        if server_id not in self._servers:
            raise AnswerError(404, "server not found.", "NOT_FOUND")
        limit = arguments.get("limit", [str(_MOST)])[0]
        if not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
            raise _bad("limit")
        topics = self._topics(arguments.get("eventTopics", (_STARTS, _STOPS)))
        if not all(topic.replace("_", "").isalpha() and topic.isupper() for topic in topics):
            raise _bad("eventTopics")
        cameras = self._checked_cameras(server_id, tuple(arguments.get("deviceIds", ())))
        return _Query(server_id, cameras, since, until, topics, int(limit))

    def _topics(self, topics: Sequence[str]) -> frozenset[str]:
        match self._profile.topics:
            case Topics.REFUSED if len(topics) > 1:
                raise _bad("eventTopics")
            case Topics.FIRST_ONLY:
                return frozenset(topics[:1])
            case Topics.IGNORED:
                return frozenset((_STARTS, _STOPS))
            case _:
                return frozenset(topics)

    def _checked_cameras(self, server_id: str, cameras: tuple[str, ...]) -> tuple[str, ...] | None:
        if not cameras or self._profile.device_ids is DeviceIds.IGNORED:
            return None
        if len(cameras) > 1 and self._profile.device_ids is DeviceIds.REFUSED:
            raise _bad("deviceIds")
        if self._profile.device_ids is DeviceIds.FIRST_ONLY:
            cameras = cameras[:1]
        for camera in cameras:
            own_server = self._server_of.get(camera)
            if own_server is None or (own_server != server_id and not self._profile.away_cameras_known):
                raise AnswerError(404, "camera not found.", "NOT_FOUND")
        return cameras

    def _visible(self, query: _Query, now: datetime) -> list[int]:
        server_id, cameras, since, until, topics, _ = query
        clock = self._faults.get("camera_clock")
        ahead = max(0.0, clock.seconds) if clock else 0.0
        until = min(until, milliseconds(now + timedelta(seconds=ahead)) + 1)
        event_log = self._scenario.event_log
        keys = event_log.stops(server_id, cameras, since, until) if _STOPS in topics else []
        if _STARTS in topics:
            keys = sorted(keys + event_log.starts(server_id, cameras, since, until))
        dead = self._faults.get("camera_dead")
        if dead is not None and (cameras is None or not dead.cameras.isdisjoint(cameras)):
            records, camera_of, at = self._faults.records, event_log.camera_of, event_log.at
            keys = [key for key in keys if records(camera_of(key), instant_of(at(key)))]
        longest = self._longest_delay(now)
        if not longest and not ahead:
            return keys
        oldest = now - timedelta(seconds=longest)
        recent = bisect_left(keys, (milliseconds(oldest) - event_log.origin) << SHIFT)
        return keys[:recent] + [key for key in keys[recent:] if self._is_visible(key, now)]

    def _longest_delay(self, now: datetime) -> float:
        """Return the age in seconds from which every event is visible."""
        late, outage, clock = (self._faults.get(name) for name in ("late", "camera_outage", "camera_clock"))
        delay = late.seconds if late and late.is_on(now) else 0.0
        if outage and outage.since and outage.until and now < outage.until:
            delay = max(delay, (now - outage.since).total_seconds())
        elif outage and outage.until is None:
            delay = max(delay, _FOR_EVER)
        return delay + abs(clock.seconds) if clock else delay

    def _is_visible(self, key: int, now: datetime) -> bool:
        """Return whether a recent event can be found by now."""
        occurred_ms = self._scenario.event_log.at(key)
        camera = self._scenario.event_log.camera_of(key)
        clock, outage, late = (self._faults.get(name) for name in ("camera_clock", "camera_outage", "late"))
        if clock and camera in clock.cameras:
            occurred_ms -= int(clock.seconds * 1000)
        if occurred_ms > milliseconds(now):
            return False
        if outage and camera in outage.cameras and outage.is_on(now) and outage.is_on(instant_of(occurred_ms)):
            return False
        if late is None or not late.is_on(now) or (late.cameras and camera not in late.cameras):
            return True
        place = place_of(key)
        age = (milliseconds(now) - occurred_ms) / 1000
        return not self._faults.marks("late", place) or age >= late.seconds * self._share_of_delay(late.delay, place)

    def _share_of_delay(self, delay: Delay, place: int) -> float:
        """Return by which share of the longest delay a late crossing is late."""
        luck = self._faults.luck("delay", place)
        return {Delay.UNIFORM: luck, Delay.FIXED: 1.0, Delay.TAIL: luck**4}[delay]

    def _with_faulty_events(self, keys: list[int], now: datetime) -> list[int]:
        """Return the events with broken ones and repeats among them, where these faults are active."""
        faults = self._faults
        malformed, repeated = faults.get("malformed"), faults.get("repeated")
        if malformed and malformed.is_on(now):
            noisy = [(key, key - STOP + NOISE) if faults.marks("malformed", place_of(key)) else (key,) for key in keys]
            keys = [key for some in noisy for key in some]
        if not repeated or not repeated.is_on(now):
            return keys
        places: list[tuple[float, int]] = list(enumerate(keys))
        for number, key in enumerate(keys):
            if key & MARK_MASK == STOP and faults.marks("repeated", place_of(key)):
                places.append((number + 0.5 + int(faults.luck("hop", place_of(key)) ** 4 * _REPEATED_WITHIN), key))
        return [key for _, key in sorted(places)]

    def _ordered(self, keys: list[int]) -> list[int]:
        if self._profile.order is Order.NEWEST:
            keys.reverse()
        elif self._profile.order is Order.SHUFFLED:
            self._random.shuffle(keys)
        return keys

    def _give(self, rest: _Rest, now: datetime) -> bytes:
        page = rest.keys[rest.given : rest.given + rest.limit]
        full = len(page) == rest.limit
        wanted = self._profile.tokens is Tokens.ALWAYS or (self._profile.tokens is Tokens.FULL_PAGES and full)
        token = self._token(rest._replace(given=rest.given + len(page), made_at=now)) if wanted else None
        return self._pages.page(page, token)

    def _token(self, rest: _Rest) -> str:
        token = urlsafe_b64encode(self._random.randbytes(24)).decode()
        if rest.given >= len(rest.keys):
            rest = rest._replace(keys=(), given=0)
        self._tokens[token] = rest
        if len(self._tokens) > _MOST_TOKENS:
            self._tokens.popitem(last=False)
        return token


def _bad(argument: str) -> AnswerError:
    return AnswerError(400, f"invalid argument: {argument}.", "BAD_REQUEST")


def _only(arguments: Arguments, allowed: set[str]) -> None:
    for name in arguments:
        if name not in allowed:
            raise _bad(name)


def _one(arguments: Arguments, name: str) -> str:
    values = arguments.get(name, ())
    if len(values) != 1 or not values[0]:
        raise _bad(name)
    return values[0]


def _instant(arguments: Arguments, name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(_one(arguments, name))
    except ValueError as error:
        raise _bad(name) from error
    if instant.tzinfo is None:
        raise _bad(name)
    return instant


def _rounded_up(instant: datetime) -> int:
    """Return the first millisecond (since 1970) that is not before the instant."""
    return milliseconds(instant + timedelta(microseconds=999))
