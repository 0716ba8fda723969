"""The figures of an event report, without anything about their layout. Instants are aware UTC."""

from dataclasses import dataclass, field
from datetime import date, datetime

from aforo.models import Outcome, Reservation


@dataclass(frozen=True, slots=True)
class Flow:
    """Entries, exits and crossings without a direction, in a minute or five minutes that begin at ``at``."""

    at: datetime
    entries: int = 0
    exits: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True)
class IntervalFigures:
    """Between what and what a zone's people were at an instant, 19 times in 20, and the most likely number."""

    at: datetime
    low: int
    mode: int
    high: int


@dataclass(frozen=True, slots=True)
class EstimateFigures:
    """What is known of a zone's people at the end and at most; ``because``: why the interval is not narrower."""

    end: IntervalFigures
    peak: IntervalFigures
    because: str
    unreliable: bool
    band: list[IntervalFigures] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CountFigures:
    """A manual count of a zone, or (``entries``) a ticket count until then; ``error``: no further is the truth."""

    at: datetime
    zone: str
    value: int
    error: int
    entries: bool
    author: str


@dataclass(frozen=True, slots=True)
class ZoneFigures:
    """A zone over the event. ``peak`` was reached in the minute ``peak_at``; None: nothing moved.

    ``curve``: the count at the end of each minute in which something moved; ``minutes``: what moved in each.
    ``swallowed``: the unmatched exits. ``table``: "" where it has none. ``zones``: what a total adds up, empty for a
    zone; the peak of a total is the highest sum at the end of a minute.
    """

    name: str
    table: str
    capacity: int
    initial: int
    entries: int
    exits: int
    swallowed: int
    corrected: int
    count: int
    peak: int
    peak_at: datetime | None
    curve: list[tuple[datetime, int]] = field(default_factory=list)
    minutes: list[Flow] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    estimate: EstimateFigures | None = None


@dataclass(frozen=True, slots=True)
class DoorFigures:
    """The crossings of one name of the history, in all and by five minutes."""

    name: str
    entries: int
    exits: int
    others: int
    busiest_at: datetime | None
    flows: list[Flow] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All crossings."""
        return self.entries + self.exits + self.others


@dataclass(frozen=True, slots=True)
class OneWayFigures:
    """A door of which a zone got ``entries`` only (or exits only): ``number`` of them."""

    name: str
    zone: str
    entries: bool
    number: int


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """Events of a camera at ACC, at the close, and in the database; ``acc`` is None where they were not compared."""

    id: str
    name: str
    acc: int | None
    stored: int
    unanswered: str = ""

    @property
    def difference(self) -> int | None:
        """ACC's events less the stored ones: 0 when nothing is missing; None where they were not compared."""
        return None if self.acc is None else self.acc - self.stored


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds from a camera event to its storing, events that were read after an outage or a late start included."""

    median: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    longest: float = 0.0
    over_minute: int = 0


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds within which half and 95 of 100 of the ``events`` that were followed live got there; None: 15 min."""

    events: int
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class LateCamera:
    """A camera whose events ACC gave late: how many, and by how many seconds at most."""

    id: str
    name: str
    late: int
    worst: float


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """A camera whose clock was off: ``offset`` seconds ahead (behind: less than zero)."""

    id: str
    name: str
    offset: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """Seconds from a camera event to its being readable at ACC, as measured; a punctual event counts as zero.

    ``events``: all that were measured, without those of cameras whose ``clocks`` were off; ``late``: of these.
    """

    events: int = 0
    late: int = 0
    median: float = 0.0
    p95: float = 0.0
    worst: float = 0.0
    cameras: list[LateCamera] = field(default_factory=list)
    clocks: list[ClockFigures] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Incident:
    """An outage, a gap of the program or an alert. ``recovered``: its camera events that were stored after its end."""

    kind: str
    what: str
    began: datetime
    ended: datetime | None
    why: str = ""
    recovered: int | None = None


@dataclass(frozen=True, slots=True)
class CorrectionFigures:
    """An operator's correction; ``undone`` by a later one."""

    at: datetime
    zone: str
    delta: int
    reason: str
    author: str
    undone: bool


@dataclass(frozen=True, slots=True)
class EventReport:
    """All figures of an event.

    ``compared_at`` is None where the event was never closed, ``delivery`` where nothing was measured. ``refused``:
    ACC's excluded events, each once, by reason. ``latency``: of the passages that were followed live until a search had
    them ("visible"), until they were stored, and until a page that was open was sent them ("shown"). ``reservations``:
    why something may be missing though everything was compared. The fields have the names that the report's JSON has.
    """

    name: str
    day: date
    since: datetime
    until: datetime
    timezone: str
    made_at: datetime
    version: str
    database: str
    compared_at: datetime | None
    complete: bool
    rules_changed: bool
    zones: list[ZoneFigures]
    doors: list[DoorFigures]
    cameras: list[CameraFigures]
    history_acc: int | None
    history_stored: int
    refused: dict[str, int]
    reservations: list[Reservation]
    lateness: Lateness
    corrections: list[CorrectionFigures]
    incidents: list[Incident]
    alerts: list[Incident]
    delivery: Delivery | None = None
    totals: list[ZoneFigures] = field(default_factory=list)
    counts: list[CountFigures] = field(default_factory=list)
    one_way: list[OneWayFigures] = field(default_factory=list)
    latency: dict[str, Latency] = field(default_factory=dict)

    @property
    def stored(self) -> int:
        """Camera events in the database."""
        return sum(camera.stored for camera in self.cameras)

    @property
    def acc(self) -> int | None:
        """Camera events at ACC, at the close; None where they were not compared."""
        known = [camera.acc for camera in self.cameras if camera.acc is not None]
        return sum(known) if self.compared_at is not None else None

    @property
    def outcome(self) -> Outcome:
        """What the comparison came to. What was stored since, or changed by hand, counts as a difference."""
        if not self.complete:
            return Outcome.NOT_COMPARED
        return Outcome.RESERVED if self.reservations or self.differs else Outcome.RECONCILED

    @property
    def differs(self) -> bool:
        """Whether ACC had at the close what the database has not now, or the reverse."""
        differences = [camera.difference for camera in self.cameras]
        return any(one != 0 for one in differences) or self.history_difference != 0

    @property
    def reconciled(self) -> bool:
        """Whether everything was compared, every difference is 0, and there is no reservation."""
        return self.outcome is Outcome.RECONCILED

    @property
    def history_difference(self) -> int | None:
        """ACC's events for the history less the rows of eventos_Analisis."""
        return None if self.history_acc is None else self.history_acc - self.history_stored
