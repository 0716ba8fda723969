"""The domain types. Every instant is an aware UTC ``datetime``; every window is half open, ``[since, until)``.

A match or a concert is a ``ScheduledEvent``; what ACC returns is a ``CameraEvent``; a camera event that counts for a
zone is a ``Movement``; the aforo of a zone is an ``Occupancy``.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # where epoch milliseconds count from
MILLISECOND = timedelta(milliseconds=1)
MINUTE_MS = 60_000
DAY_MS = 86_400_000


def to_ms(instant: datetime) -> int:
    """An aware instant as epoch milliseconds, cut (not rounded) to the millisecond."""
    return (instant - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Epoch milliseconds as aware UTC."""
    return EPOCH + milliseconds * MILLISECOND


class Window(NamedTuple):
    """A half-open interval of time, ``[since, until)``, aware UTC."""

    since: datetime
    until: datetime


class Feed(NamedTuple):
    """One camera as one server of the site reports it: the unit that is read and checkpointed."""

    server_id: str
    camera_id: str


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """A match or a concert.

    ``day`` is its key in the schedule (Bogotá's date at ``hora_inicio``); ``window`` is aware UTC.
    """

    day: date
    name: str
    window: Window


class EventSource(NamedTuple):
    """Which camera reports what: all of a camera event but its instant and its id. Its meaning is keyed by this."""

    camera_id: str
    name: str
    area: str
    activity: str


class CameraEvent(NamedTuple):
    """One DEVICE_ANALYTICS_STOP event, checked and typed.

    ``server_id``, ``camera_id``, ``occurred_at`` and ``this_id`` identify it for ever. Where ACC gave no ``thisId``,
    ``this_id`` starts with ``~`` and is made of the content and of the ordinal among equals. ``occurred_at`` is ACC's
    ``timestamp``, aware UTC, cut to the millisecond. ``area`` and ``activity`` are "" where ACC gave none.
    """

    server_id: str
    this_id: str
    occurred_at: datetime
    camera_id: str
    name: str
    area: str
    activity: str

    @property
    def source(self) -> EventSource:
        """What its meaning is keyed by."""
        return EventSource(self.camera_id, self.name, self.area, self.activity)


def identity_number(event: CameraEvent) -> int:
    """Return a number that is the same whenever that camera event is read."""
    # A datetime's own hash would take most of the time.
    return hash((event[0], event[1], event[2] - EPOCH, event[3]))


class Malformed(NamedTuple):
    """An event that cannot be used: why (in Spanish), and of which camera, "" where that cannot be read.

    ``content`` is the same number for equal content; those without ``thisId`` are distinguished by their number among
    equals.
    """

    reason: str
    content: int
    camera_id: str = ""
    has_id: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of ACC: the good events, and why each bad one (``malformed``) could not be read.

    ``read_until``: with this page, all of the queried window before that instant (aware UTC) has been read; None where
    the page brings the reading no further.
    """

    events: Sequence[CameraEvent]
    malformed: Sequence[Malformed] = ()
    read_until: datetime | None = None


def comparable(name: str) -> str:
    """Return a name as rules and doors compare it: upper-cased, without what the eye does not tell apart.

    Accents are composed and compatibility forms replaced (NFKC), characters without width left out, blanks of any kind
    and number are one blank, and none at the ends.
    """
    if not name.isascii():
        composed = unicodedata.normalize("NFKC", name)
        name = "".join(one for one in composed if unicodedata.category(one) != "Cf")
        name = unicodedata.normalize("NFKC", name.upper())
    return " ".join(name.upper().split())


def comparable_source(source: EventSource) -> EventSource:
    """Return a source as rules compare it: its texts as ``comparable`` returns them, its camera's id as it is."""
    return EventSource(source.camera_id, *map(comparable, source[1:]))


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on a text as ``comparable`` returns it: ``contains:TEXT`` or ``equals:TEXT``."""

    whole: bool
    text: str

    @classmethod
    def parse(cls, rule: str, *, bare: bool = False, exact: bool = False) -> "Matcher":
        """Read ``contains:TEXT`` or ``equals:TEXT``; raises ValueError for anything else.

        ``bare``: a text without a colon means equals. ``exact``: the text is compared as it is, as ids are.
        """
        kind, separator, text = rule.partition(":")
        if bare and not separator:
            kind, text = "equals", rule
        text = text.strip() if exact else comparable(text)
        if kind.strip() not in {"contains", "equals"} or not text:
            raise ValueError(rule)
        return cls(whole=kind.strip() == "equals", text=text)

    def matches(self, name: str) -> bool:
        """Return whether a name matches that ``comparable`` returned."""
        return name == self.text if self.whole else self.text in name

    def __str__(self) -> str:
        return f"{'equals' if self.whole else 'contains'}:{self.text}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which camera events count: those for which every condition holds; None sets none.

    ``camera`` is compared with the id as it is, the other texts as ``comparable`` returns them. ``stored``: only what
    the history keeps.
    """

    name: Matcher | None = None
    activity: Matcher | None = None
    area: Matcher | None = None
    camera: Matcher | None = None
    stored: bool = False

    @classmethod
    def of(cls, written: str | Mapping[str, str | bool]) -> "Rule":
        """Return the rule of a text on the name, or of a table of conditions. Raises ValueError, TypeError."""
        if isinstance(written, str):
            return cls(Matcher.parse(written))
        conditions = {
            key: Matcher.parse(str(text), bare=True, exact=key == "camera")
            for key, text in written.items()
            if key != "stored"
        }
        return cls(**conditions, stored=bool(written.get("stored")))

    @property
    def by_name(self) -> bool:
        """Whether the name alone decides, or whether the history keeps it."""
        return self.activity is self.area is self.camera is None

    def matches(self, source: EventSource, *, stored: bool) -> bool:
        """Return whether a source matches that ``comparable_source`` returned; ``stored``: the history keeps it."""
        matchers = (self.camera, self.name, self.area, self.activity)
        return (stored or not self.stored) and all(
            matcher is None or matcher.matches(text) for matcher, text in zip(matchers, source, strict=True)
        )

    def __str__(self) -> str:
        """The rule as it may be written in aforo.toml, without the quotes of a text; equal rules have equal texts."""
        if self.name is not None and self == Rule(self.name):
            return str(self.name)
        conditions = {"name": self.name, "activity": self.activity, "area": self.area, "camera": self.camera}
        parts = [
            f"{key} = {json.dumps(str(matcher), ensure_ascii=False)}"
            for key, matcher in conditions.items()
            if matcher is not None
        ]
        parts += ["stored = true"] * self.stored
        return f"{{{', '.join(parts)}}}"


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone (zona) and its table, "" where it has none.

    ``capacity`` 0 means unknown; ``initial`` is the aforo at the event's start. ``within``: the zone in which it lies,
    "" for none; who is inside it is inside that one too.
    """

    name: str
    table: str
    entries: tuple[Rule, ...]
    exits: tuple[Rule, ...]
    capacity: int = 0
    initial: int = 0
    within: str = ""


@dataclass(frozen=True, slots=True)
class Total:
    """Zones that are added up. ``capacity`` 0 means unknown."""

    name: str
    zones: tuple[str, ...]
    capacity: int = 0


class Movement(NamedTuple):
    """A camera event counts for a zone: ``delta`` +1 for an entry, -1 for an exit."""

    zone: str
    delta: int


class ExclusionReason(StrEnum):
    """Why a well-formed camera event is not stored."""

    OUTSIDE = "fuera del horario"
    CAMERA = "cámara no permitida"
    NO_RULE = "sin regla"
    AMBIGUOUS = "entrada y salida a la vez"


class Exclusion(NamedTuple):
    """One camera event that is not stored: of which camera ("" where it is not known), and why.

    ``identity`` is the same number whenever that event is read again, from whatever server.
    """

    camera_id: str
    reason: str
    identity: int


@dataclass(frozen=True, slots=True)
class Classification:
    """What the camera events of a source mean: kept in the history, counted in zones, or excluded with a reason.

    ``ambiguous``: in some zone it would be an entry and an exit at once, and is neither.
    """

    history: bool
    movements: tuple[Movement, ...]
    exclusion: ExclusionReason | None = None
    ambiguous: bool = False


@dataclass(slots=True)
class Batch:
    """What one transaction stores: the accepted camera events, what they mean, and until when each feed is read.

    ``classifications`` maps an ``EventSource`` to its meaning. ``checkpoints`` maps a feed to the instant before which
    all of it has been read; ``live_until`` to the instant before which a live read found no more. That one is not
    stored. ``excluded``: the camera events left out.
    """

    events: list[CameraEvent] = field(default_factory=list)
    classifications: Mapping[tuple[str, str, str, str], Classification] = field(default_factory=dict)
    checkpoints: dict[Feed, datetime] = field(default_factory=dict)
    live_until: dict[Feed, datetime] = field(default_factory=dict)
    excluded: list[Exclusion] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The aforo of a zone: ``count`` never below 0; ``unmatched_exits`` counts the exits at zero."""

    zone: str
    entries: int
    exits: int
    count: int
    unmatched_exits: int


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What one transaction changed: the new events in time order, how many were there already, the zones' aforo.

    ``minutes`` holds each minute that it changed, by zone and by the epoch millisecond of its start, as a
    ``counting.occupancy.OccupancyDelta``.
    """

    new: Sequence[CameraEvent]
    already: int
    occupancies: Mapping[str, Occupancy]
    minutes: Mapping[str, Mapping[int, tuple[int, int, int, int, int, int]]] = field(default_factory=dict)


class EventPhase(StrEnum):
    """Where the event under way stands."""

    WAITING = "en espera"
    WATCHING = "en curso"
    CLOSING = "en cierre"
    OVER = "terminado"


class Outcome(StrEnum):
    """What the comparison at the close came to."""

    RECONCILED = "conciliado"
    RESERVED = "conciliado con reservas"
    NOT_COMPARED = "sin conciliar"


class ReservationKind(StrEnum):
    """What a reservation is about."""

    DIFFERENCE = "difference"
    NO_EVENTS = "no_events"
    UNREADABLE = "unreadable"
    INCOMPLETE_CAMERA = "incomplete_camera"
    UNKNOWN_CAMERA = "unknown_camera"
    SILENT_CAMERA = "silent_camera"
    DISCONNECTED_CAMERA = "disconnected_camera"
    BLIND_CAMERA = "blind_camera"
    ZONE_TABLE = "zone_table"


@dataclass(frozen=True, slots=True)
class Reservation:
    """Why an event that was compared may yet lack something: a Spanish sentence that says what to do.

    ``subject`` is the camera's id or the zone, "" where it is about no single one; ``number``: how many events it is
    about, where it is about events.
    """

    kind: ReservationKind
    text: str
    subject: str = ""
    number: int = 1


@dataclass(frozen=True, slots=True)
class ReconciliationResult:
    """What the comparison at the close came to. ``rejected``: ACC's excluded camera events, each once, by reason."""

    outcome: Outcome
    reservations: Sequence[Reservation] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)


class PushState(StrEnum):
    """Whether the cameras' server pushes."""

    STARTING = "starting"
    LIVE = "live"
    FAILING = "failing"


class PushStatus(NamedTuple):
    """How the pushes of the cameras' server stand, since when (aware UTC), and in Spanish why they fail ("": not).

    ``taken`` and ``refused``: how many were, of those that arrived.
    """

    state: PushState
    since: datetime
    reason: str = ""
    taken: int = 0
    refused: int = 0


class AlertKind(StrEnum):
    """What an alert is about."""

    ZONE_WARNING = "zone_warning"
    ZONE_FULL = "zone_full"
    SILENT_DOOR = "silent_door"
    DOOR_EXCESS = "door_excess"
    CAMERA_GONE = "camera_gone"
    STALE = "stale"
    DATABASE_DOWN = "database_down"
    BROKEN_FILE = "broken_file"
    EVENT_FLOOD = "event_flood"
    CLOCK = "clock"
    LATE_EVENTS = "late_events"
    CAMERA_CLOCK = "camera_clock"
    CAMERA_DISCONNECTED = "camera_disconnected"
    CAMERA_NO_VIDEO = "camera_no_video"
    CAMERA_TAMPERED = "camera_tampered"
    CAMERA_NOT_RECORDING = "camera_not_recording"
    CAMERA_RECONFIGURED = "camera_reconfigured"


class CameraFault(StrEnum):
    """What ACC reports of a camera that is not well. While one lasts the camera is blind, but for RECONFIGURED."""

    DISCONNECTED = "disconnected"
    NO_VIDEO = "no_video"
    TAMPERED = "tampered"
    NOT_RECORDING = "not_recording"
    RECONFIGURED = "reconfigured"  # an instant: somebody changed its settings

    @property
    def blinds(self) -> bool:
        """Whether what passes the camera meanwhile is not counted."""
        return self is not CameraFault.RECONFIGURED


class FaultSpan(NamedTuple):
    """From when to when (aware UTC) ACC reported a fault of a camera; ``ended`` is None while it lasts.

    RECONFIGURED ends when it begins.
    """

    camera_id: str
    fault: CameraFault
    began: datetime
    ended: datetime | None = None

    def touches(self, window: Window) -> bool:
        """Return whether some of it lies in the window."""
        return self.began < window.until and (self.ended is None or self.ended >= window.since)

    def inside(self, window: Window, now: datetime) -> Window:
        """Return the part of it in the window; one that lasts goes on until ``now``."""
        return Window(max(self.began, window.since), min(self.ended or now, window.until))


class HealthEvent(NamedTuple):
    """What an event of ACC says of a camera: a fault began (``on``), or is over."""

    camera_id: str
    fault: CameraFault
    occurred_at: datetime
    on: bool


class ZoneLevel(StrEnum):
    """How full a zone is."""

    UNKNOWN = "unknown"
    NORMAL = "normal"
    WARNING = "warning"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that held. ``ended`` is None while it does; instants are aware UTC."""

    id: str
    kind: AlertKind
    subject: str
    text: str
    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How one feed stands. Instants are aware UTC.

    All before ``read_until`` has been read. ``failing_since`` is None while the feed is well; ``failing_alone_since``:
    since when it fails while its server answers for the other cameras. ``server_failing``: its server does not answer,
    or not for most of its cameras; ``server_recovered_at``: when that was last over. ``unknown``: the server has no
    such camera. ``answered``: it has answered since the event was opened. ``error``: why it failed last, in Spanish.
    """

    feed: Feed
    read_until: datetime
    failing_since: datetime | None = None
    failing_alone_since: datetime | None = None
    server_failing: bool = False
    server_recovered_at: datetime | None = None
    unknown: bool = False
    answered: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class FeedLateness:
    """How late the camera events of one feed became visible at its server, in seconds.

    ``events``: new camera events that were measured; ``late``: of these, how many were late by how much, in steps of
    five seconds. ``worst``: the latest one, by more than the first and at most the second. ``clock_offset``: how much
    the camera's clock is ahead (behind: less than zero); None where it is not known to be off.
    """

    feed: Feed
    events: int = 0
    late: Mapping[int, int] = field(default_factory=dict)
    worst: tuple[float, float] = (0.0, 0.0)
    clock_offset: float | None = None
