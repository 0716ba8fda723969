"""The act of an event: every figure in it, and nothing about how it looks. Instants are aware UTC."""

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """How many came in, went out, or passed without telling which way, in a stretch that begins at ``at``."""

    at: datetime
    entries: int = 0
    exits: int = 0
    others: int = 0


@dataclass(frozen=True, slots=True)
class ZoneFigures:
    """A zone's evening. ``peak`` was reached in the minute ``peak_at`` (None: it never moved).

    ``curve``: the count at the end of each minute in which something moved; ``flows``: by five minutes.
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


@dataclass(frozen=True, slots=True)
class DoorFigures:
    """A name of the history: how many passed, and when (by five minutes)."""

    name: str
    entries: int
    exits: int
    others: int
    busiest_at: datetime | None
    flows: list[Flow] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All of them."""
        return self.entries + self.exits + self.others


@dataclass(frozen=True, slots=True)
class CameraFigures:
    """What ACC had of a camera at the close against what the database has; ``acc`` None where it was not compared."""

    id: str
    name: str
    acc: int | None
    stored: int
    unanswered: str = ""

    @property
    def difference(self) -> int | None:
        """0 is what it should be."""
        return None if self.acc is None else self.acc - self.stored


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long after they happened the events were stored, in seconds. Those of a start after the fact included."""

    median: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    longest: float = 0.0
    over_minute: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that lasted: an outage, a gap of the program, an alert. ``recovered``: events stored after its end."""

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
    """The whole. ``compared_at`` None: the event was never closed. ``refused``: ACC's events left out, by reason."""

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
    lateness: Lateness
    corrections: list[CorrectionFigures]
    incidents: list[Incident]
    alerts: list[Incident]

    @property
    def stored(self) -> int:
        """Events in the database."""
        return sum(camera.stored for camera in self.cameras)

    @property
    def acc(self) -> int | None:
        """Events that ACC had at the close; None where it was not asked."""
        known = [camera.acc for camera in self.cameras if camera.acc is not None]
        return sum(known) if self.compared_at is not None else None

    @property
    def reconciled(self) -> bool:
        """Everything was compared, and every difference is 0."""
        differences = [camera.difference for camera in self.cameras]
        return self.complete and not any(differences) and None not in differences and self.history_difference == 0

    @property
    def history_difference(self) -> int | None:
        """ACC's events for the history less the rows of eventos_Analisis."""
        return None if self.history_acc is None else self.history_acc - self.history_stored
