"""A seeded event at the stadium: people at the doors, cars in three car parks, and what breaks a naive count.

Everything here is invented. The same ``ScenarioPlan`` always makes the same event.
"""

import random
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from math import exp
from typing import NamedTuple

from aforo.simulator.crowd import Crowd, CrowdOptions, CrowdTruth, instants
from aforo.simulator.event_log import Camera, Crossing, EventLog, Kind, Server, milliseconds
from aforo.simulator.faults import Faults
from aforo.simulator.oracle import STADIUM, Oracle, RuleTexts

_SLOTS = 400  # steps in which the event's curves are drawn
_FAILOVER = (0.30, 0.36)  # the part of the event in which the second server records for the first
_BURST_AT = 0.33
_BURST_DENSITY = 50  # crossings per millisecond of a burst: far fewer than one page can hold
_FIRST_DOORS = 40
_NO_RULE = "INGRESO PERSONAS ENTRADA MARATON 2"
_ENTER, _EXIT, _BEAM = "OBJECT_COUNTING_ENTER", "OBJECT_COUNTING_EXIT", "OBJECTS_CROSSED_BEAM"


@dataclass(frozen=True, slots=True)
class ScenarioPlan:
    """The event to make. ``start`` and ``end`` are aware UTC, the event is [start, end).

    ``cameras``: how many are on the allow list and count. ``strangers``: further cameras, not on the list (None: one in
    eight). ``quiet``: cameras on the list that record nothing (for faults without end). ``events``: crossings inside
    the event. ``burst``: so many further crossings, on neighbouring milliseconds. ``edges``: crossings just before
    ``start`` and from ``end`` on, and entries and exits on one millisecond. ``opposite_ties``: whether an entry and an
    exit of one car park may share a millisecond; without ``thisId`` their order is not known. ``failover``: with two
    servers, the second records a part of the event for the first one's cameras. ``crowd``: people who come and go by
    the doors, with a truth of their own (``Scenario.crowd``); ``events`` are then the crossings of all but people.
    """

    start: datetime
    end: datetime
    seed: int = 1
    cameras: int = 17
    events: int = 5_000
    servers: int = 1
    strangers: int | None = None
    quiet: int = 0
    burst: int = 0
    edges: bool = True
    opposite_ties: bool = True
    failover: bool = True
    crowd: CrowdOptions | None = None

    def at(self, share: float) -> int:
        """Return the instant, in milliseconds since 1970, at which that share of the event is over."""
        return milliseconds(self.start + share * (self.end - self.start))


class _Flow(NamedTuple):
    """One analytic of a camera: its name, and the curve and weight of its crossings."""

    name: str
    activity: str
    subclass: str
    curve: str
    weight: float
    area: str | None = ""


def _bump(middle: float, width: float, height: float = 1.0) -> list[float]:
    return [height * exp(-((((slot + 0.5) / _SLOTS - middle) / width) ** 2)) for slot in range(_SLOTS)]


def _sum(*curves: Sequence[float]) -> list[float]:
    return list(accumulate(map(sum, zip(*curves, strict=True))))


_CURVES = {
    "in": _sum(_bump(0.22, 0.12), _bump(0.55, 0.3, 0.04)),  # before the match, and a few latecomers
    "out": _sum(
        _bump(0.9, 0.05), _bump(0.62, 0.04, 0.08), _bump(0.01, 0.02, 0.25)
    ),  # after it, half time, cleaners early
    "all": _sum(_bump(0.5, 0.5)),
}

_GATES: tuple[tuple[_Flow, ...], ...] = (
    (_Flow("AFORO ENTRADA PARQUEADERO NORTE", _ENTER, "VEHICLE_CAR", "in", 8),),
    (_Flow("AFORO SALIDA PARQUEADERO NORTE", _EXIT, "VEHICLE_CAR", "out", 7),),
    (_Flow("Salida vehicular Campinsito", _BEAM, "VEHICLE", "out", 5, None),),
    (_Flow("ENTRADA VEHICULAR CAMPINSITO", _BEAM, "VEHICLE", "in", 6),),
    (_Flow("INGRESO PARQUEADERO SUR 1", _BEAM, "VEHICLE_MOTORCYCLE", "in", 4, "Sur"),),
    (_Flow("SALIDA PARQUEADERO SUR", _BEAM, "VEHICLE_MOTORCYCLE", "out", 3, "Sur"),),
    (
        _Flow("AFORO ENTRADA SENCIA NORTE", _ENTER, "PERSON", "in", 4),
        _Flow("AFORO SALIDA SENCIA NORTE", _EXIT, "PERSON", "out", 1),  # matches no rule
    ),
    (
        _Flow("Aforo entrada Sencia Sur", _ENTER, "PERSON", "in", 3),
        _Flow(_NO_RULE, _ENTER, "PERSON", "in", 1),  # the rule requires the whole name
    ),
    (_Flow("INGRESO PERSONAS ENTRADA MARATON", _ENTER, "PERSON_BODY", "in", 4),),
    (
        _Flow("MERODEO TRIBUNA OCCIDENTAL – BAÑOS", "OBJECT_LOITERING", "PERSON", "all", 1),
        _Flow("PARQUEADERO ORIENTE", "OBJECT_STOPPED", "VEHICLE", "all", 1, None),
    ),
)
_FIRST_DOOR = sum(map(len, _GATES))  # the first door's number among the flows
_DOORS_WEIGHT = 55.0
_STRANGERS_WEIGHT = 5.0
_OUT_BY_GATE = 0.25  # of those who came in by a gate that counts no exits, so many leave by it


class Scenario:
    """The event of a plan: servers, cameras, what they recorded, and the truth about it."""

    def __init__(self, plan: ScenarioPlan) -> None:
        self.plan = plan
        self._random = random.Random(plan.seed)
        self.servers = tuple(Server(self._id(b"\x50\xca\x28", 8), f"ACC-{1 + n}") for n in range(plan.servers))
        self.event_log = EventLog(plan.start, self.servers)
        doors = max(1, plan.cameras - len(_GATES))
        gates = [*_GATES, *(self._door(number, doors) for number in range(doors))]
        seeing = [self._camera(number) for number in range(plan.cameras)]
        strangers = plan.strangers if plan.strangers is not None else max(1, plan.cameras // 8)
        strange = [self._camera(plan.cameras + number) for number in range(strangers)]
        quiet = [self._camera(plan.cameras + strangers + number) for number in range(plan.quiet)]
        self.cameras = (*seeing, *strange, *quiet)
        self.allowed = tuple(camera.id for camera in (*seeing, *quiet))
        self.strangers = tuple(camera.id for camera in strange)
        self.quiet = tuple(camera.id for camera in quiet)
        flows = [(flow, seeing[n % len(seeing)]) for n, gate in enumerate(gates) for flow in gate]
        own = len(flows)
        flows += self._strange_flows(strange)
        self.crowd: CrowdTruth | None = None
        crowd: list[int] = []
        if plan.crowd is not None:
            crowd = self._crowd(plan.crowd, flows[:own])
            flows = [
                (flow._replace(weight=0.0) if _of_people(flow) and number < own else flow, camera)
                for number, (flow, camera) in enumerate(flows)
            ]
        self._record(flows, crowd)

    def truth(self, rules: RuleTexts = STADIUM, faults: Faults | None = None) -> Oracle:
        """Return what should be counted by these rules; with ``faults``, without what dead cameras never recorded."""
        return Oracle(self.event_log, rules, faults)

    def add(self, camera_id: str, name: str, at: datetime, activity: str = _ENTER, server_id: str = "") -> Crossing:
        """Record one further crossing at an aware instant; it is visible as soon as the servers' clock reaches it."""
        own_server = next((camera.server_id for camera in self.cameras if camera.id == camera_id), self.servers[0].id)
        kind = Kind(server_id or own_server, camera_id, name, "", activity, "PERSON")
        return self.event_log.add(milliseconds(at), kind)

    def sway(self, camera_id: str, name: str, since: datetime, until: datetime, per_minute: float) -> None:
        """Record crossings without people, as a branch before the camera makes them: evenly in [since, until)."""
        number = round((until - since) / timedelta(minutes=1) * per_minute)
        for one in range(number):
            self.add(camera_id, name, since + (one + 0.5) / number * (until - since))

    def _id(self, prefix: bytes, more: int) -> str:
        return urlsafe_b64encode(prefix + self._random.randbytes(more)).decode().rstrip("=")

    def _camera(self, number: int) -> Camera:
        names = [gate[0].name.title() for gate in _GATES]
        name = names[number] if number < len(names) else f"Cámara {number + 1:02}"
        state = "DISCONNECTED" if number % 29 == 28 else "CONNECTED"
        camera_id = self._id(b"\xe3\x12\x31", 39 + 3 * self._random.randrange(6))
        return Camera(camera_id, name, self.servers[number % len(self.servers)].id, state, "8.0C-H5A-BO1-IR")

    def _door(self, number: int, doors: int) -> tuple[_Flow, ...]:
        weight = _DOORS_WEIGHT / doors * self._random.uniform(0.5, 1.5)
        name = f"PUERTA {number % _FIRST_DOORS + 1}"
        area = ("", "Occidental", None)[number % 3]
        return (
            _Flow(name, _ENTER, "PERSON_BODY", "in", weight, area),
            _Flow(name, _EXIT, "PERSON_BODY", "out", weight * 0.9, area),
        )

    def _strange_flows(self, strange: Sequence[Camera]) -> list[tuple[_Flow, Camera]]:
        flows = [_GATES[0][0], _Flow("PUERTA 1", _ENTER, "PERSON_BODY", "in", 1)]
        weight = _STRANGERS_WEIGHT / max(1, len(strange))
        return [(flows[n % 2]._replace(weight=weight), camera) for n, camera in enumerate(strange)]

    def _record(self, flows: Sequence[tuple[_Flow, Camera]], crowd: list[int]) -> None:
        """Draw all crossings, packed as integers that sort by time, and record them in that order."""
        packed = crowd + self._drawn(flows) + self._burst(flows)
        if self.plan.edges:
            packed += self._edges()
        packed.sort()
        kinds = [self._kinds(flow, camera) for flow, camera in flows]
        first, last = (self.plan.at(share) for share in _FAILOVER)
        self.event_log.record(
            (at, kinds[number & _FLOW_MASK][first <= at < last]) for number in packed for at in (number >> _FLOW_BITS,)
        )

    def _crowd(self, options: CrowdOptions, flows: Sequence[tuple[_Flow, Camera]]) -> list[int]:
        """Let the crowd cross the doors, keep its truth, and return what is recorded, packed."""
        doors: dict[str, dict[str, int]] = {}  # by camera: its flows of people, by curve
        for number, (flow, camera) in enumerate(flows):
            if _of_people(flow) and flow.name != _NO_RULE:
                doors.setdefault(camera.id, {})[flow.curve] = number
        use = [
            (entries, flows[curves["out"]][0].weight if "out" in curves else entries * _OUT_BY_GATE, "out" in curves)
            for curves in doors.values()
            for entries in (flows[curves["in"]][0].weight,)
        ]
        minutes = -(-(self.plan.end - self.plan.start) // timedelta(minutes=1))
        crowd = Crowd.of(options.plan(use, minutes, self._random), self.plan.seed)
        start, packed = milliseconds(self.plan.start), []
        steps: dict[str, tuple[list[int], list[int]]] = {}
        for (camera_id, curves), crossed, counted in zip(doors.items(), crowd.crossed, crowd.counted, strict=True):
            steps[camera_id] = ([], [])
            for minute in range(minutes):
                for way, curve, people, seen in (
                    (0, "in", crossed.entries[minute], counted.entries[minute]),
                    (1, "out", crossed.exits[minute], counted.exits[minute]),
                ):
                    happened, recorded = instants(people, seen, start + minute * 60_000, self._random)
                    steps[camera_id][way].extend(happened)
                    if recorded:
                        number = curves[curve]
                        recorded = self._without_ties(recorded, flows[number][0])
                        packed += [at << _FLOW_BITS | number for at in recorded]
        self.crowd = CrowdTruth(options.inside, steps)
        return packed

    def _drawn(self, flows: Sequence[tuple[_Flow, Camera]]) -> list[int]:
        chance, start = self._random, milliseconds(self.plan.start)
        step = (self.plan.end - self.plan.start) / timedelta(milliseconds=1) / _SLOTS
        share = [0] * len(flows)
        for number in chance.choices(range(len(flows)), [flow.weight for flow, _ in flows], k=self.plan.events):
            share[number] += 1
        packed: list[int] = []
        for number, (flow, _) in enumerate(flows):
            slots = chance.choices(range(_SLOTS), cum_weights=_CURVES[flow.curve], k=share[number])
            instants = [start + int((slot + chance.random()) * step) for slot in slots]
            packed += [at << _FLOW_BITS | number for at in self._without_ties(instants, flow)]
        return packed

    def _without_ties(self, instants: list[int], flow: _Flow) -> list[int]:
        """Put entries on even milliseconds and exits on odd ones, unless an entry and an exit may coincide."""
        if self.plan.opposite_ties:
            return instants
        return [at & ~1 | (flow.curve == "out") for at in instants]

    def _burst(self, flows: Sequence[tuple[_Flow, Camera]]) -> list[int]:
        at, chance = self.plan.at(_BURST_AT), self._random
        width = max(20, self.plan.burst // _BURST_DENSITY)
        packed = []
        for _ in range(self.plan.burst):
            number = chance.choice((0, 1, 3, _FIRST_DOOR) if self.plan.crowd is None else (0, 1, 3))
            instant = self._without_ties([at + chance.randrange(width)], flows[number][0])[0]
            packed.append(instant << _FLOW_BITS | number)
        return packed

    def _edges(self) -> list[int]:
        start, end = milliseconds(self.plan.start), milliseconds(self.plan.end)
        outside = [start - 300_000, start - 1, end, end + 1, end + 30_000]
        inside = [start, end - 1]
        numbers = (0, 1, 8) if self.plan.crowd is None else (0, 1)
        crossings = [(at, number) for at in (*outside, *inside) for number in numbers]
        if self.plan.opposite_ties:  # each car park in both orders, while it is still empty
            crossings += [(self.plan.at(0.001), number) for number in range(6)]
        else:
            crossings = [(at & ~1 | number % 2, number) for at, number in crossings]
        return [at << _FLOW_BITS | number for at, number in crossings]

    def _kinds(self, flow: _Flow, camera: Camera) -> tuple[int, int]:
        """Return the kind as the camera's own server records it, and as it is while the first server is down."""
        own = Kind(camera.server_id, camera.id, flow.name, flow.area, flow.activity, flow.subclass)
        fails = self.plan.failover and len(self.servers) > 1 and camera.server_id == self.servers[0].id
        other = own._replace(server_id=self.servers[1].id) if fails else own
        return self.event_log.kind(own), self.event_log.kind(other)


def _of_people(flow: _Flow) -> bool:
    return flow.subclass.startswith("PERSON") and flow.curve != "all"


_FLOW_BITS = 20
_FLOW_MASK = (1 << _FLOW_BITS) - 1
