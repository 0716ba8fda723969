"""When an alert begins and when it ends. Pure: conditions in, transitions out; ``now`` is an argument.

Conditions are checked again and again. One that holds begins an alert, one that does not ends it, and one that cannot
be known leaves it as it is. An alert ends at once; it begins anew only after the minimum time since its last change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from aforo.models import Alert, AlertKind, ZoneLevel

AlertKey = tuple[AlertKind, str]  # kind and subject


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is checked. ``holds`` is None where it cannot be known; ``text``: the alert's Spanish sentence."""

    kind: AlertKind
    subject: str
    holds: bool | None
    text: str

    @property
    def key(self) -> AlertKey:
        """What identifies the alert of this condition."""
        return self.kind, self.subject


class AlertTransition(NamedTuple):
    """The begin of an alert, or its end: then it has ``ended``."""

    alert: Alert

    @property
    def begins(self) -> bool:
        """Whether it is the begin."""
        return self.alert.ended is None


class AlertTracker:
    """The alerts that are on, and when each last began or ended."""

    def __init__(self, minimum: timedelta) -> None:
        self._minimum = minimum
        self._last: dict[AlertKey, datetime] = {}
        self._active: dict[AlertKey, Alert] = {}

    @property
    def active(self) -> Mapping[AlertKey, Alert]:
        """The alerts that are on."""
        return self._active

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take alerts that were on when the program was stopped: they do not begin again."""
        for alert in alerts:
            self._active[alert.kind, alert.subject] = alert
            self._last[alert.kind, alert.subject] = alert.began

    def step(self, conditions: Iterable[Condition], now: datetime) -> list[AlertTransition]:
        """Check all conditions and return what begins and ends; an alert without a condition ends.

        The sentence of an alert that goes on follows its condition's: its figures are the current ones.
        """
        found = {condition.key: condition for condition in conditions}
        transitions = [
            self._begin(condition, now)
            for key, condition in found.items()
            if condition.holds and key not in self._active and self._may_begin(key, now)
        ]
        for key, alert in list(self._active.items()):
            if key not in found or found[key].holds is False:
                transitions.append(self._end(key, now))
            elif alert.text != found[key].text:
                self._active[key] = replace(alert, text=found[key].text)
        return transitions

    def _may_begin(self, key: AlertKey, now: datetime) -> bool:
        last = self._last.get(key)
        # A step of a clock is short and does not flutter. A clock that was set back must not hold up the others.
        return last is None or key[0] is AlertKind.CLOCK or abs(now - last) >= self._minimum

    def _begin(self, condition: Condition, now: datetime) -> AlertTransition:
        alert = Alert(str(uuid4()), condition.kind, condition.subject, condition.text, now)
        self._last[condition.key] = now
        self._active[condition.key] = alert
        return AlertTransition(alert)

    def _end(self, key: AlertKey, now: datetime) -> AlertTransition:
        self._last[key] = now
        alert = self._active.pop(key)
        return AlertTransition(Alert(alert.id, alert.kind, alert.subject, alert.text, alert.began, now))


class ZoneLevels:
    """The level of each zone, with hysteresis: it rises at once and falls some points of a percentage below."""

    def __init__(self, hysteresis: float) -> None:
        self._hysteresis = hysteresis
        self._levels: dict[str, ZoneLevel] = {}

    @property
    def known(self) -> Mapping[str, ZoneLevel]:
        """The levels as they were last computed, by zone."""
        return self._levels

    def update(self, zone: str, percent: float | None, warning: float, full: float) -> ZoneLevel:
        """Compute the level at a percentage of the capacity and return it; UNKNOWN where the capacity is not known."""
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
        """Take an alert that was on when the program was stopped: its zone falls from that level."""
        if alert.kind is AlertKind.ZONE_FULL:
            self._levels[alert.subject] = ZoneLevel.FULL
        elif alert.kind is AlertKind.ZONE_WARNING:
            self._levels.setdefault(alert.subject, ZoneLevel.WARNING)

    def level(self, zone: str) -> ZoneLevel:
        """Return the level as it was last computed."""
        return self._levels.get(zone, ZoneLevel.UNKNOWN)
