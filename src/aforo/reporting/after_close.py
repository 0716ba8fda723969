"""After the close: what was compared goes into the journal, and the event report is made."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import reduce

from aforo.counting.doors import Crossings
from aforo.counting.lateness import summarize
from aforo.errors import AforoError, StoreError, StoreUnavailable
from aforo.ingestion.context import RunContext
from aforo.ingestion.reconciliation import Reconciliation
from aforo.live.door_history import text_of
from aforo.live.estimates import news
from aforo.live.latency import Latency
from aforo.models import FeedLateness
from aforo.reporting import compute_report, render, suffix_of
from aforo.reporting.compute import known_of
from aforo.settings import Settings
from aforo.storage import Database, EventRecord, JournalKind, ReportSnapshot

_log = logging.getLogger(__name__)

_TIMEOUT = 60.0  # seconds that the database may take to give the figures


async def after_close(  # noqa: PLR0913 -- all that a report is made of
    database: Database,
    settings: Settings,
    context: RunContext,
    record: EventRecord,
    result: Reconciliation,
    *,
    latency: Latency,
) -> None:
    """Journal what was compared and make the event report. Failures are logged with their remedy; none is raised.

    ``latency``: of the event's camera events, as far as they were followed.
    """
    try:
        async with context.clock.timeout(_TIMEOUT):
            now = context.clock.now()
            detail = _detail(context, record, result, latency)
            await database.begin_entry(JournalKind.RECONCILIATION, "", now, detail=detail, record=record, ended=now)
            snapshot = await database.report_snapshot(record, now)
            await _learn(database, settings, snapshot, now)
            if settings.report.folder is None:
                return
    except TimeoutError:
        error: AforoError = StoreUnavailable("La base de datos no dio a tiempo las cifras del acta.")
        _log.error("%s Cuando responda, ejecute «aforo report %s».", error, record.event.day)
        return
    except StoreError as exc:
        _log.error("%s", exc)
        return
    try:
        report = await asyncio.to_thread(compute_report, snapshot, settings, now)
        suffix = suffix_of(record, snapshot.same_day)
        _log.info("Acta: %s", await render(report, settings.report.folder, suffix))
    except AforoError as exc:
        _log.error("%s", exc)
    except Exception:  # noqa: BLE001 -- a fault of ours, or a damaged journal, must not end the counting
        _log.exception("Error interno al hacer el acta; el conteo sigue. Revise la base de datos con «aforo check».")


async def _learn(database: Database, settings: Settings, snapshot: ReportSnapshot, now: datetime) -> None:
    """Journal what the event says of its doors to later ones, where that is not there yet."""
    record = snapshot.record
    stored = {entry.detail for entry in snapshot.entries if entry.kind == JournalKind.DOORS}
    try:
        known = await asyncio.to_thread(known_of, snapshot, settings)
        learned = await asyncio.to_thread(news, known)
        doors = text_of({door.name: reduce(Crossings.plus, door.minutes.values(), Crossings()) for door in known.doors})
    except Exception:  # noqa: BLE001 -- a fault of ours, or a damaged journal, must not end the counting
        _log.exception("Error interno al aprender del evento cuánto fallan las cámaras; el conteo no lo necesita.")
        return
    for zone, text in learned.items():
        await database.begin_entry(
            JournalKind.LEARNED, zone, record.event.window.since, detail=text, record=record, ended=now
        )
    if doors not in stored:
        await database.begin_entry(
            JournalKind.DOORS, "", record.event.window.since, detail=doors, record=record, ended=now
        )


def _detail(context: RunContext, record: EventRecord, result: Reconciliation, latency: Latency) -> str:
    """Return as JSON what ACC had, camera by camera, and which cameras did not answer."""
    unanswered = {
        feed.camera_id: f"No contestó ({why}): puede faltar lo suyo desde las {context.local(since)}."
        for feed, (since, why) in result.unanswered.items()
    }
    cameras = {
        camera: {
            "name": context.site.camera_name(camera),
            "acc": result.source.valid[camera],
            "unanswered": unanswered.get(camera, ""),
        }
        for camera in sorted(context.cameras.cameras | result.source.valid.keys())
    }
    meter = context.lateness_meters.get(record.id)
    document = {
        "complete": result.complete,
        "lateness": _lateness(context, meter.statuses()) if meter is not None else None,
        "latency": {
            stage: {"events": one.count, "median": one.bound(0.5), "p95": one.bound(0.95)}
            for stage, one in latency.of_event.items()
            if one.count
        },
        "cameras": cameras,
        "history": result.source.history,
        "refused": dict(result.source.excluded.by_reason),
        "outcome": result.outcome,
        "reservations": [asdict(one) for one in result.reservations],
    }
    return json.dumps(document, ensure_ascii=False)


def _lateness(context: RunContext, feeds: Sequence[FeedLateness]) -> dict[str, object]:
    """Return how late ACC gave the camera events, which cameras were late, and whose clocks are off."""

    def name(one: FeedLateness) -> str:
        return context.site.camera_name(one.feed.camera_id) or one.feed.camera_id

    return {
        **asdict(summarize(feeds)),
        "cameras": [
            {"id": one.feed.camera_id, "name": name(one), "late": sum(one.late.values()), "worst": one.worst[1]}
            for one in feeds
            if one.late and one.clock_offset is None
        ],
        "clocks": [
            {"id": one.feed.camera_id, "name": name(one), "offset": one.clock_offset}
            for one in feeds
            if one.clock_offset is not None
        ],
    }
