"""After the close: what was compared goes into the journal, and the act is made. Nothing here can spoil the evening."""

import asyncio
import json
import logging
from dataclasses import dataclass

from aforo.errors import AforoError, StoreUnavailable
from aforo.ingestion.context import RunContext
from aforo.ingestion.reconciliation import Reconciliation
from aforo.reporting import collect, make, suffix_of
from aforo.settings import Settings
from aforo.storage import EventRecord, JournalKind

_log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds that the database may take to give the figures


@dataclass(frozen=True, slots=True)
class Morning:
    """Called with each show that was closed."""

    settings: Settings

    async def __call__(self, rooms: RunContext, show: EventRecord, told: Reconciliation) -> None:
        """Note what was compared, make the act. Failures are told, with what to do, and raise nothing."""
        try:
            async with rooms.clock.timeout(_PATIENCE):
                now = rooms.clock.now()
                await rooms.database.begin_entry(
                    JournalKind.RECONCILIATION, "", now, detail=_detail(rooms, told), record=show, ended=now
                )
                if self.settings.report.folder is None:
                    return
                snapshot = await rooms.database.report_snapshot(show, now)
        except TimeoutError:
            error: AforoError = StoreUnavailable("La base de datos no dio a tiempo las cifras del acta.")
            _log.error("%s Cuando responda, ejecute «aforo report %s».", error, show.event.day)
            return
        try:
            act = await asyncio.to_thread(collect, snapshot, self.settings, now)
            suffix = suffix_of(show, snapshot.same_day)
            _log.info("Acta: %s", await make(act, self.settings.report.folder, suffix))
        except AforoError as exc:
            _log.error("%s", exc)


def _detail(rooms: RunContext, told: Reconciliation) -> str:
    """What ACC had, camera by camera, and what could not be asked."""
    unanswered = {
        feed.camera_id: f"No contestó ({why}): puede faltar lo suyo desde las {rooms.local(since)}."
        for feed, (since, why) in told.unanswered.items()
    }
    cameras = {
        camera: {
            "name": rooms.names.get(camera, ""),
            "acc": told.census.valid[camera],
            "unanswered": unanswered.get(camera, ""),
        }
        for camera in sorted(rooms.allowed | told.census.valid.keys())
    }
    document = {
        "complete": told.complete,
        "cameras": cameras,
        "history": told.census.history,
        "refused": dict(told.census.excluded),
    }
    return json.dumps(document, ensure_ascii=False)
