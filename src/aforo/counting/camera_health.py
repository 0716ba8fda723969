"""Which cameras ACC reports as not well, from when to when. Pure.

What ACC says is kept as observations: at an instant, a fault of a camera is there or is not. Spans follow from them in
time order, so that reading an event again, or in another order, changes nothing.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from aforo.models import CameraEvent, CameraFault, FaultSpan, HealthEvent, Window

_MOST = 400  # observations of one fault of one camera; the oldest are dropped
# An analytics event is sent once its object has left the picture: it may follow the fault by some seconds.
_IN_FLIGHT = timedelta(seconds=30)
# Their end may have no topic, or its event may be lost. Whether a camera is connected, the list of cameras tells.
_OVER_WHEN_IT_COUNTS = (CameraFault.NO_VIDEO, CameraFault.TAMPERED, CameraFault.NOT_RECORDING)


class CameraHealth:
    """The faults of all cameras, as ACC reported them so far. Methods return whether anything changed."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, CameraFault], list[tuple[datetime, bool]]] = {}
        self._open: dict[tuple[str, CameraFault], datetime] = {}

    def take_connected(self, connected: Mapping[str, bool | None], at: datetime) -> bool:
        """Take from a list of the cameras which are connected; None: not known."""
        changed = False
        for camera_id, said in connected.items():
            key = camera_id, CameraFault.DISCONNECTED
            if said is not None and self._holds(key, at) is said:  # a list is read each minute: keep what is new
                changed |= self._add(key, at, on=not said)
        return changed

    def take_events(self, events: Iterable[HealthEvent]) -> bool:
        """Take health events, in any order; one that is known changes nothing."""
        changed = False
        for camera_id, fault, at, on in events:
            changed |= self._add((camera_id, fault), at, on=on)
        return changed

    def take_counted(self, events: Sequence[CameraEvent]) -> bool:
        """End faults of cameras that count again; ``events`` in time order."""
        waiting = {key: began for key, began in self._open.items() if key[1] in _OVER_WHEN_IT_COUNTS}
        changed = False
        for (camera_id, fault), began in waiting.items():
            again = (one.occurred_at for one in events if one.camera_id == camera_id)
            first = next((at for at in again if at > began + _IN_FLIGHT), None)
            if first is not None:
                changed |= self._add((camera_id, fault), first, on=False)
        return changed

    def restore(self, spans: Iterable[FaultSpan]) -> bool:
        """Take what an earlier process journaled."""
        changed = False
        for camera_id, fault, began, ended in spans:
            changed |= self._add((camera_id, fault), began, on=True)
            if ended is not None and fault.blinds:
                changed |= self._add((camera_id, fault), ended, on=False)
        return changed

    def spans(self) -> list[FaultSpan]:
        """Return all faults, over or not, by their begin."""
        found = [span for key, said in self._said.items() for span in _spans(key, said)]
        return sorted(found, key=lambda span: (span.began, span.camera_id, span.fault))

    def _holds(self, key: tuple[str, CameraFault], at: datetime) -> bool:
        said = self._said.get(key, [])
        place = bisect_right(said, (at, True))
        return place > 0 and said[place - 1][1]

    def _add(self, key: tuple[str, CameraFault], at: datetime, *, on: bool) -> bool:
        said = self._said.get(key, [])
        place = bisect_left(said, (at, on))
        if said[place : place + 1] == [(at, on)]:
            return False
        insort(self._said.setdefault(key, said), (at, on))
        del said[:-_MOST]
        if said[-1][1] and key[1].blinds:
            place = len(said) - 1
            while place and said[place - 1][1]:
                place -= 1
            self._open[key] = said[place][0]
        else:
            self._open.pop(key, None)
        return True


def _spans(key: tuple[str, CameraFault], said: Sequence[tuple[datetime, bool]]) -> Iterable[FaultSpan]:
    camera_id, fault = key
    began: datetime | None = None
    for at, on in said:
        if not fault.blinds:
            yield FaultSpan(camera_id, fault, at, at)
        elif on and began is None:
            began = at
        elif not on and began is not None:
            yield FaultSpan(camera_id, fault, began, at)
            began = None
    if began is not None:
        yield FaultSpan(camera_id, fault, began)


def blind(spans: Iterable[FaultSpan], window: Window, now: datetime) -> dict[str, list[Window]]:
    """Return when each camera was blind in a window, without overlaps, in time order; a fault lasts until ``now``."""
    parts: defaultdict[str, list[Window]] = defaultdict(list)
    for span in spans:
        part = span.inside(window, now)
        if span.fault.blinds and part.since < part.until:
            parts[span.camera_id].append(part)
    joined: dict[str, list[Window]] = {}
    for camera_id, some in parts.items():
        found = joined[camera_id] = []
        for part in sorted(some):
            if found and part.since <= found[-1].until:
                found[-1] = Window(found[-1].since, max(found[-1].until, part.until))
            else:
                found.append(part)
    return joined
