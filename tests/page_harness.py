"""The page with a real database, live state, alerts and web server; only the cameras' events are handed in.

The event's clock stands where the test puts it: ``play`` moves it on, and stores the scenario's events until then.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from aforo import web
from aforo.alerting import notifying_alerts
from aforo.clock import SystemClock
from aforo.counting.rules import Rules
from aforo.live.state import HealthProbes, LiveState
from aforo.models import Batch, CameraEvent, CommitResult, Feed, FeedStatus, Page, Rule, ScheduledEvent, Window
from aforo.settings import (
    STADIUM_ZONES,
    AlertsSettings,
    OperatorSettings,
    Settings,
    WebSettings,
    ZoneSettings,
    zones_from,
)
from aforo.simulator import Scenario, ScenarioPlan
from aforo.simulator.event_log import instant_of, milliseconds
from aforo.storage import Database, EventRecord, Store
from aforo.web.auth import hash_password

START = datetime(2026, 11, 24, 21, tzinfo=UTC)  # 16:00 in Bogotá
BOGOTA = ZoneInfo("America/Bogota")
PASSWORD = "Campín 1938"
STORED = ("contains:PUERTA", "contains:AFORO ENTRADA SENCIA", "equals:INGRESO PERSONAS ENTRADA MARATON")
CAPACITIES = (800, 520, 420)


class StageClock(SystemClock):
    """The event's time stands still until the test moves it; waiting is short and real."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


def operators(*names: str) -> list[OperatorSettings]:
    return [OperatorSettings(name=name, password_hash=SecretStr(hash_password(PASSWORD))) for name in names]


def certificate_files(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for this machine and its key; returns both files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "page.pem", folder / "page.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def capped_zones(capacities: Sequence[int] = CAPACITIES) -> list[ZoneSettings]:
    """The stadium's zones; the capacities are those of the car parks."""
    return [
        zone.model_copy(update={"capacity": capacity})
        for zone, capacity in zip(STADIUM_ZONES, (*capacities, 40_000), strict=True)
    ]


@dataclass
class Stage:
    """Everything that a test may touch."""

    clock: StageClock
    scenario: Scenario
    event: ScheduledEvent
    record: EventRecord
    live: LiveState
    rules: Rules
    database: Database
    path: Path
    url: str = ""
    played: datetime = field(default=START)

    async def play(self, until: datetime, *, stored: bool = True, silent: Sequence[str] = ()) -> None:
        """Let the event go on until then; cameras in ``silent`` are not read. ``stored``: wait for the database."""
        fresh: defaultdict[str, list[CameraEvent]] = defaultdict(list)
        cameras = [camera for camera in self.scenario.allowed if camera not in silent]
        for crossing in self.scenario.event_log.crossings(milliseconds(self.played), milliseconds(until), cameras):
            kind = crossing.kind
            instant, area = instant_of(crossing.at), kind.area or ""
            fresh[kind.camera_id].append(
                CameraEvent(
                    kind.server_id, str(crossing.number), instant, kind.camera_id, kind.name, area, kind.activity
                )
            )
        self.clock.instant = self.played = until
        batches = []
        for camera in cameras:  # without a pause: at no moment is the clock far ahead of what was read
            batch = self.rules.classify_page(Page(fresh[camera]), self.event, frozenset(self.scenario.allowed))
            for feed in [feed for feed in self.live.feeds if feed.camera_id == camera]:
                self.change_feed(feed, read_until=until)
                batch.checkpoints[feed] = until
            self.live.page_read(batch, until)
            batches.append(batch)
        for batch in batches:
            await self.database.put(self.record, batch)
        if stored:
            await self.database.drain()
        self.live.notify()

    def change_feed(self, feed: Feed, **changes: Any) -> None:
        """Change the status of a feed; ``changes`` are fields of FeedStatus."""
        self.live.update_feeds([replace(self.live.feeds[feed], **changes)], self.clock.now())

    def at(self, minutes: float) -> datetime:
        """Return the instant that many minutes after the event's start."""
        return START + timedelta(minutes=minutes)


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    settings: WebSettings | None = None,
    alerts: AlertsSettings | None = None,
    zones: Sequence[ZoneSettings] | None = None,
    scenario: Scenario | None = None,
    port: int = 0,
    wait_ready: bool = True,
    opened: bool = True,
) -> AsyncIterator[Stage]:
    """Serve the page over an event of that scenario. ``wait_ready``: yield once the page answers.

    ``opened``: the event is under way.
    """
    plan = ScenarioPlan(START, START + timedelta(hours=7), cameras=24, events=9_000, servers=1)
    scenario = scenario or Scenario(plan)
    zones = list(zones or capped_zones())
    event = ScheduledEvent(date(2026, 11, 24), "Millonarios – Santa Fe", Window(START, START + timedelta(hours=7)))
    clock = StageClock(START)
    rules = Rules(map(Rule.of, STORED), zones_from(zones))
    path = folder / "stage.db"
    address = f"sqlite:///{path}"

    def make_store() -> Store:
        return Store(address, zones_from(zones), BOGOTA)

    live = LiveState(zones, totals=Settings(zones=zones).totals)
    async with Database(make_store(), clock) as database:

        def on_stored(_record: EventRecord, batch: Batch, stored: CommitResult) -> None:
            live.committed(stored, clock.now(), batch)

        database.on_stored = on_stored
        live.connect(
            HealthProbes(
                database_down_since=lambda: database.down_since,
                waiting=lambda: database.waiting(live.record) if live.record is not None else (),
                pending=lambda: database.pending,
            )
        )
        await database.open()
        record = await database.open_record(event, rules.classify, rules.fingerprint)
        live.list_cameras({camera.id: camera.name for camera in scenario.cameras})
        if opened:
            feeds = [Feed(scenario.servers[0].id, camera) for camera in scenario.allowed]
            live.open(record, clock.now(), [FeedStatus(feed, event.window.since) for feed in feeds])
            live.load(await database.stored_history(record))
        stage = Stage(clock, scenario, event, record, live, rules, database, path)
        corrections, events = web.CorrectionService(live, database, clock), web.EventReader(live, make_store)
        settings = (settings or WebSettings(operators=operators("Ana Ruiz"))).model_copy(update={"port": port or 8080})
        stale_after = (alerts or AlertsSettings()).stale
        archive = web.SessionArchive(database)
        context = web.WebContext(settings, live, clock, "America/Bogota", stale_after, corrections, events, archive)
        async with (
            notifying_alerts(alerts or AlertsSettings(), live, clock, database),
            web.serving(context, free_port=not port) as page,
        ):
            assert page is not None
            if wait_ready:
                async with asyncio.timeout(10):
                    await page.ready.wait()
            stage.url = page.url
            yield stage
