"""Faults of a real Web Endpoint, switched on and off while the simulator runs; seeded."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

_SPREAD = 1 << 32


class Delay(StrEnum):
    """How the delays of late events are distributed, up to the fault's ``seconds``."""

    UNIFORM = "uniform"
    FIXED = "fixed"  # all of them by exactly so much
    TAIL = "tail"  # most by little, few by much


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, with its limits.

    ``probability``: per request, or per crossing for malformed, repeated, late and those of pushes. ``since``,
    ``until``: only in [since, until) by the server's clock, aware UTC. ``times``: at most so often. ``cameras``: only
    for requests that name one of these, for late: only for their events. ``paths``: only these, as in
    ``events/search``. ``seconds``: the latency (real seconds), the longest delay of a late event (by the server's
    clock), or how far a clock is ahead (less than zero: behind). ``delay``: how the delays of late events are
    distributed.
    """

    probability: float = 1.0
    since: datetime | None = None
    until: datetime | None = None
    times: int | None = None
    cameras: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    seconds: float = 0.0
    delay: Delay = Delay.UNIFORM

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"probability {self.probability} is not in [0, 1]")

    def is_on(self, now: datetime) -> bool:
        """Return whether the fault is active at that instant."""
        return (self.since is None or self.since <= now) and (self.until is None or now < self.until)


# Each fault with its usual rate. The faults of cameras need the cameras that they concern.
EVERY: Mapping[str, Fault] = {
    "error_500": Fault(0.02),  # JSON or an HTML page, either way
    "error_503": Fault(0.02),
    "error_504": Fault(0.01),
    "empty_body": Fault(0.01),  # 200 and nothing
    "cut_json": Fault(0.01),  # 200 and the first half
    "cut_connection": Fault(0.01),  # the connection breaks in the middle of the answer
    "hang": Fault(0.003),  # no answer until the client ends the connection
    "stall": Fault(0.001),  # headers and half of the body, and then nothing until the client ends the connection
    "latency": Fault(seconds=0.002),
    "expire_session": Fault(0.005),  # 401, and the session ends
    "away": Fault(0.002),  # every connection is cut at once; with since and until, the server is unreachable
    "expire_token": Fault(0.01, paths=frozenset({"events/search"})),  # CONTINUE answers 400
    "malformed": Fault(0.01),  # broken events beside the good ones
    "repeated": Fault(0.02),  # an event twice, in one page or in two
    "late": Fault(0.02, seconds=30.0),  # visible that much after its own timestamp at most
    "date": Fault(seconds=7200.0),  # the Date header is off, the servers' clock is right
    "no_date": Fault(),  # the Date header is empty
    "push_lost": Fault(0.02),  # an event of no push
    "push_doubled": Fault(0.02),  # an event in two pushes, or twice in one
    "push_late": Fault(0.02, seconds=30.0),  # pushed that much later at most, and so out of order
    "push_early": Fault(),  # pushed at its own time, also where a search finds it later
    "camera_outage": Fault(),  # what happens in [since, until) is only visible from until on
    "camera_clock": Fault(seconds=-150.0),  # timestamps are off by so much: -150 s are visible 150 s late
    "camera_disconnected": Fault(),  # /cameras reports them as DISCONNECTED; events at since and until, as for the next
    "camera_no_video": Fault(),
    "camera_tampered": Fault(),
    "camera_not_recording": Fault(),
    "camera_reconfigured": Fault(),
    "camera_dead": Fault(),  # what happens in [since, until) is never recorded
    "camera_hang": Fault(),
    "camera_404": Fault(),
    "camera_400": Fault(),
    "camera_500": Fault(),
    "camera_garbage": Fault(),  # 200 and no JSON, or JSON of another shape
}
OF_CAMERAS = tuple(name for name in EVERY if name.startswith("camera_"))
BREAKING = ("camera_hang", "camera_404", "camera_400", "camera_500", "camera_garbage")  # no answer is ever right
_NOT_USUAL = {*OF_CAMERAS, "date", "no_date", "push_early"}  # they last, and are switched on by their name only


class Faults:
    """The active faults, by name (see ``EVERY``). The same seed gives the same faults, request by request."""

    def __init__(self, seed: int = 1, on: Mapping[str, Fault] | None = None) -> None:
        self.random = random.Random(seed)
        self._seed = seed * 0x9E3779B1
        self._on: dict[str, Fault] = {}
        for name, fault in (on or {}).items():
            self.set(name, fault)

    @classmethod
    def all(cls, seed: int = 1, broken: Iterable[str] = ()) -> Self:
        """Return all usual faults at their rates; each of the ``broken`` cameras is broken for ever, in another way."""
        faults = cls(seed, {name: fault for name, fault in EVERY.items() if name not in _NOT_USUAL})
        for number, camera_id in enumerate(broken):
            name = BREAKING[number % len(BREAKING)]
            fault = faults.get(name) or replace(EVERY[name], cameras=frozenset())
            faults.set(name, replace(fault, cameras=fault.cameras | {camera_id}))
        return faults

    def set(self, name: str, fault: Fault | None = None) -> None:
        """Switch a fault on (None: at its usual rate), or change it. Raises ValueError for an unknown name."""
        if name not in EVERY:
            raise ValueError(f"{name}: {', '.join(EVERY)}")
        self._on[name] = fault or EVERY[name]

    def clear(self, *names: str) -> None:
        """Switch these faults off; without names, all."""
        for name in names or tuple(self._on):
            self._on.pop(name, None)

    def get(self, name: str) -> Fault | None:
        """Return the fault of that name, None while it is off."""
        return self._on.get(name)

    def names(self) -> list[str]:
        """Return the names of the active faults."""
        return list(self._on)

    def strikes(self, name: str, now: datetime, path: str = "", cameras: Iterable[str] = ()) -> Fault | None:
        """Draw whether a fault strikes this request, and count it against the fault's ``times``."""
        fault = self._on.get(name)
        if fault is None or not fault.is_on(now) or (fault.paths and path not in fault.paths):
            return None
        if (fault.cameras or name in OF_CAMERAS) and fault.cameras.isdisjoint(cameras):
            return None
        if fault.times == 0 or (fault.probability < 1.0 and self.random.random() >= fault.probability):
            return None
        if fault.times is not None:
            self._on[name] = replace(fault, times=fault.times - 1)
        return fault

    def records(self, camera_id: str, at: datetime) -> bool:
        """Return whether what that camera sees at that instant is ever recorded."""
        dead = self._on.get("camera_dead")
        return dead is None or camera_id not in dead.cameras or not dead.is_on(at)

    def marks(self, name: str, place: int) -> bool:
        """Return whether a fault concerns the crossing at that place: the same each time, as long as it is on."""
        fault = self._on.get(name)
        return fault is not None and self.luck(name, place) < fault.probability

    def luck(self, name: str, place: int) -> float:
        """Return a number in [0, 1) that depends on the fault, the crossing and the seed only."""
        mixed = (place * 0x85EBCA6B + self._seed + len(name) * 0xC2B2AE35 + ord(name[0]) * 0x27D4EB2F) % _SPREAD
        mixed ^= mixed >> 15
        mixed = mixed * 0x2C1B3C6D % _SPREAD
        mixed ^= mixed >> 12
        mixed = mixed * 0x297A2D39 % _SPREAD
        return (mixed ^ mixed >> 15) / _SPREAD
