"""Alerts and their transitions, with the real database, live state and a real receiver of the webhook."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from tests.page_harness import BOGOTA, START, StageClock, capped_zones, staged

from aforo.alerting.engine import AlertTransition
from aforo.alerting.notifier import AlertNotifier
from aforo.alerting.webhook import Webhook
from aforo.background import Backoff, background_task
from aforo.live.state import LiveState
from aforo.models import Alert, AlertKind
from aforo.settings import AlertsSettings, zones_from
from aforo.storage import Database, Store

FULL_SOON = capped_zones((100_000, 100_000, 50))  # Zona Sur fills up within the first hours
BOTH = [("begin", "zone_warning"), ("begin", "zone_full")]

QUICK = Backoff(first=0.01, longest=0.08, least=0.5, attempts=5)


@dataclass
class Receiver:
    """A webhook's other end: answers with ``status``, or ``hangs``, and keeps the requests."""

    status: int = 200
    hangs: bool = False
    got: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        self.got.append(await request.json())
        if self.hangs:
            await asyncio.Event().wait()
        return web.Response(status=self.status)

    @property
    def received(self) -> list[tuple[str, str]]:
        return [(one["type"], one["kind"]) for one in self.got]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/aviso", self.take)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/aviso"
        finally:
            await runner.cleanup()


def settings(url: str, **given: Any) -> AlertsSettings:
    plain: dict[str, Any] = {"webhook_url": SecretStr(url), "minimum": 0, "silent_door": 0}
    return AlertsSettings(**(plain | given))


async def until(what: Any, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 -- what is waited for is on the other side of a socket, or in a thread
            await asyncio.sleep(0.05)


def active(live: LiveState) -> list[tuple[AlertKind, str]]:
    return [(alert.kind, alert.subject) for alert in live.alerts if alert.ended is None]


async def test_a_database_that_is_away_is_sent_once_and_holds_up_no_other_alert(tmp_path: Path) -> None:
    receiver = Receiver()
    async with (
        receiver.listening() as url,
        staged(tmp_path, alerts=settings(url, minimum=60), zones=FULL_SOON) as stage,
    ):
        await stage.play(stage.at(1))
        with closing(sqlite3.connect(stage.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await stage.play(stage.at(2), stored=False)
            await until(lambda: stage.database.down_since is not None)
            await stage.play(stage.at(8), stored=False)
            await until(lambda: receiver.received)
            assert receiver.received == [("begin", "database_down")]
            await stage.play(stage.at(100), stored=False)
            await until(lambda: len(receiver.received) == 3)
            assert receiver.received[1:] == BOTH
            other.execute("ROLLBACK")
        await stage.play(stage.at(101))
        await until(lambda: len(receiver.received) == 4)
        await stage.play(stage.at(110))
        await until(lambda: (AlertKind.DATABASE_DOWN, "") not in active(stage.live))
    assert receiver.received[3:] == [("end", "database_down")]
    with closing(sqlite3.connect(stage.path)) as database:
        query = "SELECT began_ms, ended_ms FROM aforo_journal WHERE kind = 'alert' AND detail LIKE '%database_down%'"
        ((began, ended),) = database.execute(query).fetchall()
        (sent,) = database.execute("SELECT count(*) FROM aforo_journal WHERE kind = 'alert sent'").fetchone()
    assert began < ended
    assert sent == 4


async def test_a_webhook_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    receiver = Receiver(hangs=True)
    async with receiver.listening() as url:
        async with staged(tmp_path, alerts=settings(url), zones=FULL_SOON) as stage:
            await stage.play(stage.at(100))
            await until(lambda: receiver.got)
            assert set(active(stage.live)) == {(AlertKind.ZONE_WARNING, "Zona Sur"), (AlertKind.ZONE_FULL, "Zona Sur")}
            await stage.play(stage.at(110))
            truth = stage.scenario.truth().between(stage.at(0), stage.at(110), stage.scenario.allowed)
            assert stage.live.occupancies["Zona Sur"].count == truth.zones["Zona Sur"].aforo
            leaving = time.monotonic()
        assert time.monotonic() - leaving < 6.0
    assert len(receiver.got) == 1


@pytest.mark.parametrize(("status", "tries"), [(503, 5), (429, 5), (400, 1), (302, 1)])
async def test_a_transition_is_tried_several_times_and_given_up(
    status: int, tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(status)
    transition = AlertTransition(Alert("x", AlertKind.STALE, "", "viejo", START))
    async with receiver.listening() as url, aiohttp.ClientSession() as session:
        assert not await Webhook(url, "json", session, QUICK).send(transition, "A")
    assert receiver.keys == ["x-begin"] * tries
    (logged,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"respuesta {status}" in logged
    assert url not in logged


async def test_nobody_listens_and_it_is_given_up() -> None:
    transition = AlertTransition(Alert("x", AlertKind.STALE, "", "viejo", START))
    async with Receiver().listening() as url:
        pass
    async with aiohttp.ClientSession() as session:
        assert not await Webhook(url, "json", session, QUICK).send(transition, "A")


@asynccontextmanager
async def restarted(
    folder: Path, alerts: AlertsSettings, webhook: Webhook | None, minutes: float = 110
) -> AsyncIterator[tuple[AlertNotifier, LiveState]]:
    """The program as it starts anew: the database is open, and no event yet."""
    zones = zones_from(FULL_SOON)
    clock = StageClock(START + timedelta(minutes=minutes))
    store = Store(f"sqlite:///{folder / 'stage.db'}", zones, BOGOTA)
    async with Database(store, clock) as database:
        await database.open()
        live = LiveState(FULL_SOON)
        notifier = AlertNotifier(alerts, live, clock, database, [] if webhook is None else [webhook])
        async with background_task(notifier.run(), name="notifier"):
            yield notifier, live


async def test_after_a_restart_an_alert_waits_for_its_event_and_is_not_sent_again(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.listening() as url:
        async with staged(tmp_path, alerts=settings(url), zones=FULL_SOON) as stage:
            await stage.play(stage.at(100))
            await until(lambda: receiver.received == BOTH)
        async with aiohttp.ClientSession() as session:
            webhook = Webhook(url, "json", session, QUICK)
            async with restarted(tmp_path, settings(url), webhook) as (notifier, live):
                await until(lambda: len(active(live)) == 2)
                notifier.check()
                await notifier.finish()
                assert len(active(live)) == 2, "until the event is open nothing is known of its zones"
        async with staged(tmp_path, alerts=settings(url), zones=FULL_SOON) as stage:
            stage.clock.instant = stage.played = stage.at(100)
            await stage.play(stage.at(101))
            await until(lambda: len(active(stage.live)) == 2)
            await asyncio.sleep(1.5)  # several checks
    assert receiver.received == BOTH


async def test_a_journal_entry_that_cannot_be_read_costs_that_alert_alone(tmp_path: Path) -> None:
    async with staged(tmp_path, alerts=settings(""), zones=FULL_SOON) as stage:
        await stage.play(stage.at(100))
        await until(lambda: len(active(stage.live)) == 2)
    with closing(sqlite3.connect(tmp_path / "stage.db")) as damaged, damaged:
        rows = damaged.execute("SELECT id, detail FROM aforo_journal WHERE kind = 'alert' ORDER BY id").fetchall()
        (first, _), (_, kept) = rows
        for detail in ("", "{", "[]", '{"id": 1}', kept.replace('"kind": "', '"kind": "x')):
            damaged.execute(
                "INSERT INTO aforo_journal (kind, subject, began_ms, detail) VALUES ('alert', '', 0, ?)", (detail,)
            )
        damaged.execute("UPDATE aforo_journal SET detail = ? WHERE id = ?", ("\0", first))
    async with restarted(tmp_path, settings(""), None) as (_, live):
        await until(lambda: len(active(live)) == 1)


async def test_an_alert_whose_condition_ended_while_the_program_was_down_ends(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.listening() as url:
        async with staged(tmp_path, alerts=settings(url), zones=FULL_SOON) as stage:
            await stage.play(stage.at(100))
            await until(lambda: receiver.received == BOTH)
            assert stage.live.record is not None
            await stage.database.close_record(stage.live.record, stage.clock.now())
        async with aiohttp.ClientSession() as session:
            webhook = Webhook(url, "json", session, QUICK)
            async with restarted(tmp_path, settings(url), webhook):
                await until(lambda: len(receiver.received) == 4)
    assert receiver.received[2:] == [("end", "zone_warning"), ("end", "zone_full")]
    assert {one["id"] for one in receiver.got[2:]} == {one["id"] for one in receiver.got[:2]}


async def test_an_alert_of_an_event_that_is_not_opened_again_ends(tmp_path: Path) -> None:
    async with staged(tmp_path, alerts=settings(""), zones=FULL_SOON) as stage:
        await stage.play(stage.at(100))
        await until(lambda: len(active(stage.live)) == 2)
    async with restarted(tmp_path, settings(""), None, minutes=3 * 24 * 60) as (_, live):
        await until(lambda: len([alert for alert in live.alerts if alert.ended is not None]) == 2)
        assert not active(live)
