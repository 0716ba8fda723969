"""The metrics for Prometheus: the live state at the moment of the request, in a registry of its own."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from aforo import __version__
from aforo.clock import Clock
from aforo.live.latency import BOUNDS
from aforo.live.state import LiveState
from aforo.models import EventPhase, Occupancy, Outcome, PushState
from aforo.web import schemas, serializers
from aforo.web.admission import Admission
from aforo.web.sse import Broadcaster

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


_RECONCILED = {Outcome.RECONCILED: 1.0, Outcome.RESERVED: 0.5, Outcome.NOT_COMPARED: 0.0}


class LiveCollector(Collector):
    """Makes metrics from the live state. ``stale_after`` is in seconds."""

    def __init__(self, live: LiveState, clock: Clock, stale_after: float) -> None:
        self._live = live
        self._clock = clock
        self._stale_after = stale_after

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as of now."""
        now = self._clock.now()
        self._live.refresh()
        build = GaugeMetricFamily("aforo_build_info", "The program's version", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield from self._zones(now)
        yield from self._doors()
        yield from self._data_quality(now)

    def _zones(self, now: datetime) -> Iterator[Metric]:
        zones, totals = serializers.zones(self._live, now), serializers.totals(self._live, now)
        yield from _occupancies("zone", zones, self._live.occupancies)
        yield from _occupancies("total", totals, self._live.total_occupancies)
        yield from self._estimates()

    def _estimates(self) -> Iterator[Metric]:
        low = GaugeMetricFamily("aforo_estimate_low", "At least so many are inside, 39 times in 40", labels=["zone"])
        high = GaugeMetricFamily("aforo_estimate_high", "At most so many are inside, 39 times in 40", labels=["zone"])
        for name, estimate in self._live.estimates.items():
            low.add_metric([name], estimate.low)
            high.add_metric([name], estimate.high)
        yield low
        yield high

    def _doors(self) -> Iterator[Metric]:
        crossings = CounterMetricFamily(
            "aforo_door_passages", "People counted at a door since the event began", labels=["door", "direction"]
        )
        expected = GaugeMetricFamily("aforo_door_expected_per_minute", "People expected at a door now", labels=["door"])
        activity = self._live.door_activity()
        for door in self._live.doors:
            if door.people:
                if door.name in activity:
                    expected.add_metric([door.name], activity[door.name].expected)
                for direction, count in zip(("in", "out", "unknown"), door.total, strict=True):
                    crossings.add_metric([door.name, direction], count)
        yield crossings
        yield expected

    def _data_quality(self, now: datetime) -> Iterator[Metric]:
        live, trust = self._live, serializers.data_quality(self._live, now, self._stale_after)
        yield CounterMetricFamily("aforo_events_stored", "Events stored since the start", value=live.stored)
        yield CounterMetricFamily("aforo_events_repeated", "Events read again, not counted anew", value=live.repeated)
        excluded = CounterMetricFamily("aforo_events_refused", "Camera events that were refused", labels=["reason"])
        for reason, count in live.excluded.items():
            excluded.add_metric([reason], count)
        yield excluded
        yield from self._reconciliation()
        yield GaugeMetricFamily("aforo_events_pending", "Events read and not stored yet", value=trust.pending)
        yield GaugeMetricFamily("aforo_event_running", "1 while an event is watched", value=_is_running(live.phase))
        if trust.stored_at is not None:
            yield GaugeMetricFamily(
                "aforo_last_stored_timestamp_seconds",
                "When something was last stored",
                value=trust.stored_at.timestamp(),
            )
        if trust.age is not None:
            yield GaugeMetricFamily("aforo_age_seconds", "How old the occupancy is", value=trust.age)
        yield GaugeMetricFamily("aforo_database_up", "1 while the database answers", value=float(trust.database.up))
        yield GaugeMetricFamily("aforo_acc_up", "1 while the cameras' server answers", value=float(trust.acc.up))
        skew = live.probes.clock_skew()
        if skew is not None:
            yield GaugeMetricFamily(
                "aforo_clock_skew_seconds",
                "The cameras' server's clock less this machine's",
                value=skew.total_seconds(),
            )
        yield from self._pushes()
        yield from self._cameras(now)
        if trust.lateness is not None:
            lateness = Metric("aforo_lateness_seconds", "From a passage to its storing, last 15 minutes", "summary")
            for quantile, seconds in (("0.5", trust.lateness.median), ("0.95", trust.lateness.p95)):
                lateness.add_sample("aforo_lateness_seconds", {"quantile": quantile}, seconds)
            yield lateness
        yield from self._delivery(trust.delivery)
        yield self._latency()
        yield from self._alerts()

    def _latency(self) -> Metric:
        seconds = HistogramMetricFamily(
            "aforo_latency_seconds",
            "From a camera event to when a search had it (visible), it was stored, and sent to an open page (shown)",
            labels=["stage"],
        )
        for stage, histogram in self._live.latency.histograms.items():
            bounds = [*map(str, BOUNDS), "+Inf"]
            counted = list(zip(bounds, histogram.cumulative(), strict=True))
            seconds.add_metric([stage.value], counted, histogram.total)
        return seconds

    def _pushes(self) -> Iterator[Metric]:
        status = self._live.probes.push()
        if status is None:
            return
        up = float(status.state is PushState.LIVE)
        yield GaugeMetricFamily("aforo_push_up", "1 while the cameras' server pushes", value=up)
        pushes = CounterMetricFamily("aforo_pushes", "Pushes that arrived, taken and refused", labels=["result"])
        pushes.add_metric(["taken"], status.taken)
        pushes.add_metric(["refused"], status.refused)
        yield pushes

    def _reconciliation(self) -> Iterator[Metric]:
        result = self._live.reconciliation
        reconciled = GaugeMetricFamily(
            "aforo_event_reconciled", "1: compared, 0.5: with reservations, 0: not compared; none before the close"
        )
        reserved = GaugeMetricFamily("aforo_event_reservations", "Reservations of the comparison", labels=["kind"])
        if result is not None:
            reconciled.add_metric([], _RECONCILED[result.outcome])
            for kind, number in Counter(one.kind.value for one in result.reservations).items():
                reserved.add_metric([kind], number)
        yield reconciled
        yield reserved

    @staticmethod
    def _delivery(delivery: schemas.DeliveryState | None) -> Iterator[Metric]:
        if delivery is None:
            return
        lateness = Metric(
            "aforo_delivery_lateness_seconds", "From a passage to its being readable at ACC, this event", "summary"
        )
        for quantile, seconds in (("0.5", delivery.median), ("0.95", delivery.p95), ("1", delivery.worst)):
            lateness.add_sample("aforo_delivery_lateness_seconds", {"quantile": quantile}, seconds)
        yield lateness
        yield GaugeMetricFamily("aforo_events_late", "Events that ACC gave late, this event", value=delivery.late)

    def _cameras(self, now: datetime) -> Iterator[Metric]:
        up = GaugeMetricFamily("aforo_camera_up", "1 while the camera answers", labels=["camera", "name"])
        behind = GaugeMetricFamily("aforo_camera_behind_seconds", "What is not known yet", labels=["camera", "name"])
        offset = GaugeMetricFamily(
            "aforo_camera_clock_offset_seconds", "How far a camera's clock is ahead", labels=["camera", "name"]
        )
        faults = GaugeMetricFamily(
            "aforo_camera_fault", "1 while ACC reports that fault of a camera", labels=["camera", "name", "fault"]
        )
        for camera in serializers.cameras(self._live, now):
            for fault in camera.faults:
                if fault.until is None:
                    faults.add_metric([camera.id, camera.name, fault.kind.value], 1)
            up.add_metric([camera.id, camera.name], float(camera.answers))
            behind.add_metric([camera.id, camera.name], camera.behind)
            if camera.clock_offset is not None:
                offset.add_metric([camera.id, camera.name], camera.clock_offset)
        yield up
        yield behind
        yield offset
        yield faults

    def _alerts(self) -> Iterator[Metric]:
        active = GaugeMetricFamily("aforo_alert_active", "1 while an alert is on", labels=["kind", "subject"])
        for alert in self._live.alerts:
            if alert.ended is None:
                active.add_metric([alert.kind.value, alert.subject], 1)
        yield active


def _occupancies(
    kind: str, counted: Iterable[schemas.ZoneState | schemas.TotalState], as_stored: Mapping[str, Occupancy]
) -> Iterator[Metric]:
    """Give the metrics of zones or of totals; ``kind`` is their label, and the second word of their names."""
    gauges = {
        "occupancy": GaugeMetricFamily(f"aforo_{kind}_occupancy", "People or cars inside, as stored", labels=[kind]),
        "provisional": GaugeMetricFamily(
            f"aforo_{kind}_occupancy_provisional", "The same with what is read and not stored yet", labels=[kind]
        ),
        "capacity": GaugeMetricFamily(f"aforo_{kind}_capacity", "Capacity, where it is known", labels=[kind]),
        # No counter: an entry that arrives late may match an exit that was unmatched until then.
        "swallowed": GaugeMetricFamily(
            f"aforo_{kind}_swallowed_exits", "Exits that met the zone at zero", labels=[kind]
        ),
    }
    counters = {
        "entries": CounterMetricFamily(f"aforo_{kind}_entries", "Entries since the event began", labels=[kind]),
        "exits": CounterMetricFamily(f"aforo_{kind}_exits", "Exits since the event began", labels=[kind]),
    }
    for one in counted:
        label, stored = [one.name], as_stored[one.name]
        gauges["occupancy"].add_metric(label, one.stored)
        gauges["provisional"].add_metric(label, one.count)
        if one.capacity:
            gauges["capacity"].add_metric(label, one.capacity)
        gauges["swallowed"].add_metric(label, stored.unmatched_exits)
        counters["entries"].add_metric(label, stored.entries)
        counters["exits"].add_metric(label, stored.exits)
    yield from gauges.values()
    yield from counters.values()


def _is_running(phase: EventPhase) -> float:
    return float(phase in {EventPhase.WATCHING, EventPhase.CLOSING})


class PageLoad(Collector):
    """Makes metrics from what the page serves and refuses."""

    def __init__(self, broadcaster: Broadcaster, admission: Admission) -> None:
        self._broadcaster = broadcaster
        self._places = admission.places
        self._log = admission.log

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as of now."""
        connections, streams = len(self._places), self._broadcaster.clients
        yield GaugeMetricFamily("aforo_web_connections", "Connections to the page", value=connections)
        yield GaugeMetricFamily("aforo_web_streams", "Screens that follow the event stream", value=streams)
        logins = CounterMetricFamily("aforo_web_logins", "Logins on the page, good and wrong", labels=["result"])
        for result, count in self._log.logins.items():
            logins.add_metric([result], count)
        yield logins
        refusals = CounterMetricFamily("aforo_web_refusals", "Requests and connections refused", labels=["kind"])
        for kind, count in {**self._log.refusals, "handshake": self._log.handshakes_failed}.items():
            refusals.add_metric([kind], count)
        yield refusals


class Metrics:
    """The response for Prometheus, the process's own metrics included."""

    def __init__(self, *collectors: Collector) -> None:
        self._registry = CollectorRegistry()
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        for collector in collectors:
            self._registry.register(collector)

    async def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        process = await asyncio.to_thread(generate_latest, self._process)  # it reads files of the system
        return generate_latest(self._registry) + process
