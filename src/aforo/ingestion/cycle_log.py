"""The log of a poll cycle: what it read and stored, each zone's occupancy, and what is odd, once."""

import logging
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from zoneinfo import ZoneInfo

from aforo.counting.rules import Rules
from aforo.counting.totals import sums
from aforo.ingestion.cycle_stats import CycleStats, total
from aforo.ingestion.site import SiteDirectory
from aforo.models import Batch, CameraEvent, CommitResult, Occupancy, Total
from aforo.storage import EventRecord
from aforo.wording import occupancy_line

_log = logging.getLogger(__name__)


class CycleLog:
    """Collects what the cycles of one event do, and writes it so that each step can be followed."""

    def __init__(self, site: SiteDirectory, rules: Rules, timezone: ZoneInfo, totals: Sequence[Total] = ()) -> None:
        self._site = site
        self._rules = rules
        self._timezone = timezone
        self._totals = totals
        self._stats = CycleStats()
        self._occupancies: dict[str, Occupancy] = {}
        self._reported: dict[str, Occupancy] = {}
        self._reported_unknown: set[str] = set()

    def open_record(self, occupancies: Mapping[str, Occupancy]) -> None:
        """Report these zones from now on, as the database has them."""
        self._occupancies = dict(occupancies)

    def recounted(self, occupancies: Mapping[str, Occupancy]) -> None:
        """The database counted the zones anew, or an operator corrected one."""
        self._take(occupancies)

    def page_read(self, batch: Batch) -> None:
        """A page was read and classified."""
        self._stats.page_read(batch)

    def dropped(self) -> None:
        """The database was replaced: what waited to be stored is read again."""
        self._stats.forget_waiting()

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """A transaction was committed. Each new event and each change of a zone has a line of detail."""
        self._stats.committed(batch, result)
        if _log.isEnabledFor(logging.DEBUG):
            for camera_event in result.new:
                _log.debug("Guardado: %s.", self._described(camera_event))
        self._take(result.occupancies)

    def write(self, horizon: datetime, unknown_cameras: Set[str], event_name: str = "") -> None:
        """Log what was collected since the last call; ``horizon``: until when (aware UTC) the cycle read.

        With ``event_name`` each line names the event.
        """
        event = f"«{event_name}»: " if event_name else ""
        cameras = self._stats.take()
        for camera, stats in sorted(cameras.items()):
            level = logging.INFO if stats.stored or stats.excluded else logging.DEBUG
            label = self._site.camera_label(camera) if camera else "(sin identificar)"
            _log.log(level, "%sCámara %s: %s.", event, label, stats)
        if cameras:
            until = horizon.astimezone(self._timezone).strftime("%H:%M:%S")
            _log.info("%sVuelta hasta %s: %s.", event, until, total(cameras))
        occupancies = self._occupancies | sums(self._totals, self._occupancies)
        for zone, occupancy in occupancies.items():
            if self._reported.get(zone) != occupancy:
                self._reported[zone] = occupancy
                _log.info("%s%s.", event, occupancy_line(occupancy))
        self._write_new_names()
        for camera in unknown_cameras - self._reported_unknown:
            self._reported_unknown.add(camera)
            label = self._site.camera_label(camera)
            if camera in self._site.cameras:
                text = (
                    "ACC lista la cámara %s, pero ningún servidor da sus eventos: revise los derechos del usuario en"
                    " ACC."
                )
                _log.warning(text, label)
            else:
                text = "Ningún servidor conoce la cámara %s: revise ids_camaras_permitidas.json con «aforo cameras»."
                _log.warning(text, label)

    def _take(self, occupancies: Mapping[str, Occupancy]) -> None:
        for zone, occupancy in occupancies.items():
            known = self._occupancies.get(zone)
            if known is not None and known.count != occupancy.count:
                _log.debug("Cambia el aforo de %s: de %d a %d.", zone, known.count, occupancy.count)
            self._occupancies[zone] = occupancy

    def _described(self, event: CameraEvent) -> str:
        """A camera event in words: its name, when and where, and what it counts for."""
        at = event.occurred_at.astimezone(self._timezone).isoformat(" ", "milliseconds")[:23]
        meaning = self._rules.classify(event.source)
        counts = ["historial"] * meaning.history
        counts += [f"{movement.zone} {movement.delta:+d}" for movement in meaning.movements]
        where = ", ".join(part for part in (event.activity, event.area) if part)
        name = f"«{event.name}»{f' ({where})' if where else ''}"
        return f"{name} a las {at}, cámara {self._site.camera_label(event.camera_id)}: {', '.join(counts)}"

    def _write_new_names(self) -> None:
        """Names that no rule or two zones take, each once."""
        for source, classification in self._rules.take_new_names():
            name = source.name
            if not self._rules.by_name and (more := ", ".join(filter(None, (source.activity, source.area)))):
                name = f"{name} ({more})"
            if classification.exclusion is not None:
                text = "El nombre analítico «%s» no se cuenta: %s. Si debe contar, añada una regla."
                _log.warning(text, name, classification.exclusion)
            elif classification.ambiguous:
                text = (
                    "El nombre analítico «%s» sería entrada y salida de una zona: no cuenta en ella. Revise las reglas."
                )
                _log.warning(text, name)
            elif len(classification.movements) > 1:
                zones = ", ".join(movement.zone for movement in classification.movements)
                _log.warning("El nombre analítico «%s» cuenta en varias zonas: %s. Revise las reglas.", name, zones)


class CycleLogs:
    """The logs of the events that are watched or closed now."""

    def __init__(self, site: SiteDirectory, rules: Rules, timezone: ZoneInfo, totals: Sequence[Total] = ()) -> None:
        self._site = site
        self._rules = rules
        self._timezone = timezone
        self._totals = totals
        self._logs: dict[int, CycleLog] = {}

    @property
    def several(self) -> bool:
        """Whether more than one event has a log: then their lines name the event."""
        return len(set(self._logs.values())) > 1

    def begin(self, record: EventRecord, log: CycleLog | None = None) -> CycleLog:
        """Begin the log of an event; with ``log``, go on with that one under the record of the event as edited."""
        self._logs[record.id] = log or self._unused()
        return self._logs[record.id]

    def of(self, record: EventRecord) -> CycleLog:
        """The event's log; one that is never written where it has none: it is neither watched nor closed."""
        return self._logs.get(record.id) or self._unused()

    def end(self, log: CycleLog) -> None:
        """End an event's log."""
        self._logs = {record_id: other for record_id, other in self._logs.items() if other is not log}

    def _unused(self) -> CycleLog:
        return CycleLog(self._site, self._rules, self._timezone, self._totals)
