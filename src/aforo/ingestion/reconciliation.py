"""The close of an event: everything is asked once more, what was missing is stored, and both sides are compared."""

import logging
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aforo.clock import wait_until_set
from aforo.ingestion.context import RunContext
from aforo.ingestion.cycle_stats import reasons
from aforo.ingestion.feed_state import FeedState
from aforo.ingestion.fetch_planner import FetchPlanner
from aforo.ingestion.poller import PollCycle
from aforo.ingestion.source_count import SourceCount
from aforo.models import EventPhase, Feed
from aforo.storage import EventRecord

_log = logging.getLogger(__name__)

# While the server answers for other cameras: how long a camera that does not is still asked, in seconds.
_CAMERA_PATIENCE = 30.0
_LOOK_AGAIN = 15.0  # seconds between two looks at whether answers still come


@dataclass(slots=True)
class Reconciliation:
    """What ACC has against what the database has, at the close.

    ``in_store``: events of the ledger by camera; ``in_history``: rows of eventos_Analisis; both hold only where
    the database was ``asked``. ``unanswered``: since when (aware UTC) a feed could not be compared, and why.
    ``given_up``: not some cameras, but the server or the database was away for all of ``monitor.close_patience``.
    """

    census: SourceCount
    in_store: dict[str, int] = field(default_factory=dict)
    in_history: int = 0
    asked: bool = False
    unanswered: dict[Feed, tuple[datetime, str]] = field(default_factory=dict)
    complete: bool = False
    given_up: bool = False


class Reconciler:
    """Closes one show; ``seen``: the feeds that the evening has had an answer of."""

    def __init__(self, rooms: RunContext, show: EventRecord, seen: Set[Feed]) -> None:
        self._rooms = rooms
        self._show = show
        self._seen = seen
        self._event = show.event
        self._coverage = FetchPlanner(show.event.window, timedelta(0))
        self._census = SourceCount()

    async def run(self) -> Reconciliation:
        """Do it; ``complete`` tells whether nothing stayed unanswered. A stop ends it early, and not complete."""
        rooms = self._rooms
        _log.info("Cierre de «%s»: se vuelve a pedir el evento entero para comparar.", self._event.name)
        await rooms.discover()
        rooms.board.phase, rooms.board.coverage = EventPhase.CLOSING, self._coverage
        told = Reconciliation(self._census, complete=await self._sweep())
        told.given_up = not told.complete and not (self._server_answers() and rooms.database.down_since is None)
        told.unanswered = self._unanswered()
        if rooms.stopping.is_set():
            told.complete = False
            return told
        try:
            async with rooms.clock.timeout(rooms.settings.close_patience):
                await self._compare(told)
        except TimeoutError:
            told.complete, told.given_up = False, True
            unstored = "lo leído al final no quedó guardado"
            left = unstored if rooms.database.pending else "lo leído está guardado, pero sin comparar"
            _log.error(
                "La base de datos no contestó en %.0f s: %s. Cuando responda, repita con «aforo backfill %s».",
                rooms.settings.close_patience, left, self._event.day,
            )  # fmt: skip
        rooms.board.phase = EventPhase.OVER
        return told

    async def _compare(self, told: Reconciliation) -> None:
        rooms, show = self._rooms, self._show
        await rooms.database.drain()
        stored = await rooms.database.stored_figures(show)
        rooms.board.occupancies.update(stored.occupancies)
        await rooms.recall(show)
        told.in_store, told.in_history, told.asked = stored.events_by_camera, stored.history_rows, True
        if told.complete:
            await rooms.database.close_record(show, rooms.clock.now())

    async def _sweep(self) -> bool:
        """Ask until all is answered, for as long as answers come; then give up as ``_patience`` says."""
        rooms, coverage = self._rooms, self._coverage
        answered, since = -1, rooms.clock.monotonic()
        async with rooms.turns() as turns:
            while not rooms.stopping.is_set():
                step = rooms.clock.monotonic() + min(rooms.settings.interval, _LOOK_AGAIN)
                if not rooms.servers:
                    await rooms.discover()
                coverage.follow(rooms.feeds(), {})
                for state in self._gone().values():
                    state.resting_until = None
                self._census.servers = frozenset(rooms.servers)
                errand = PollCycle(self._event, rooms.allowed, coverage, self._event.window.until, self._census)
                whole = await turns.turn(errand, step) and bool(rooms.servers)
                if whole and not self._gone():
                    return True
                if coverage.answers > answered:
                    answered, since = coverage.answers, rooms.clock.monotonic()
                if rooms.clock.monotonic() - since >= self._patience():
                    return False
                await wait_until_set(rooms.stopping, rooms.clock, step - rooms.clock.monotonic())
        return False

    def _patience(self) -> float:
        """Seconds without an answer after which the rest is given up: soon where others answered, else late."""
        return _CAMERA_PATIENCE if self._only_cameras_fail() else self._rooms.settings.close_patience

    def _only_cameras_fail(self) -> bool:
        """The server answers, and each camera that is left has failed in this close."""
        behind = self._coverage.behind(self._event.window.until)
        return self._server_answers() and all(state.failures for state in behind.values())

    def _server_answers(self) -> bool:
        """It answered for some camera in this close, and is not lost now."""
        return self._rooms.acc.link_down_since is None and self._coverage.answers > 0

    def _gone(self) -> dict[Feed, FeedState]:
        """Feeds that the evening has read from, and that the server now says it does not know."""
        return {feed: state for feed, state in self._coverage.feeds.items() if state.absent and feed in self._seen}

    def _unanswered(self) -> dict[Feed, tuple[datetime, str]]:
        behind = self._coverage.behind(self._event.window.until) | self._gone()
        return {feed: (state.answered_until, str(state.error or "no dio tiempo")) for feed, state in behind.items()}

    def tell(self, told: Reconciliation) -> None:
        """Log the comparison: a line a camera, and the closing line. No figure of a database that was not asked."""
        for feed, (since, why) in told.unanswered.items():
            _log.error(
                "Cierre, cámara %s: no contestó (%s). Puede faltar lo suyo desde %s: repita con «aforo backfill %s».",
                self._rooms.feed_name(feed), why, self._rooms.local(since), self._event.day,
            )  # fmt: skip
        if told.asked:
            self._tell_comparison(told)
        else:
            _log.warning(
                "Cierre de «%s»: ACC tiene %d eventos válidos y %d del historial; a la base de datos no se le pudo"
                " preguntar, y no se sabe cuántos tiene. Rechazados: %s.",
                self._event.name, told.census.valid.total(), told.census.history, _refused(told.census),
            )  # fmt: skip

    def _tell_comparison(self, told: Reconciliation) -> None:
        census, in_store = told.census, told.in_store
        for camera in sorted(census.valid.keys() | in_store.keys()):
            acc, stored = census.valid[camera], in_store.get(camera, 0)
            level = logging.INFO if acc == stored else logging.WARNING
            line = "Cierre, cámara %s: ACC %d, base %d, diferencia %d."
            _log.log(level, line, self._rooms.name(camera), acc, stored, acc - stored)
        acc, stored = census.valid.total(), sum(in_store.values())
        equal = (acc, census.history) == (stored, told.in_history)
        _log.log(
            logging.INFO if equal else logging.WARNING,
            "Cierre de «%s»: ACC tiene %d eventos válidos y la base %d (diferencia %d); del historial, ACC %d y"
            " eventos_Analisis %d (diferencia %d). Rechazados: %s.",
            self._event.name, acc, stored, acc - stored,
            census.history, told.in_history, census.history - told.in_history, _refused(census),
        )  # fmt: skip


def _refused(census: SourceCount) -> str:
    return reasons(census.excluded) or "ninguno"
