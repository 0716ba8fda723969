"""When to warn, and when it is over. Pure: conditions in, beginnings and ends out; ``now`` is an argument.

A condition is looked at again and again. It begins an alert when it holds, ends it when it does not, and leaves it as
it is when nothing can be told. Two notices of the same thing are never closer than the minimum time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from aforo.counting.doors import Crossings, Door, Doors
from aforo.models import Alert, AlertKind, ZoneLevel

_SURELY_SOME = 8.0  # passages expected by the others' count, and none came: by chance once in three thousand times
_COUNTED_ALL_EVENING = 30  # passages after which a door is known to count


@dataclass(frozen=True, slots=True)
class Condition:
    """Something to look at. ``holds`` None: it cannot be told now. ``text`` is the Spanish sentence that begins it."""

    kind: AlertKind
    subject: str
    holds: bool | None
    text: str


class AlertTransition(NamedTuple):
    """An alert that begins, or ends (then it has ``ended``)."""

    alert: Alert

    @property
    def begins(self) -> bool:
        """It begins."""
        return self.alert.ended is None


class AlertTracker:
    """The alerts that are on, and when each was last told of."""

    def __init__(self, minimum: timedelta) -> None:
        self._minimum = minimum
        self._last: dict[tuple[AlertKind, str], datetime] = {}
        self.active: dict[tuple[AlertKind, str], Alert] = {}

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Alerts that were on when the program was last stopped: they are not begun again."""
        for alert in alerts:
            self.active[alert.kind, alert.subject] = alert
            self._last[alert.kind, alert.subject] = alert.began

    def step(self, conditions: Iterable[Condition], now: datetime) -> list[AlertTransition]:
        """Look at all conditions; what is not among them any more is over."""
        found = {(condition.kind, condition.subject): condition for condition in conditions}
        notices = [
            self._begin(key, condition, now)
            for key, condition in found.items()
            if condition.holds and key not in self.active and self._may_tell(key, now)
        ]
        for key in list(self.active):
            over = key not in found or found[key].holds is False
            if over and self._may_tell(key, now):
                notices.append(self._end(key, now))
        return notices

    def _may_tell(self, key: tuple[AlertKind, str], now: datetime) -> bool:
        last = self._last.get(key)
        return last is None or now - last >= self._minimum

    def _begin(self, key: tuple[AlertKind, str], condition: Condition, now: datetime) -> AlertTransition:
        self._last[key] = now
        self.active[key] = Alert(str(uuid4()), condition.kind, condition.subject, condition.text, now)
        return AlertTransition(self.active[key])

    def _end(self, key: tuple[AlertKind, str], now: datetime) -> AlertTransition:
        self._last[key] = now
        alert = self.active.pop(key)
        return AlertTransition(Alert(alert.id, alert.kind, alert.subject, alert.text, alert.began, now))


class ZoneLevels:
    """Each zone's level, with hysteresis: up at once, down only some points below."""

    def __init__(self, hysteresis: float) -> None:
        self._hysteresis = hysteresis
        self._levels: dict[str, ZoneLevel] = {}

    def level(self, zone: str, percent: float | None, warning: float, full: float) -> ZoneLevel:
        """The level at that percentage of the capacity; None where the capacity is not known."""
        if percent is None:
            return ZoneLevel.UNKNOWN
        before = self._levels.get(zone, ZoneLevel.NORMAL)
        slack = self._hysteresis
        if percent >= full or (before is ZoneLevel.FULL and percent > full - slack):
            level = ZoneLevel.FULL
        elif percent >= warning or (before in {ZoneLevel.WARNING, ZoneLevel.FULL} and percent > warning - slack):
            level = ZoneLevel.WARNING
        else:
            level = ZoneLevel.NORMAL
        self._levels[zone] = level
        return level

    def restore(self, alert: Alert) -> None:
        """An alert that was on when the program was last stopped: its zone comes down from there, not from nothing."""
        if alert.kind is AlertKind.ZONE_FULL:
            self._levels[alert.subject] = ZoneLevel.FULL
        elif alert.kind is AlertKind.ZONE_WARNING:
            self._levels.setdefault(alert.subject, ZoneLevel.WARNING)

    def known(self, zone: str) -> ZoneLevel:
        """The level as it was last seen."""
        return self._levels.get(zone, ZoneLevel.UNKNOWN)


def silent_doors(doors: Doors, since_ms: int, until_ms: int) -> dict[str, bool | None]:
    """Which doors that counted all evening are silent in [since, until), though those like them count.

    A door's share of what its like counted before tells how many it should have counted now. Like it are the doors of
    its zone, and where it is alone there all doors that move a zone; entries are compared with entries, exits with
    exits. True: silent; False: it counts; None: nothing can be told.
    """
    now = {door.name: door.between(since_ms, until_ms) for door in doors}
    before = {door.name: _less(door.total, now[door.name]) for door in doors}
    groups = _groups(doors)
    return {door.name: _silent(door, groups[door.name], before, now) for door in doors}


def _silent(door: Door, group: list[str], before: Mapping[str, Crossings], now: Mapping[str, Crossings]) -> bool | None:
    if now[door.name].total:
        return False
    if before[door.name].total < _COUNTED_ALL_EVENING:
        return None
    expected = 0.0
    for way in range(3):
        all_before = sum(before[name][way] for name in group)
        if all_before:
            expected += before[door.name][way] / all_before * sum(now[name][way] for name in group)
    return True if expected >= _SURELY_SOME else None


def _groups(doors: Doors) -> dict[str, list[str]]:
    zones: dict[str, list[str]] = {}
    for door in doors:
        zones.setdefault(door.zone, []).append(door.name)
    moving = [door.name for door in doors if door.zone]
    return {door.name: zones[door.zone] if not door.zone or _has_like(door, doors) else moving for door in doors}


def _has_like(door: Door, doors: Doors) -> bool:
    """Another door of its zone goes the same way."""
    return any(
        other is not door
        and other.zone == door.zone
        and any(mine and theirs for mine, theirs in zip(door.total, other.total, strict=True))
        for other in doors
    )


def _less(whole: Crossings, part: Crossings) -> Crossings:
    return Crossings(*(a - b for a, b in zip(whole, part, strict=True)))
