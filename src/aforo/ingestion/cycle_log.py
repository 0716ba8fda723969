"""The log of a poll cycle: what it read and stored, each zone's occupancy, and what is odd, once."""

import logging
from collections.abc import Mapping, Set
from datetime import datetime
from zoneinfo import ZoneInfo

from aforo.counting.rules import Rules
from aforo.ingestion.cycle_stats import CycleStats, total
from aforo.ingestion.site import SiteDirectory
from aforo.models import Batch, CommitResult, Occupancy
from aforo.wording import occupancy_line

_log = logging.getLogger(__name__)


class CycleLog:
    """Collects what the cycles of an event do, and writes it so that each step can be followed."""

    def __init__(self, site: SiteDirectory, rules: Rules, timezone: ZoneInfo) -> None:
        self._site = site
        self._rules = rules
        self._timezone = timezone
        self._stats = CycleStats()
        self._occupancies: dict[str, Occupancy] = {}
        self._reported: dict[str, Occupancy] = {}
        self._reported_unknown: set[str] = set()

    def begin_event(self) -> None:
        """Begin another event: what was reported of the last one does not count."""
        self._reported, self._reported_unknown = {}, set()

    def open_record(self, occupancies: Mapping[str, Occupancy]) -> None:
        """Report these zones from now on, as the database has them."""
        self._occupancies = dict(occupancies)

    def recounted(self, occupancies: Mapping[str, Occupancy]) -> None:
        """The database counted the zones anew, or an operator corrected one."""
        self._occupancies.update(occupancies)

    def page_read(self, batch: Batch) -> None:
        """A page was read and classified."""
        self._stats.page_read(batch)

    def committed(self, batch: Batch, result: CommitResult) -> None:
        """A transaction was committed."""
        self._stats.committed(batch, result)
        self._occupancies.update(result.occupancies)

    def write(self, horizon: datetime, unknown_cameras: Set[str]) -> None:
        """Log what was collected since the last call; ``horizon``: until when (aware UTC) the cycle read."""
        cameras = self._stats.take()
        for camera, stats in sorted(cameras.items()):
            level = logging.INFO if stats.new or stats.excluded else logging.DEBUG
            label = self._site.camera_label(camera) if camera else "(sin identificar)"
            _log.log(level, "Cámara %s: %s.", label, stats)
        if cameras:
            until = horizon.astimezone(self._timezone).strftime("%H:%M:%S")
            _log.info("Vuelta hasta %s: %s.", until, total(cameras))
        for zone, occupancy in self._occupancies.items():
            if self._reported.get(zone) != occupancy:
                self._reported[zone] = occupancy
                _log.info("%s.", occupancy_line(occupancy))
        self._write_new_names()
        for camera in unknown_cameras - self._reported_unknown:
            self._reported_unknown.add(camera)
            text = "Ningún servidor conoce la cámara %s: revise ids_camaras_permitidas.json con «aforo cameras»."
            _log.warning(text, self._site.camera_label(camera))

    def _write_new_names(self) -> None:
        """Names that no rule or two zones take, each once."""
        for name, classification in self._rules.take_new_names():
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
