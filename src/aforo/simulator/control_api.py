"""A second door beside the API, ``/simulator/…``: tests in another process ask the truth and switch faults here."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec
from aiohttp import web

from aforo.clock import Clock
from aforo.simulator.faults import Fault, Faults
from aforo.simulator.scenario import Scenario

_T = TypeVar("_T")


class Site(Protocol):
    """What the control door needs of the simulator."""

    crowd: Scenario
    clock: Clock
    faults: Faults
    tally: Counter[str]
    most_at_once: int

    def restart(self) -> None:
        """Forget sessions and tokens."""
        ...


class _Switch(msgspec.Struct, forbid_unknown_fields=True):
    """``clear``: names, all without names; ``set``: names with their fault, null for the usual rate. Cleared first."""

    clear: list[str] | None = None
    set: dict[str, Fault | None] = msgspec.field(default_factory=dict)


class _Added(msgspec.Struct, forbid_unknown_fields=True):
    camera: str
    name: str
    at: datetime
    activity: str = "OBJECT_COUNTING_ENTER"
    server: str = ""


def add_control(router: web.UrlDispatcher, site: Site) -> None:
    """Hang the control door's answers into the router."""
    control = _Control(site)
    router.add_get("/simulator/state", control.state)
    router.add_get("/simulator/truth", control.truth)
    router.add_post("/simulator/faults", control.switch)
    router.add_post("/simulator/events", control.add)
    router.add_post("/simulator/restart", control.restart)


class _Control:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def state(self, _: web.Request) -> web.Response:
        """The servers' clock, what was asked so far, and the faults that are on."""
        site = self._site
        answer = {
            "now": site.clock.now(),
            "tally": site.tally,
            "most_at_once": site.most_at_once,
            "faults": site.faults.names(),
        }
        return _json(answer)

    async def truth(self, request: web.Request) -> web.Response:
        """The truth of [since, until) (default: the event's), for each ``camera`` (default: the allow list); the
        history's rows only with ``rows=1``.
        """
        plan = self._site.crowd.plan
        since = _instant(request, "since", plan.start)
        until = _instant(request, "until", plan.end)
        cameras = request.query.getall("camera", None) or list(self._site.crowd.allowed)
        answer = await asyncio.to_thread(self._site.crowd.truth().tell, since, until, cameras)
        told: dict[str, object] = {
            "history_count": len(answer.history),
            "zones": {name: zone._asdict() for name, zone in answer.zones.items()},
            "accepted": answer.accepted,
        }
        if request.query.get("rows") == "1":
            told["history"] = answer.history
        return _json(told)

    async def switch(self, request: web.Request) -> web.Response:
        """Switch faults; answers with those that are on."""
        change = _decoded(await request.read(), _Switch)
        if change.clear is not None:
            self._site.faults.clear(*change.clear)
        try:
            for name, fault in change.set.items():
                self._site.faults.set(name, fault)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return _json(self._site.faults.names())

    async def add(self, request: web.Request) -> web.Response:
        """Record passages more; answers with their thisId."""
        passages = _decoded(await request.read(), list[_Added])
        add = self._site.crowd.add
        added = [add(one.camera, one.name, one.at, one.activity, one.server) for one in passages]
        return _json([str(passage.number) for passage in added])

    async def restart(self, _: web.Request) -> web.Response:
        """Every session is gone."""
        self._site.restart()
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
