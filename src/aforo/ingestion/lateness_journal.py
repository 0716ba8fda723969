"""Keeps what was measured of an event's lateness in its journal, so that a restart goes on with it."""

import json
import logging
from collections.abc import Iterable
from typing import Annotated

import msgspec

from aforo.background import SerialQueue
from aforo.ingestion.context import RunContext
from aforo.models import Feed, FeedLateness
from aforo.storage import EventRecord, JournalKind

_log = logging.getLogger(__name__)

_GROWS = 1.1  # a feed is journaled again when its events are late by so much more, or its clock is off by that


_LONGEST = 1e9  # seconds: what is more is damaged
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=_LONGEST)]


class _Row(msgspec.Struct):
    """What is journaled of a feed."""

    server: str
    camera: str
    events: int
    late: dict[int, int]
    worst: tuple[_Seconds, _Seconds]
    clock: Annotated[float, msgspec.Meta(ge=-_LONGEST, le=_LONGEST)] | None


class LatenessJournal:
    """Writes what is worse than before; its entries wait while the database is away, and hold up nothing."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._journaled: dict[Feed, FeedLateness] = {}
        self._entries = SerialQueue(
            "aforo-lateness-entry",
            _log,
            failure="El retraso medido no se pudo anotar; un arranque lo mediría de nuevo: %s",
        )

    async def read(self, record: EventRecord) -> list[FeedLateness]:
        """Return what earlier runs of the program measured of that event. Raises StoreError.

        An entry that cannot be read, as of a damaged file, is left out: it is measured anew.
        """
        for entry in await self._context.database.entries(record, JournalKind.LATENESS):
            try:
                rows = msgspec.json.decode(entry.detail, type=list[_Row])
            except (msgspec.MsgspecError, ValueError):
                _log.warning("Lo que se anotó del retraso de las cámaras no se puede leer: se mide de nuevo.")
                continue
            measured = map(_decoded, rows)
            self._journaled.update((one.feed, one) for one in measured)
        return list(self._journaled.values())

    def write(self, record: EventRecord, changed: Iterable[FeedLateness]) -> None:
        """Journal the feeds that are late, or off, by more than was journaled."""
        worse = [one for one in changed if self._is_worse(one)]
        if not worse:
            return
        self._journaled.update((one.feed, one) for one in worse)
        detail = json.dumps([_encoded(one) for one in worse], ensure_ascii=False, separators=(",", ":"))
        now = self._context.clock.now()
        call = self._context.database.begin_entry(
            JournalKind.LATENESS, "", now, detail=detail, record=record, ended=now
        )
        self._entries.add(call)

    def _is_worse(self, one: FeedLateness) -> bool:
        before = self._journaled.get(one.feed, FeedLateness(one.feed))
        off, off_before = abs(one.clock_offset or 0.0), abs(before.clock_offset or 0.0)
        return one.worst[1] > before.worst[1] * _GROWS or off > off_before * _GROWS or bool(off_before and not off)


def _encoded(one: FeedLateness) -> dict[str, object]:
    return {
        "server": one.feed.server_id,
        "camera": one.feed.camera_id,
        "events": one.events,
        "late": one.late,
        "worst": one.worst,
        "clock": one.clock_offset,
    }


def _decoded(row: _Row) -> FeedLateness:
    return FeedLateness(Feed(row.server, row.camera), row.events, row.late, row.worst, row.clock)
