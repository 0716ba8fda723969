"""The close of an event: everything is read once more, what was missing is stored, and both sides are compared."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aforo.clock import wait_until_set
from aforo.counting.camera_health import CameraHealth
from aforo.ingestion.close_patience import ClosePatience
from aforo.ingestion.context import RunContext
from aforo.ingestion.cycle_stats import reasons
from aforo.ingestion.feed_state import FeedState
from aforo.ingestion.fetch import PollCycle
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.ingestion.lateness import LatenessMeter
from aforo.ingestion.observer import IngestionObserver
from aforo.ingestion.reservations import ComparedEvent, reservations
from aforo.ingestion.source_count import SourceCount
from aforo.models import CameraFault, EventPhase, FaultSpan, Feed, Outcome, ReconciliationResult, Reservation, Window
from aforo.storage import EventRecord, fault_spans
from aforo.wording import plural, reserved_in_short

_log = logging.getLogger(__name__)

_CHECK_INTERVAL = 15.0  # seconds between two checks whether answers still come
# How long after the grace a camera's state at ACC still tells of the event: the close may have waited for late events.
_STILL_OF_THE_EVENT = timedelta(minutes=20)
_SHORTEST_FAULT = timedelta(minutes=1)  # that is a reservation: a camera may count on through a shorter one


@dataclass(slots=True)
class Reconciliation:
    """What ACC has against what the database has, at the close.

    ``stored``: events of the ledger by camera; ``history_rows``: rows of eventos_Analisis; both hold only where the
    database was ``compared``. ``unanswered``: since when (aware UTC) a feed could not be compared, and why.
    ``complete``: nothing stayed unanswered. ``given_up``: not some cameras, but the server or the database was down
    for all of ``monitor.close_patience``. ``too_early``: it began by the machine's clock, and the server's time, known
    since, says that the event was not over; nothing was compared. ``reservations``: why something may be missing all
    the same.
    """

    source: SourceCount
    stored: dict[str, int] = field(default_factory=dict)
    history_rows: int = 0
    compared: bool = False
    unanswered: dict[Feed, tuple[datetime, str]] = field(default_factory=dict)
    complete: bool = False
    given_up: bool = False
    too_early: bool = False
    reservations: list[Reservation] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """What the comparison came to."""
        if not (self.complete and self.compared):
            return Outcome.NOT_COMPARED
        return Outcome.RESERVED if self.reservations else Outcome.RECONCILED

    @property
    def result(self) -> ReconciliationResult:
        """The same for whoever shows it."""
        return ReconciliationResult(self.outcome, tuple(self.reservations), dict(self.source.excluded.by_reason))


class Reconciler:
    """Closes one event; ``read``: the feeds that were read while it was watched, and when (monotonic) they answered.

    ``lateness`` measures how late the events are that the close still finds. ``again``: the event has been closed, and
    is compared again; phase and feeds are not reported.
    """

    def __init__(
        self,
        context: RunContext,
        record: EventRecord,
        read: Mapping[Feed, float],
        lateness: LatenessMeter | None = None,
        *,
        again: bool = False,
    ) -> None:
        self._context = context
        self._again = again
        self._observer = IngestionObserver() if again else context.observer
        self._record = record
        self._read = read
        self._lateness = lateness
        self._event = record.event
        self._rejected_zones: Sequence[str] = ()
        self._journaled: Sequence[FaultSpan] = ()
        self._planner = FetchPlanner(record.event.window, timedelta(0))
        self._count = SourceCount()
        self._patience = ClosePatience(context.settings.close_patience, context.clock.monotonic(), read)

    async def run(self) -> Reconciliation:
        """Read everything and compare. A stop ends it early, and not complete. Raises StoreError."""
        context = self._context
        if not self._again:
            _log.info("Cierre de «%s»: se vuelve a pedir el evento entero para comparar.", self._event.name)
        by_server, began = context.clock.by_server, context.clock.monotonic()
        await context.site.refresh()
        self._observer.phase_changed(self._record, EventPhase.CLOSING)
        result = Reconciliation(self._count, complete=await self._read_everything())
        if not by_server and not self._again and await self._was_on(began):
            result.complete, result.too_early = False, True
            return result
        result.given_up = not result.complete and not (self._server_answers() and context.database.down_since is None)
        result.unanswered = self._unanswered()
        if context.stopping.is_set():
            result.complete = False
            return result
        try:
            async with context.clock.timeout(context.settings.close_patience):
                await self._compare(result)
        except TimeoutError:
            result.complete, result.given_up = False, True
            unstored = "lo leído al final no quedó guardado"
            left = unstored if context.database.pending else "lo leído está guardado, pero sin comparar"
            _log.error(
                "La base de datos no contestó en %.0f s: %s. Cuando responda, repita con «aforo backfill %s».",
                context.settings.close_patience, left, self._event.day,
            )  # fmt: skip
        result.reservations = reservations(self._compared_event(result))
        context.observer.reconciled(self._record, result.result)
        self._observer.phase_changed(self._record, EventPhase.OVER)
        return result

    async def _compare(self, result: Reconciliation) -> None:
        context, record = self._context, self._record
        await context.database.drain(record)
        figures = await context.database.stored_figures(record)
        context.logs.of(record).recounted(figures.occupancies)
        await context.observer.recounted(record, figures.occupancies)
        result.stored, result.history_rows, result.compared = figures.events_by_camera, figures.history_rows, True
        self._rejected_zones = figures.rejected_zones
        self._journaled = fault_spans(await context.database.entries(record))
        if result.complete:
            await context.database.close_record(record, context.clock.now())

    async def _was_on(self, monotonic: float) -> bool:
        """Whether the event or its grace was not over then, by a server's time that is known now."""
        context = self._context
        await context.client.learn_time()
        then = context.clock.now() - timedelta(seconds=context.clock.monotonic() - monotonic)
        ends = self._event.window.until + timedelta(seconds=context.settings.grace)
        return context.clock.by_server and then < ends

    async def _read_everything(self) -> bool:
        """Read until all is read, or what is not is given up."""
        context, planner = self._context, self._planner
        async with context.poller(closing=True, observed=not self._again) as poller:
            while not context.stopping.is_set():
                deadline = context.clock.monotonic() + min(context.settings.interval, _CHECK_INTERVAL)
                if not context.site.servers:
                    await context.site.refresh()
                planner.follow(self._feeds(), {})
                self._observer.feeds_followed(self._record, planner.statuses())
                planner.end_rest(self._disappeared())
                self._count.servers = frozenset(feed.server_id for feed in planner.feeds)
                until = self._event.window.until
                cameras, lateness = context.cameras.cameras, self._lateness
                cycle = PollCycle(self._record, cameras, planner, until, self._count, lateness)
                all_read = await poller.run_cycle(cycle, deadline) and bool(context.site.servers)
                if all_read and not self._disappeared():
                    return True
                if self._is_given_up():
                    return False
                await wait_until_set(context.stopping, context.clock, deadline - context.clock.monotonic())
        return False

    def _feeds(self) -> list[Feed]:
        """Every allowed camera on every server: also on those that gave events of this one and have left the site."""
        context = self._context
        gave = {feed.server_id for feed in (*self._read, *self._record.checkpoints)} - set(context.site.servers)
        return [*context.feeds(), *(Feed(server, camera) for server in gave for camera in context.cameras.cameras)]

    def _is_given_up(self) -> bool:
        server_down = self._context.client.link_down_since is not None
        now = self._context.clock.monotonic()
        return self._patience.is_over(self._waiting(), self._planner.feeds, now, server_down=server_down)

    def _waiting(self) -> dict[Feed, FeedState]:
        """The feeds that are not read to the event's end."""
        return self._planner.behind(self._event.window.until) | self._disappeared()

    def _server_answers(self) -> bool:
        """It answered for some camera in this close, and is not down now."""
        return self._context.client.link_down_since is None and self._planner.fetches_read > 0

    def _disappeared(self) -> dict[Feed, FeedState]:
        """Feeds that were read while the event was watched, and that the server now reports as unknown."""
        return {feed: state for feed, state in self._planner.feeds.items() if state.unknown and feed in self._read}

    def _unanswered(self) -> dict[Feed, tuple[datetime, str]]:
        now = self._context.clock.monotonic()
        return {
            feed: (state.read_until, self._patience.reason(feed, state, now)) for feed, state in self._waiting().items()
        }

    def _compared_event(self, result: Reconciliation) -> ComparedEvent:
        site, source = self._context.site, result.source
        return ComparedEvent(
            day=self._event.day,
            cameras=self._context.cameras.cameras,
            acc=source.valid,
            stored=result.stored,
            history=(source.history, result.history_rows),
            rejected=source.excluded.by_reason,
            active=source.valid.keys() | result.stored.keys() | source.excluded.cameras,
            incomplete=source.incomplete,
            unanswered={feed.camera_id for feed in result.unanswered},
            listed=site.cameras if site.lists_all else None,
            unknown=self._planner.unknown_cameras(),
            faults=self._faults(),
            zones=self._rejected_zones,
            names={camera: site.camera_name(camera) for camera in site.cameras},
            compared=result.compared,
        )

    def _faults(self) -> dict[tuple[str, CameraFault], str]:
        """When ACC reported each camera as blind, in words: what this process read, and one before it journaled."""
        since, until = self._event.window
        observed = Window(since, until + timedelta(seconds=self._context.settings.grace) + _STILL_OF_THE_EVENT)
        health = CameraHealth()
        health.restore([*self._journaled, *self._context.site.fault_spans])
        found: defaultdict[tuple[str, CameraFault], list[str]] = defaultdict(list)
        for span in health.spans():
            part = span.inside(observed, self._context.clock.now())
            short = span.fault is not CameraFault.DISCONNECTED and part.until - part.since < _SHORTEST_FAULT
            if span.fault.blinds and span.touches(observed) and not short:
                found[span.camera_id, span.fault].append(self._span(span.began, span.ended))
        return {key: ", ".join(spans) for key, spans in found.items()}

    def _span(self, since: datetime, until: datetime | None) -> str:
        local = self._context.local
        return f"de {local(since)} a {local(until)}" if until is not None else f"desde {local(since)}"

    def write_log(self, result: Reconciliation) -> None:
        """Log the comparison: a line a camera, and the closing line. No figure of a database that was not compared."""
        for feed, (since, why) in result.unanswered.items():
            _log.error(
                "Cierre, cámara %s: no contestó (%s). Puede faltar lo suyo desde %s: repita con «aforo backfill %s».",
                self._context.site.feed_label(feed), why, self._context.local(since), self._event.day,
            )  # fmt: skip
        for number, reservation in enumerate(result.reservations, 1):
            _log.warning("Cierre, reserva %d: %s", number, reservation.text)
        if result.compared:
            self._write_comparison(result)
        else:
            _log.warning(
                "Cierre de «%s»: ACC tiene %d eventos válidos y %d del historial; a la base de datos no se le pudo"
                " preguntar, y no se sabe cuántos tiene. Rechazados: %s. %s.",
                self._event.name, result.source.valid.total(), result.source.history, _excluded(result.source),
                _outcome(result),
            )  # fmt: skip

    def _write_comparison(self, result: Reconciliation) -> None:
        source, by_camera = result.source, result.stored
        for camera in sorted(source.valid.keys() | by_camera.keys()):
            acc, stored = source.valid[camera], by_camera.get(camera, 0)
            level = logging.INFO if acc == stored else logging.WARNING
            line = "Cierre, cámara %s: ACC %d, base %d, diferencia %d."
            _log.log(level, line, self._context.site.camera_label(camera), acc, stored, acc - stored)
        acc, stored = source.valid.total(), sum(by_camera.values())
        _log.log(
            logging.INFO if result.outcome is Outcome.RECONCILED else logging.WARNING,
            "Cierre de «%s»: ACC tiene %d eventos válidos y la base %d (diferencia %d); del historial, ACC %d y"
            " eventos_Analisis %d (diferencia %d). Rechazados: %s. %s.",
            self._event.name, acc, stored, acc - stored,
            source.history, result.history_rows, source.history - result.history_rows, _excluded(source),
            _outcome(result),
        )  # fmt: skip


def _excluded(source: SourceCount) -> str:
    return reasons(source.excluded.by_reason) or "ninguno"


def _outcome(result: Reconciliation) -> str:
    """The outcome in words, and in short what it lacks."""
    parts = [reserved_in_short(result.reservations)] * bool(result.reservations)
    if result.unanswered:
        cameras = len({feed.camera_id for feed in result.unanswered})
        parts.insert(0, f"{plural(cameras, 'cámara')} sin contestar")
    return ": ".join([result.outcome.capitalize(), *(["; ".join(parts)] * bool(parts))])
