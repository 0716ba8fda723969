"""Journals the incidents of an event for its report: what did not answer, from when to when, and who worked on it.

It only reads the live state, and its entries wait while the database is away: nothing here holds up the counting.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator, Mapping, Set
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aforo.alerting.instance_beacon import InstanceBeacon
from aforo.alerting.rules import RUNNING
from aforo.background import SerialQueue, background_task, cancel_and_wait
from aforo.clock import Clock, wait_until_set
from aforo.live.freshness import silences
from aforo.live.state import LiveState
from aforo.models import FaultSpan
from aforo.storage import FAULT_KINDS, Database, EventRecord, JournalKind
from aforo.wording import clock_step

_log = logging.getLogger(__name__)

_LAST_ENTRIES = 3.0  # real seconds at the end in which entries may still be written
_SHORTEST_BEAT = timedelta(seconds=10)  # between two beats of the beacon

_RESUMED = frozenset({JournalKind.ACC_AWAY, JournalKind.CAMERA_AWAY, JournalKind.CLOCK})

Subject = tuple[JournalKind, str]  # the journal's kind, and the camera's id or ""


@dataclass(slots=True)
class _Outage:
    """An outage that goes on. ``entry`` gives the id of its journal entry, once that is written."""

    began: datetime
    entry: Awaitable[int]


@dataclass(slots=True)
class _Fault(_Outage):
    """A fault of a camera that is in the journal; ``ended`` is None until its end is, too."""

    ended: datetime | None


class IncidentRecorder:
    """Reads the live state and journals the incidents of the event that is open."""

    def __init__(self, live: LiveState, clock: Clock, database: Database, every: timedelta) -> None:
        self._live = live
        self._clock = clock
        self._database = database
        self._every = max(every, _SHORTEST_BEAT)
        self._beacon = InstanceBeacon(database, clock, self._every)
        self._changed = asyncio.Event()
        self._record: EventRecord | None = None
        self._beat_at: datetime | None = None
        self._beating: asyncio.Task[None] | None = None
        self._outages: dict[Subject, _Outage] = {}
        self._steps: dict[tuple[str, datetime], _Outage | None] = {}  # by kind and begin; None: its end is journaled
        self._faults: dict[Subject, list[_Fault]] = {}
        self._entries = SerialQueue(
            "aforo-incident-entry", _log, failure="Una anotación para el acta no se pudo guardar: %s"
        )

    async def run(self) -> None:
        """Keep the journal until cancelled."""
        with self._live.listening(self._changed.set):
            while True:
                await wait_until_set(self._changed, self._clock, self._every.total_seconds() / 2)
                self._changed.clear()
                await self.check()

    async def finish(self) -> None:
        """Check a last time and wait some seconds for the entries to be written."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_ENTRIES):
                await self.check(last=True)
                await self._entries.join()
        self._entries.cancel()

    async def check(self, *, last: bool = False) -> None:
        """Begin and end the outages that are due, and renew the beacon."""
        live, now = self._live, self._clock.now()
        record = live.record
        if record is None or (live.phase not in RUNNING and not last):
            return
        if self._record is None or self._record.id != record.id:
            await self._resume(record)
        self._record = record
        down = dict(self._down())
        for subject in down.keys() - self._outages.keys():
            self._begin(record, subject, *down[subject])
        for subject in self._outages.keys() - down.keys() - self._unknown(down):
            self._entries.add(self._end(self._outages.pop(subject), now))
        self._journal_clock_steps(record)
        self._journal_faults(record)
        due = last or self._beat_at is None or abs(now - self._beat_at) >= self._every
        if due and (self._beating is None or self._beating.done()):
            self._beat_at = now
            self._beating = self._entries.add(self._beacon.beat(record))

    def _unknown(self, down: Mapping[Subject, object]) -> Set[Subject]:
        """Return what cannot be known: cameras while their server is away, and until each was read after its return."""
        if (JournalKind.ACC_AWAY, "") in down:
            return self._outages.keys()
        return {(JournalKind.CAMERA_AWAY, camera) for camera in silences(self._live.feeds.values())}

    def _down(self) -> Iterator[tuple[Subject, tuple[datetime, str]]]:
        """Give what does not answer, since when and why; a camera only while the site's server answers."""
        away = self._live.probes.link_down_since()
        if away is not None:
            yield (JournalKind.ACC_AWAY, ""), (away, "")
            return
        for status in self._live.feeds.values():
            since = status.failing_alone_since or (status.failing_since if status.server_failing else None)
            if since is not None and not status.unknown:
                camera_id = status.feed.camera_id
                name = self._live.camera_names.get(camera_id, "")
                detail = json.dumps({"name": name, "why": status.error}, ensure_ascii=False)
                yield (JournalKind.CAMERA_AWAY, camera_id), (since, detail)

    def _journal_clock_steps(self, record: EventRecord) -> None:
        """Journal each step of a clock once, and its end; one that was over before the event is not the event's."""
        for step in self._live.probes.clock_steps():
            key = step.kind, step.began
            if key not in self._steps:
                self._steps[key] = None
                if step.ended is None or step.ended >= record.event.window.since:
                    call = self._database.begin_entry(
                        JournalKind.CLOCK,
                        step.kind,
                        step.began,
                        detail=clock_step(step),
                        record=record,
                        ended=step.ended,
                    )
                    entry = self._entries.add(call)
                    self._steps[key] = _Outage(step.began, entry) if step.ended is None else None
            elif step.ended is not None and (outage := self._steps[key]) is not None:
                self._steps[key] = None
                self._entries.add(self._end(outage, step.ended))

    def _journal_faults(self, record: EventRecord) -> None:
        """Journal each fault of a camera once, and its end.

        What overlaps a fault that is in the journal is that one: its begin may turn out to be earlier.
        """
        for span in self._live.fault_spans:
            if not span.touches(record.event.window):
                continue
            faults = self._faults.setdefault((FAULT_KINDS[span.fault], span.camera_id), [])
            known = next((one for one in faults if _overlap(one, span)), None)
            if known is None:
                faults.append(_Fault(span.began, self._entries.add(self._begin_fault(record, span)), span.ended))
            elif known.ended is None and span.ended is not None:
                known.ended = span.ended
                self._entries.add(self._end(known, span.ended))

    def _begin_fault(self, record: EventRecord, span: FaultSpan) -> Coroutine[Any, Any, int]:
        name = self._live.camera_names.get(span.camera_id, "")
        detail = json.dumps({"name": name, "why": ""}, ensure_ascii=False)
        kind = FAULT_KINDS[span.fault]
        return self._database.begin_entry(
            kind, span.camera_id, span.began, detail=detail, record=record, ended=span.ended
        )

    async def _resume(self, record: EventRecord) -> None:
        """Begin with an event: what was open in its journal before a restart goes on, or ends at the first check."""
        self._beat_at = None
        self._beacon.reset()
        self._outages.clear()
        self._steps.clear()
        self._faults.clear()
        for entry in await self._database.entries(record):
            written: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            written.set_result(entry.id)
            if entry.ended is None and entry.kind in _RESUMED:
                self._outages[JournalKind(entry.kind), entry.subject] = _Outage(entry.began, written)
            elif entry.kind in FAULT_KINDS.values():
                subject = JournalKind(entry.kind), entry.subject
                self._faults.setdefault(subject, []).append(_Fault(entry.began, written, entry.ended))

    def _begin(self, record: EventRecord, subject: Subject, began: datetime, detail: str) -> None:
        kind, about = subject
        call = self._database.begin_entry(kind, about, began, detail=detail, record=record)
        self._outages[subject] = _Outage(began, self._entries.add(call))

    async def _end(self, outage: _Outage, now: datetime) -> None:
        await self._database.end_entry(await outage.entry, max(outage.began, now))  # the clock may have been set right


def _overlap(known: _Fault, span: FaultSpan) -> bool:
    return (span.ended is None or known.began <= span.ended) and (known.ended is None or span.began <= known.ended)


@asynccontextmanager
async def recording_incidents(
    live: LiveState, clock: Clock, database: Database, every: timedelta
) -> AsyncIterator[None]:
    """Journal incidents inside the ``with``. A failure here is logged and touches nothing else."""
    recorder = IncidentRecorder(live, clock, database, every)
    async with background_task(
        recorder.run(), name="aforo-incidents", log=_log, failure="El diario para el acta falló; el conteo sigue."
    ) as task:
        try:
            yield
        finally:
            if not task.done():
                await cancel_and_wait(task)
                await recorder.finish()
