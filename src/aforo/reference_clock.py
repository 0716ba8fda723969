"""The time that events go by: the cameras' server's ``Date``, carried on by the machine's monotonic clock.

An answer bounds the server's clock: the ``Date``, a whole second, was stamped between the request and the answer. The
bounds of many answers together are narrower than a second, and a slow answer moves nothing. The machine's clock is
used within those bounds, and so only before the server has answered, or as a fraction of a second.

A time outside of the bounds is a candidate: it is followed when it stays for a while, or as soon as the machine's clock
confirms it. So a machine that was suspended is right at once, and servers behind one address with clocks apart move
nothing.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from aforo.clock import Clock

NOTEWORTHY = timedelta(seconds=30)  # a difference or a step of more than that is reported

_NOTEWORTHY = NOTEWORTHY.total_seconds()
_FIRST_YEAR, _LAST_YEAR = 2020, 2070  # a Date of another year comes from a clock that was never set
_RESOLUTION = 1.0  # seconds: HTTP's Date has no fractions
_SLACK = 1.0  # seconds: servers stamp a Date that they renew once a second, or a little later
_DRIFT = 5e-4  # seconds a second that two clocks may drift apart: the fastest that NTP slews
_FIRST_STAYS = 3.0  # seconds that a first time has to go on, where the machine's clock does not confirm it
_STAYS = 60.0  # seconds that a time has to stay before the one that was known is given up
_STAYING_ANSWERS = 12  # answers one after the other that give it: two servers behind one address take turns
_CONFIRMED = 2.0  # seconds between a jump and that of the machine's clock that count as the same
_PENDING_LASTS = 300.0  # seconds after which a candidate that neither stays nor goes is no longer waited for
_PENDING_SILENT = 180.0  # seconds without an answer after which a candidate is no longer waited for
_SETTLES = 300.0  # seconds after a jump in which an event is not ended by it alone
_WALL_MOVED = 5.0  # seconds that the machine's clock has to move by itself before the server is asked
_ASK_EVERY, _ASK_PENDING = 300.0, 5.0  # seconds
_JUST_NOW = 5.0  # seconds in which a step that is over still counts as current
_MOST_STEPS = 50


class ClockStepKind(StrEnum):
    """Which clock moved.

    MACHINE: the machine's is apart from the server's. MACHINE_ALONE: it moved and no server's time is known. SERVER:
    the server's moved. PAUSE: the machine stood still, and both are right.
    """

    MACHINE = "machine"
    MACHINE_ALONE = "machine alone"
    SERVER = "server"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class ClockStep:
    """A clock that is, or was, more than 30 s away from the time that was known; ``seconds``: positive is ahead.

    ``began`` and ``ended`` are aware UTC, by the reference; ``ended`` is None while it lasts.
    """

    kind: ClockStepKind
    seconds: float
    began: datetime
    ended: datetime | None = None


@dataclass(slots=True)
class _Bounds:
    """Bounds of a clock less the machine's monotonic clock, in seconds, taken between ``first`` and ``last``."""

    low: float
    high: float
    first: float
    last: float
    asked: float
    answers: int = 1

    def at(self, monotonic: float) -> tuple[float, float]:
        """Return the bounds as they are then."""
        drift = _DRIFT * max(0.0, monotonic - self.last)
        return self.low - drift, self.high + drift

    def distance(self, other: "_Bounds") -> float:
        """Return how far away the other bounds are, in seconds; positive where they are later, 0 where they meet."""
        low, high = self.at(other.last)
        return max(0.0, other.low - high) - max(0.0, low - other.high)

    def fits(self, other: "_Bounds") -> bool:
        """Return whether both may be of the same clock."""
        return abs(self.distance(other)) <= _SLACK

    def add(self, other: "_Bounds") -> None:
        """Narrow these bounds by others that fit."""
        low, high = self.at(other.last)
        if self.distance(other) == 0:
            low, high = max(low, other.low), min(high, other.high)
        self.low, self.high, self.last, self.asked = low, high, other.last, other.asked
        self.answers += 1

    @property
    def middle(self) -> float:
        """The offset in the middle."""
        return (self.low + self.high) / 2

    @property
    def stayed(self) -> float:
        """Seconds from the first answer to the last request: by so much the clock has gone on."""
        return self.asked - self.first

    def near(self, offset: float, seconds: float) -> bool:
        """Return whether a clock of that offset is at most so far outside."""
        return self.low - seconds <= offset <= self.high + seconds


class _Follower:
    """Follows one clock by readings of it; a jump is followed when it stays or is confirmed."""

    def __init__(self) -> None:
        self.known: _Bounds | None = None
        self.candidate: _Bounds | None = None

    def read(self, reading: _Bounds, expected: Iterable[float] = ()) -> float | None:
        """Take a reading; return the seconds of a jump that is followed now, 0.0 where it agrees, else None.

        ``expected``: the offsets by which other clocks confirm it.
        """
        known, candidate = self.known, self.candidate
        fits_candidate = candidate is not None and candidate.fits(reading)
        if known is not None and known.fits(reading):
            if not fits_candidate:  # a slow answer may fit both, and shows nothing
                known.add(reading)
                self.candidate = None
            return 0.0
        if candidate is not None and fits_candidate:
            candidate.add(reading)
        else:
            candidate = self.candidate = reading
        if not self._convinces(candidate, reading, expected):
            return None
        jump = known.distance(candidate) if known is not None else 0.0
        self.known, self.candidate = candidate, None
        return jump

    def _convinces(self, candidate: _Bounds, reading: _Bounds, expected: Iterable[float]) -> bool:
        if self.known is None:
            confirmed = any(reading.near(offset, _NOTEWORTHY) for offset in expected)
            return confirmed or candidate.stayed >= _FIRST_STAYS
        if abs(self.known.distance(reading)) > _NOTEWORTHY and any(reading.near(one, _CONFIRMED) for one in expected):
            return True
        return candidate.answers >= _STAYING_ANSWERS and candidate.stayed >= _STAYS


class ReferenceClock:
    """A ``Clock`` that gives the server's time; ``machine`` is the machine's, which measures and waits."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._server = _Follower()
        self._alone = _Follower()  # the machine's own clock, where no server's is known
        self._agreed: tuple[float, float] | None = None  # the machine's offset and the reference's when both were read
        self._asked_at = self._wall_asked = 0.0
        self._unsettled_until = 0.0  # by the monotonic clock: until then no event is ended by the server's clock alone
        self._usual = 0.0  # seconds by which the machine's clock is ahead since the server's jumped
        self._disputed = False  # the machine's clock goes on with the time from before the server's jump
        self._pending_since: float | None = None
        self._contradicted_at = 0.0
        self._open: dict[ClockStepKind, ClockStep] = {}
        self._over: deque[tuple[float, ClockStep]] = deque(maxlen=_MOST_STEPS)
        self._mark_asked()

    @classmethod
    def of(cls, clock: Clock) -> "ReferenceClock":
        """Return the clock itself where it is one, else one around it."""
        return clock if isinstance(clock, cls) else cls(clock)

    # What Clock promises.

    def now(self) -> datetime:
        """The instant, aware UTC, by the server; by the machine before the server has answered."""
        wall = self._machine.now()
        known = self._server.known or self._alone.known
        return wall if known is None else self._within(known, wall)

    def monotonic(self) -> float:
        """Seconds that never go back, of the machine."""
        return self._machine.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait that long; less than zero counts as zero."""
        await self._machine.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Cancel what runs inside after that long; it then raises TimeoutError."""
        return self._machine.timeout(seconds)

    # What is known of the clocks.

    @property
    def server_time(self) -> datetime | None:
        """The server's time by its last answers, a candidate or not; None before one gave a time."""
        latest = self._server.candidate or self._server.known
        return None if latest is None else self._within(latest, self._machine.now())

    @property
    def machine_time(self) -> datetime:
        """The machine's own time, aware UTC: TLS checks certificates by it."""
        return self._machine.now()

    @property
    def skew(self) -> timedelta | None:
        """The server's clock less the machine's, None while it is not known; zero where no answer shows more."""
        latest = self._server.known or self._server.candidate
        wall = self._machine.now()
        return None if latest is None else self._within(latest, wall) - wall

    @property
    def by_server(self) -> bool:
        """Whether ``now`` goes by a server's answers."""
        return self._server.known is not None

    @property
    def undecided(self) -> bool:
        """Whether the server gave a time that is not used yet, since the machine's clock does not confirm it."""
        return self._server.known is None and self._server.candidate is not None

    @property
    def jump_pending(self) -> bool:
        """Whether the server's last answers gave another time, which may yet be followed; for some minutes at most."""
        candidate, monotonic = self._server.candidate, self._machine.monotonic()
        if candidate is None or self._pending_since is None:
            return False
        return monotonic - self._pending_since < _PENDING_LASTS and monotonic - candidate.last < _PENDING_SILENT

    @property
    def earliest(self) -> datetime:
        """The instant that has come by the reference, and by the machine's clock too while that disputes a jump."""
        return min(self.now(), self._machine.now()) if self._disputed else self.now()

    def is_past(self, instant: datetime) -> bool:
        """Return whether an event that ends then is over.

        By the machine's clock too while a jump is pending or new, or a first time that the machine's does not confirm.
        """
        settled = not self.disputed and self._machine.monotonic() >= self._unsettled_until
        return self.now() >= instant and (settled or self._machine.now() >= instant)

    @property
    def disputed(self) -> bool:
        """Whether a jump of the server's clock is pending, or is disputed by the machine's clock."""
        return self.jump_pending or self._disputed

    @property
    def doubt(self) -> timedelta:
        """How far apart the times are that are disputed; zero where none is."""
        candidate, seconds = self._server.candidate, 0.0
        if self._disputed:
            seconds = abs((self.now() - self._machine.now()).total_seconds())
        if self.jump_pending and candidate is not None:
            seconds = max(seconds, abs(candidate.middle - self._offset()))
        return timedelta(seconds=seconds)

    @property
    def steps(self) -> list[ClockStep]:
        """The steps of more than 30 s, oldest first, as of the last ``check``."""
        return sorted([*(step for _, step in self._over), *self._open.values()], key=lambda step: step.began)

    @property
    def current_steps(self) -> list[ClockStep]:
        """The steps that last, or that were over a moment ago."""
        since = self._machine.monotonic() - _JUST_NOW
        return [*(step for over_at, step in self._over if over_at >= since), *self._open.values()]

    # What changes it.

    def read_server(self, date: datetime, sent: float, received: float) -> None:
        """Take the ``Date`` (aware) of an answer; ``sent`` and ``received`` are instants of ``monotonic``.

        A Date that no clock of a server can have is ignored.
        """
        if not _FIRST_YEAR <= date.year <= _LAST_YEAR:
            return
        stamped = date.timestamp()
        reading = _Bounds(stamped - received, stamped + _RESOLUTION - sent, received, received, sent)
        before, wall, is_first = self.now(), self._wall_offset(), self._server.known is None
        jump = self._server.read(reading, self._expected(wall))
        if jump is None:
            self._contradicted(before)
        else:
            self._pending_since = None
            if is_first and not reading.near(wall, _NOTEWORTHY):  # the server's clock may be the one that is wrong
                self._unsettled_until = self._machine.monotonic() + _STAYS
            if abs(jump) > _NOTEWORTHY:
                self._follow((self.now() - before).total_seconds(), before, wall)
            self._agreed = wall, self._offset()
        self._mark_asked()

    def wants_answer(self) -> bool:
        """Return whether the server should be asked the time now; True once for each reason."""
        silent = self._machine.monotonic() - self._asked_at
        moved = abs(self._wall_offset() - self._wall_asked) > _WALL_MOVED
        wanted = moved or silent >= (_ASK_PENDING if self.jump_pending or self.undecided else _ASK_EVERY)
        if wanted:
            self._mark_asked()
        return wanted

    def check(self) -> bool:
        """Compare the machine's clock with the reference; return whether a step began or ended."""
        before = self._open.copy(), len(self._over)
        wall, monotonic = self._wall_offset(), self._machine.monotonic()
        if self._server.known is None:
            self._read_machine(wall, monotonic)
        ahead = wall - self._offset()
        if ClockStepKind.SERVER in self._open and self._server_step_is_over(ahead, monotonic):
            self._usual, self._disputed = 0.0, False
            self._end(ClockStepKind.SERVER)
        apart = abs(ahead) > _NOTEWORTHY and abs(ahead - self._usual) > _NOTEWORTHY
        kind = ClockStepKind.MACHINE_ALONE if self._server.known is None else ClockStepKind.MACHINE
        for other in (ClockStepKind.MACHINE, ClockStepKind.MACHINE_ALONE):
            step = self._open.get(other)
            if step is not None and not (apart and other is kind and abs(ahead - step.seconds) <= _NOTEWORTHY):
                self._end(other)
        if apart and kind not in self._open:
            self._open[kind] = ClockStep(kind, ahead, self.now())
        return before != (self._open, len(self._over))

    def _read_machine(self, wall: float, monotonic: float) -> None:
        """Follow the machine's clock where no server's time is known: a jump of it has to stay, too."""
        jump = self._alone.read(_Bounds(wall - _SLACK, wall + _SLACK, monotonic, monotonic, monotonic))
        if jump:
            self._unsettled_until = monotonic + _SETTLES

    def _server_step_is_over(self, ahead: float, monotonic: float) -> bool:
        """Return whether the machine's clock agrees with the one that is followed, or no candidate has come back."""
        if self._usual:
            return abs(ahead) <= _NOTEWORTHY
        return not self.jump_pending and monotonic - self._contradicted_at >= _STAYS

    def _contradicted(self, now: datetime) -> None:
        """The server gave another time: a step of its clock begins with the second answer that agrees with that."""
        self._contradicted_at = self._machine.monotonic()
        if self._pending_since is None:
            self._pending_since = self._contradicted_at
        known, candidate = self._server.known, self._server.candidate
        if known is None or candidate is None or candidate.answers == 1 or ClockStepKind.SERVER in self._open:
            return
        seconds = candidate.middle - self._offset()
        if abs(known.distance(candidate)) > _NOTEWORTHY:
            self._open[ClockStepKind.SERVER] = ClockStep(ClockStepKind.SERVER, seconds, now)

    def _follow(self, seconds: float, before: datetime, wall: float) -> None:
        """A jump is followed: the machine stood still, or the server's clock moved, or it came back."""
        followed_at = self._machine.monotonic()
        self._unsettled_until = followed_at + _SETTLES
        ahead = wall - self._offset()
        moved = wall - self._agreed[0] if self._agreed is not None else 0.0
        if abs(moved - seconds) <= _NOTEWORTHY:
            kind = ClockStepKind.PAUSE if seconds > 0 else ClockStepKind.SERVER
            self._over.append((followed_at, ClockStep(kind, seconds, before, max(before, self.now()))))
            return
        returned = abs(ahead) <= _NOTEWORTHY
        self._disputed = not returned and abs(self._machine.now() - before) <= NOTEWORTHY
        if ClockStepKind.SERVER in self._open and (returned or self._usual):
            self._end(ClockStepKind.SERVER)
        self._usual = 0.0 if returned else ahead
        if not returned and ClockStepKind.SERVER not in self._open:
            self._open[ClockStepKind.SERVER] = ClockStep(ClockStepKind.SERVER, seconds, before)

    def _end(self, kind: ClockStepKind) -> None:
        step = self._open.pop(kind)
        self._over.append((self._machine.monotonic(), replace(step, ended=max(step.began, self.now()))))

    def _expected(self, wall: float) -> list[float]:
        """The offsets that the machine's clock lets expect: its own, and the one that was known, moved as it moved."""
        return [wall] if self._agreed is None else [wall, self._agreed[1] + wall - self._agreed[0]]

    def _mark_asked(self) -> None:
        self._asked_at, self._wall_asked = self._machine.monotonic(), self._wall_offset()

    def _wall_offset(self) -> float:
        return self._machine.now().timestamp() - self._machine.monotonic()

    def _offset(self) -> float:
        return self.now().timestamp() - self._machine.monotonic()

    def _within(self, bounds: _Bounds, wall: datetime) -> datetime:
        """Return the machine's time where it is within these bounds, else the time that was known, carried on."""
        monotonic = self._machine.monotonic()
        low, high = bounds.at(monotonic)
        if low <= wall.timestamp() - monotonic <= high:
            return wall
        known = (low + high) / 2 if self._agreed is None else self._agreed[1]
        return datetime.fromtimestamp(min(max(known, low), high) + monotonic, UTC)
