"""Logs late camera events and cameras whose clocks are off, and reports them to observer and journal."""

import logging
from collections.abc import Iterable
from datetime import datetime

from aforo.ingestion.context import RunContext
from aforo.ingestion.lateness import LatenessMeter
from aforo.ingestion.lateness_journal import LatenessJournal
from aforo.models import Feed, FeedLateness, ScheduledEvent
from aforo.storage import EventRecord
from aforo.wording import clock_offset_text, duration, duration_to_the_second, plural

_log = logging.getLogger(__name__)

_MOST_LINES = 10  # of single cameras in a poll cycle
_GROWS = 1.25  # a camera is named again when its events are late by so much more, or its clock is off by that


class LatenessLog:
    """Reports what a meter has measured, each camera when it is first late or off, and when it becomes worse."""

    def __init__(self, meter: LatenessMeter, context: RunContext) -> None:
        self._meter = meter
        self._context = context
        self._journal = LatenessJournal(context)
        self._late: dict[Feed, float] = {}
        self._offsets: dict[Feed, float] = {}

    async def restore(self, record: EventRecord) -> None:
        """Go on with what earlier runs of the program measured of that event. Raises StoreError."""
        known = await self._journal.read(record)
        self._meter.restore(known)
        self._late.update((one.feed, one.worst[1]) for one in known)
        self._offsets.update((one.feed, one.clock_offset) for one in known if one.clock_offset is not None)

    def write(self, record: EventRecord) -> None:
        """Report what was measured of an event since the last call."""
        changed = self._meter.take_changed()
        self._context.observer.lateness_measured(record, changed)
        self._journal.write(record, changed)
        found = self._meter.take_found_late()
        if found:
            events, cameras = plural(found.total(), "evento"), plural(len(found), "cámara")
            _log.info("Llegaron tarde y están guardados: %s, de %s.", events, cameras)
        self._write_clocks(changed)
        self._write_late(changed)

    def write_close_waits(self, event: ScheduledEvent, until: datetime) -> None:
        """Log until when the close waits for late events."""
        _log.warning(
            "Cierre de «%s»: hubo eventos que llegaron hasta %s tarde; se espera por los últimos hasta las %s, y el"
            " aforo los sigue contando.",
            event.name, duration_to_the_second(self._meter.close_waits().total_seconds()), self._context.local(until),
        )  # fmt: skip

    def _write_clocks(self, changed: Iterable[FeedLateness]) -> None:
        off = [(one.feed, one.clock_offset) for one in changed if one.clock_offset is not None]
        new = [(feed, offset) for feed, offset in off if self._is_news(abs(offset), abs(self._offsets.get(feed, 0.0)))]
        self._offsets.update(new)
        for feed, offset in new[:_MOST_LINES]:
            _log.warning(
                "El reloj de la cámara %s va %s. No es que sus eventos lleguen tarde: llevan otra hora. Se guardan con"
                " la hora que traen; ponga en hora la cámara (NTP).",
                self._context.site.feed_label(feed), clock_offset_text(offset),
            )  # fmt: skip
        if len(new) > _MOST_LINES:
            _log.warning("El reloj de otras %d cámaras tampoco está en hora.", len(new) - _MOST_LINES)

    def _write_late(self, changed: Iterable[FeedLateness]) -> None:
        late = [one for one in changed if one.late and one.clock_offset is None]
        new = [one for one in late if self._is_news(one.worst[1], self._late.get(one.feed, 0.0))]
        self._late.update((one.feed, one.worst[1]) for one in new)
        for one in new[:_MOST_LINES]:
            lower, upper = map(duration_to_the_second, one.worst)
            _log.warning(
                "La cámara %s entrega eventos tarde: el que más, entre %s y %s después de ocurrir. Están guardados;"
                " cada vuelta mira %s atrás, y el cierre espera por ellos.",
                self._context.site.feed_label(one.feed), lower, upper,
                duration(self._meter.overlap(one.feed).total_seconds()).removesuffix(" 0 s"),
            )  # fmt: skip
        if len(new) > _MOST_LINES:
            _log.warning("Otras %d cámaras también entregan eventos tarde.", len(new) - _MOST_LINES)

    @staticmethod
    def _is_news(seconds: float, reported: float) -> bool:
        return seconds > reported * _GROWS
