"""``/simulator/…``: state, truth, faults and restarts, for tests in another process."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
from aiohttp import web

from aforo.simulator.faults import Fault, Faults
from aforo.simulator.scenario import Scenario
from aforo.simulator.shifted_clock import ShiftedClock

_T = TypeVar("_T")


class Site(Protocol):
    """The parts of the simulator that the control API uses."""

    scenario: Scenario
    clock: ShiftedClock
    faults: Faults
    request_counts: Counter[str]
    most_at_once: int

    def restart(self) -> None:
        """End all sessions and page tokens."""
        ...

    @property
    def push_counts(self) -> Counter[str]:
        """Pushes and pushed events so far, by outcome."""
        ...

    def webhooks(self) -> list[dict[str, object]]:
        """Return the webhooks, without their tokens."""
        ...

    def forget_webhooks(self) -> None:
        """Drop every webhook."""
        ...


class _Switch(msgspec.Struct, forbid_unknown_fields=True):
    """Changes of faults, ``clear`` first.

    ``clear``: names; all if it is empty. ``set``: faults by name; null means the usual rate.
    """

    clear: list[str] | None = None
    set: dict[str, Fault | None] = msgspec.field(default_factory=dict)


class _Shift(msgspec.Struct, forbid_unknown_fields=True):
    """How far ahead the servers' clock goes; less than zero: behind."""

    seconds: float


class _Added(msgspec.Struct, forbid_unknown_fields=True):
    camera: str
    name: str
    at: datetime
    activity: str = "OBJECT_COUNTING_ENTER"
    server: str = ""


def add_control(router: web.UrlDispatcher, site: Site) -> None:
    """Add the routes of the control API."""
    control = _Control(site)
    router.add_get("/simulator/state", control.state)
    router.add_get("/simulator/truth", control.truth)
    router.add_get("/simulator/crowd", control.crowd)
    router.add_post("/simulator/faults", control.switch)
    router.add_post("/simulator/clock", control.shift_clock)
    router.add_post("/simulator/events", control.add)
    router.add_post("/simulator/restart", control.restart)
    router.add_post("/simulator/webhooks/forget", control.forget_webhooks)


class _Control:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def state(self, _: web.Request) -> web.Response:
        """Answer with the servers' clock, the counted requests and pushes, the active faults, and the webhooks."""
        site = self._site
        answer = {
            "now": site.clock.now(),
            "tally": site.request_counts,
            "most_at_once": site.most_at_once,
            "faults": site.faults.names(),
            "webhooks": site.webhooks(),
            "pushes": site.push_counts,
        }
        return _json(answer)

    async def truth(self, request: web.Request) -> web.Response:
        """Answer with what should be counted in [since, until) for the cameras of the query.

        The defaults are the event's window and the allow list. ``rows=1`` adds the history's rows.
        """
        plan = self._site.scenario.plan
        since = _instant(request, "since", plan.start)
        until = _instant(request, "until", plan.end)
        cameras = request.query.getall("camera", None) or list(self._site.scenario.allowed)
        truth = self._site.scenario.truth(faults=self._site.faults)
        answer = await asyncio.to_thread(truth.between, since, until, cameras)
        body: dict[str, object] = {
            "history_count": len(answer.history),
            "zones": {name: zone._asdict() for name, zone in answer.zones.items()},
            "accepted": answer.accepted,
        }
        if request.query.get("rows") == "1":
            body["history"] = answer.history
        return _json(body)

    async def crowd(self, request: web.Request) -> web.Response:
        """Answer with how many people were truly inside at the instant ``at``; the default is the servers' clock.

        With cameras in the query, only with what their doors contribute. 404 where the scenario has no crowd.
        """
        crowd = self._site.scenario.crowd
        if crowd is None:
            raise web.HTTPNotFound(text="the scenario has no crowd")
        at = _instant(request, "at", self._site.clock.now())
        inside = crowd.inside(at, request.query.getall("camera", None))
        return _json({"at": at, "inside": inside, "doors": crowd.doors})

    async def switch(self, request: web.Request) -> web.Response:
        """Switch faults, and answer with the active ones."""
        change = _decoded(await request.read(), _Switch)
        if change.clear is not None:
            self._site.faults.clear(*change.clear)
        try:
            for name, fault in change.set.items():
                self._site.faults.set(name, fault)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return _json(self._site.faults.names())

    async def shift_clock(self, request: web.Request) -> web.Response:
        """Set the servers' clock wrong, and answer with what it shows."""
        self._site.clock.shift(_decoded(await request.read(), _Shift).seconds)
        return _json({"now": self._site.clock.now()})

    async def add(self, request: web.Request) -> web.Response:
        """Record further crossings, and answer with their thisId."""
        crossings = _decoded(await request.read(), list[_Added])
        add = self._site.scenario.add
        added = [add(one.camera, one.name, one.at, one.activity, one.server) for one in crossings]
        return _json([str(crossing.number) for crossing in added])

    async def restart(self, _: web.Request) -> web.Response:
        """Restart the simulated servers: every session and page token ends."""
        self._site.restart()
        return _json({})

    async def forget_webhooks(self, _: web.Request) -> web.Response:
        """Drop every webhook, as a server does whose configuration was restored."""
        self._site.forget_webhooks()
        return _json({})


def _instant(request: web.Request, name: str, default: datetime) -> datetime:
    try:
        instant = datetime.fromisoformat(request.query.get(name, default.isoformat()))
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{name}: ISO 8601 with offset") from error
    if instant.tzinfo is None:
        raise web.HTTPBadRequest(text=f"{name}: ISO 8601 with offset")
    return instant


def _decoded(body: bytes, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _json(answer: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
