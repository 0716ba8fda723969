"""The live picture of the evening: what the page, the terminal and the log read. It follows only what was stored."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aforo.coverage import Coverage
from aforo.model import Batch, Occupancy, ScheduledEvent, Stored


class Phase(StrEnum):
    """Where the evening stands."""

    WAITING = "en espera"
    WATCHING = "en curso"
    CLOSING = "en cierre"
    OVER = "terminado"


@dataclass(slots=True)
class Board:
    """The picture. Instants are aware UTC; ``curves`` holds each zone's aforo after each transaction that changed it."""

    phase: Phase = Phase.WAITING
    event: ScheduledEvent | None = None
    coverage: Coverage | None = None
    occupancies: dict[str, Occupancy] = field(default_factory=dict)
    curves: defaultdict[str, list[tuple[datetime, int]]] = field(default_factory=lambda: defaultdict(list))
    stored: int = 0
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    stored_at: datetime | None = None

    def open(self, event: ScheduledEvent, occupancies: dict[str, Occupancy], coverage: Coverage) -> None:
        """A new evening begins, or one goes on after a restart."""
        self.phase, self.event, self.coverage = Phase.WATCHING, event, coverage
        self.occupancies = dict(occupancies)
        self.curves.clear()

    def read(self, batch: Batch) -> None:
        """A page was read and sifted."""
        for (_, reason), count in batch.refused.items():
            self.refused[reason] += count

    def apply(self, stored: Stored, now: datetime) -> None:
        """A transaction was committed."""
        self.stored += len(stored.new)
        self.repeated += stored.already
        self.stored_at = now
        for zone, occupancy in stored.occupancies.items():
            if self.occupancies.get(zone) != occupancy:
                self.occupancies[zone] = occupancy
                self.curves[zone].append((now, occupancy.count))
