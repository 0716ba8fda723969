"""What is known of the people in each zone, and between what and what they lie: from counts by door and the journal.

Pure. The live state and the event report make their estimates here; what an event says to later ones is made here too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from aforo.counting.doors import Crossings
from aforo.counting.estimate import (
    Anchor,
    Cause,
    Door,
    DoorMinutes,
    EntriesAnchor,
    Estimate,
    Evidence,
    History,
    Moved,
    estimate,
    learn,
    together,
)
from aforo.counting.occupancy import OccupancyDelta
from aforo.counting.one_way import one_way_of
from aforo.live.state import UNDO, LiveEstimate, undone_by
from aforo.models import ScheduledEvent, Window, to_ms
from aforo.settings import TotalSettings, ZoneSettings
from aforo.storage import Correction, JournalEntry, JournalKind, ManualCount

BAND_STEP = timedelta(minutes=15)
_LONG, _SHORT_STEP = timedelta(hours=3), timedelta(minutes=3)  # in a shorter event a quarter of an hour is much

_BLIND = frozenset({JournalKind.DISCONNECTED, JournalKind.NO_VIDEO, JournalKind.TAMPERED})
_LEAST_PEOPLE = 100  # what an interval's width is compared with at least
_RELATIVE = re.compile(r"(inicio|fin)(?:\s*([+-])\s*(\d{1,4}))?")

_FROM = {
    Cause.COMMON: "de lo que todas las cámaras pueden dejar de contar a la vez",
    Cause.BALANCE: "de que entradas y salidas no se cuentan igual de bien",
    Cause.DOORS: "de lo que falla cada puerta",
    Cause.DRIFT: "de que las cámaras no cuentan igual durante todo el evento",
    Cause.CHANCE: "del azar de cada paso",
    Cause.BLIND: "del tiempo en que una cámara no veía",
    Cause.ONE_WAY: "de las puertas que cuentan en un solo sentido",
    Cause.CORRECTIONS: "de las correcciones y los conteos que no cuadran con las cámaras",
    Cause.COUNTS: "del error de los conteos hechos a mano o por boletas",
}
_COUNT = "Lo estrecha un conteo a mano o el de las boletas («aforo count»)."
_EMPTY = "Lo estrecha otro conteo a mano, o decir cuándo está vacía la zona («vacía ahora», empty_at)."
_NARROWER = {
    Cause.COMMON: _COUNT,
    Cause.CORRECTIONS: _COUNT,
    Cause.BLIND: "Lo estrecha un conteo a mano, o que la cámara vuelva a ver.",
    Cause.ONE_WAY: "Lo estrecha que esas puertas cuenten los dos sentidos, o un conteo a mano.",
    Cause.COUNTS: "Lo estrecha un conteo más exacto.",
}
_ALSO = 0.2  # of the variance: a second cause as large is named too


@dataclass(frozen=True, slots=True)
class DoorCounts:
    """A name that is counted: the zone that it moves, its camera, its crossings by minute (epoch ms)."""

    name: str
    zone: str
    camera_id: str
    minutes: Mapping[int, Crossings]


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """All that is known of an event: what the estimates are made of.

    ``deltas``: each zone by minute, as stored. ``entries``: the event's journal; ``learned``: what was learned of all
    events, this one included. ``unread``: what was not read yet of cameras that are behind the others, by their ids.
    """

    id: int
    event: ScheduledEvent
    zones: Sequence[ZoneSettings]
    totals: Sequence[TotalSettings]
    timezone: ZoneInfo
    doors: Sequence[DoorCounts]
    deltas: Mapping[str, Mapping[int, OccupancyDelta]]
    corrections: Sequence[Correction] = ()
    entries: Sequence[JournalEntry] = ()
    learned: Sequence[JournalEntry] = field(default_factory=list)
    unread: Mapping[str, Window] = field(default_factory=dict)


def estimates(known: KnownEvent, at: datetime) -> dict[str, Estimate]:
    """Return the estimate of each zone and total at an instant, with a band for each quarter of an hour until then."""
    since, until = known.event.window
    at = min(at, until)
    step = BAND_STEP if until - since >= _LONG else _SHORT_STEP
    instants = [since + number * step for number in range(max(0, (at - since) // step) + 1)]
    made = {
        zone.name: estimate(
            zone.name,
            minutes,
            at=at,
            anchors=anchors(known, zone),
            blind=_blind(known, minutes, at),
            one_way=one_way(minutes),
            moved=_moved(known, zone.name),
            history=_history(known, zone.name),
            initial=zone.initial,
            instants=sorted({*instants, at}),
        )
        for zone in known.zones
        if (minutes := door_minutes(known, zone.name)) is not None
    }
    for total in known.totals:
        if made.keys() >= set(total.zones):
            made[total.name] = together([made[name] for name in total.zones])
    return made


def learn_from(known: KnownEvent) -> dict[str, str]:
    """Return what an event that is over says to later ones, as JSON by zone; "" for a zone of which it says nothing."""
    found = {}
    for zone in known.zones:
        minutes = door_minutes(known, zone.name)
        if minutes is None:
            continue
        until = known.event.window.until
        history = learn(
            _event_id(known.event.window.since, known.id),
            zone.name,
            minutes,
            until=until,
            anchors=anchors(known, zone),
            history=_history(known, zone.name),
            blind=_blind(known, minutes, until),
            one_way=one_way(minutes),
            moved=_moved(known, zone.name),
            initial=zone.initial,
        )
        evidence = history.events.get(_event_id(known.event.window.since, known.id))
        found[zone.name] = msgspec.json.encode(evidence).decode() if evidence is not None else ""
    return found


def news(known: KnownEvent) -> dict[str, str]:
    """Return of what ``learn_from`` returns what is not in the journal yet."""
    stored = {entry.subject: entry.detail for entry in known.learned if entry.record_id == known.id}
    return {zone: text for zone, text in learn_from(known).items() if stored.get(zone, "") != text}


def door_minutes(known: KnownEvent, zone: str) -> DoorMinutes | None:
    """Return the crossings of a zone's doors by minute; None for a zone that is not counted.

    Doors whose crossings are not known one by one are one door without a name.
    """
    if zone not in known.deltas:
        return None
    found: dict[Door, dict[int, int]] = {}
    rest = {
        direction: {minute: (delta.entries, delta.exits)[direction < 0] for minute, delta in known.deltas[zone].items()}
        for direction in (1, -1)
    }
    for one in known.doors:
        if one.zone != zone:
            continue
        for minute, crossings in one.minutes.items():
            for direction, count in ((1, crossings.entries), (-1, crossings.exits)):
                if count:
                    found.setdefault(Door(zone, one.name, one.camera_id, direction), {})[minute] = count
                    rest[direction][minute] = rest[direction].get(minute, 0) - count
    for direction, minutes in rest.items():
        if left := {minute: count for minute, count in minutes.items() if count > 0}:
            found[Door(zone, "", "", direction)] = left
    return found


def one_way(minutes: DoorMinutes) -> set[Door]:
    """Return the doors of a zone that surely lack a direction, each by the direction that it counts."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for door, counted in minutes.items():
        if door.name:
            entries, exits = counts.get((door.name, door.camera), (0, 0))
            number = sum(counted.values())
            both = (entries + number, exits) if door.direction > 0 else (entries, exits + number)
            counts[door.name, door.camera] = both
    lacking = set(one_way_of(counts, complete=False, surely=True))
    return {door for door, counted in minutes.items() if (door.name, door.camera) in lacking and any(counted.values())}


def anchors(known: KnownEvent, zone: ZoneSettings) -> list[Anchor | EntriesAnchor]:
    """Return what is known of a zone otherwise: manual and ticket counts of the journal, and when it is empty.

    Of counts at one instant the last that was entered is taken; one whose correction was undone is left out.
    """
    undone = set(map(undone_by, known.corrections))
    found: dict[tuple[bool, datetime], Anchor | EntriesAnchor] = {
        (False, at): Anchor(zone.name, at, 0.0) for at in empty_instants(zone.empty_at, known.event, known.timezone)
    }
    for entry in sorted(known.entries, key=lambda one: one.id):
        count = ManualCount.of(entry)
        if count is None or entry.subject != zone.name or (count.correction and count.correction in undone):
            continue
        kind = EntriesAnchor if count.entries else Anchor
        found[count.entries, entry.began] = kind(zone.name, entry.began, count.value, count.error / 2)
    return list(found.values())


def empty_instants(written: Iterable[str], event: ScheduledEvent, timezone: ZoneInfo) -> Iterator[datetime]:
    """Give the instants of an event that ``zones.empty_at`` names: a time of the day, or the event's begin or end."""
    since, until = event.window
    for text in written:
        relative = _RELATIVE.fullmatch(text)
        if relative is not None:
            minutes = int(relative[3] or 0) * (-1 if relative[2] == "-" else 1)
            instants = [(since if relative[1] == "inicio" else until) + timedelta(minutes=minutes)]
        else:
            first = since.astimezone(timezone).date()
            days = range((until.astimezone(timezone).date() - first).days + 1)
            local = time.fromisoformat(text)
            instants = [datetime.combine(first + timedelta(days=day), local, timezone) for day in days]
        yield from (instant for instant in instants if since <= instant <= until)


def shown(one: Estimate, count: int, limit: float, timezone: ZoneInfo) -> LiveEstimate:
    """Return an estimate as it is shown beside a count; ``limit``: ``estimate.unreliable``."""
    return LiveEstimate(
        low=one.low,
        mode=one.mode,
        high=one.high,
        because=because(one, timezone),
        unreliable=wider(one.width, max(count, one.mode), limit),
        bands=one.bands,
    )


def wider(width: int, people: int, limit: float) -> bool:
    """Return whether an interval is wider than that share of the people: the zone's figures are not reliable."""
    return width > limit * max(people, _LEAST_PEOPLE)


def because(one: Estimate, timezone: ZoneInfo) -> str:
    """Return in Spanish what the width of an interval comes from, and what would make it narrower; "" for none."""
    doubtful = "".join(
        f" El conteo de las {at.astimezone(timezone):%H:%M} dista de las cámaras más de lo que pueden fallar: revíselo."
        for at in one.doubtful
    )
    if not one.why or not one.width:
        return doubtful.strip()
    named = [_FROM[cause] for cause, share in one.why[:2] if share >= _ALSO] or [_FROM[one.why[0].cause]]
    return f"Sale sobre todo {' y '.join(named)}. {_NARROWER.get(one.why[0].cause, _EMPTY)}{doubtful}"


def _blind(known: KnownEvent, minutes: DoorMinutes, at: datetime) -> dict[Door, list[Window]]:
    """Return when the camera of each door could not see, or was not read."""
    windows = {camera: [window] for camera, window in known.unread.items()}
    for entry in known.entries:
        if entry.kind in _BLIND and entry.began < (ended := min(entry.ended or at, at)):
            windows.setdefault(entry.subject, []).append(Window(entry.began, ended))
    return {door: windows[door.camera] for door in minutes if door.camera in windows}


def _moved(known: KnownEvent, zone: str) -> list[Moved]:
    """Return the plain corrections of a zone: not those that were undone, nor those that are manual counts."""
    undone = set(map(undone_by, known.corrections))
    counted = {count.correction for entry in known.entries if (count := ManualCount.of(entry)) is not None}
    return [
        Moved(one.at, one.delta)
        for one in known.corrections
        if one.zone == zone and one.id not in undone | counted and not one.id.startswith(UNDO)
    ]


def _history(known: KnownEvent, zone: str) -> History:
    """Return what earlier events said of a zone, of each its last word."""
    own = _event_id(known.event.window.since, known.id)
    events = {}
    for entry in sorted(known.learned, key=lambda one: one.id):
        if entry.subject == zone and entry.record_id is not None:
            events[_event_id(entry.began, entry.record_id)] = entry.detail
    read = {key: _evidence(text) for key, text in events.items() if text and key < own}
    return History({key: evidence for key, evidence in read.items() if evidence is not None})


def _evidence(text: str) -> Evidence | None:
    """Return what an event said; None where it cannot be read: then the event says nothing."""
    try:
        return msgspec.json.decode(text, type=Evidence)
    except (msgspec.MsgspecError, ValueError):
        return None


def _event_id(since: datetime, record_id: int) -> str:
    """Return an id that sorts as the events began."""
    return f"{to_ms(since):016d}-{record_id}"
