"""Warnings and their notices, with the real store, writer, board and a real webhook's other end."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from tests.page_harness import BOGOTA, START, Stage, StageClock, capped_zones, staged

from aforo.alerting.engine import AlertTransition
from aforo.alerting.notifier import AlertNotifier
from aforo.alerting.webhook import Webhook
from aforo.background import Backoff
from aforo.live.state import LiveState
from aforo.models import Alert, AlertKind
from aforo.settings import AlertsSettings, zones_from
from aforo.storage import Database, Store

FULL_SOON = capped_zones((100_000, 100_000, 50))  # Zona Sur fills up within the first hours
BOTH = [("begin", "zone_warning"), ("begin", "zone_full")]

QUICK = Backoff(first=0.01, longest=0.08, least=0.5, attempts=5)


@dataclass
class Receiver:
    """A webhook's other end: answers with ``status``, or ``hangs``, and keeps what it was asked."""

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
    def told(self) -> list[tuple[str, str]]:
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


async def until(what: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 -- what is waited for is on the other side of a socket, or in a thread
            await asyncio.sleep(0.05)


def active(stage: Stage) -> list[tuple[AlertKind, str]]:
    return [(alert.kind, alert.subject) for alert in stage.live.alerts if alert.ended is None]


async def test_a_database_that_is_away_is_told_once_and_holds_up_no_other_notice(tmp_path: Path) -> None:
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
            await until(lambda: receiver.told)
            assert receiver.told == [("begin", "database_down")]
            await stage.play(stage.at(100), stored=False)
            await until(lambda: len(receiver.told) == 3)
            assert receiver.told[1:] == BOTH
            other.execute("ROLLBACK")
        await stage.play(stage.at(101))
        await until(lambda: len(receiver.told) == 4)
        await stage.play(stage.at(110))
        await until(lambda: (AlertKind.DATABASE_DOWN, "") not in active(stage))
    assert receiver.told[3:] == [("end", "database_down")]
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
            assert set(active(stage)) == {(AlertKind.ZONE_WARNING, "Zona Sur"), (AlertKind.ZONE_FULL, "Zona Sur")}
            await stage.play(stage.at(110))
            truth = stage.scenario.truth().between(stage.at(0), stage.at(110), stage.scenario.allowed)
            assert stage.live.occupancies["Zona Sur"].count == truth.zones["Zona Sur"].aforo
            leaving = time.monotonic()
        assert time.monotonic() - leaving < 6.0
    assert len(receiver.got) == 1


@pytest.mark.parametrize(("status", "tries"), [(503, 5), (429, 5), (400, 1), (302, 1)])
async def test_a_notice_is_tried_some_times_and_given_up(
    status: int, tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(status)
    notice = AlertTransition(Alert("x", AlertKind.STALE, "", "viejo", START))
    async with receiver.listening() as url, aiohttp.ClientSession() as session:
        assert not await Webhook(url, "json", session, QUICK).send(notice, "A")
    assert receiver.keys == ["x-begin"] * tries
    (told,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"respuesta {status}" in told
    assert url not in told


async def test_nobody_listens_and_it_is_given_up() -> None:
    notice = AlertTransition(Alert("x", AlertKind.STALE, "", "viejo", START))
    async with Receiver().listening() as url:
        pass
    async with aiohttp.ClientSession() as session:
        assert not await Webhook(url, "json", session, QUICK).send(notice, "A")


@asynccontextmanager
async def restarted(
    folder: Path, alerts: AlertsSettings, webhook: Webhook | None, minutes: float = 110
) -> AsyncIterator[AlertNotifier]:
    """The program as it starts anew: the store is open, and no evening yet."""
    zones = zones_from(FULL_SOON)
    clock = StageClock(START + timedelta(minutes=minutes))
    store = Store(f"sqlite:///{folder / 'stage.db'}", zones, BOGOTA)
    async with Database(store, clock) as database:
        await database.open()
        watchman = AlertNotifier(alerts, LiveState(FULL_SOON), clock, database, webhook)
        running = asyncio.create_task(watchman.run())
        try:
            yield watchman
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def test_after_a_restart_what_is_on_waits_for_the_evening_and_is_not_told_again(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.listening() as url:
        async with staged(tmp_path, alerts=settings(url), zones=FULL_SOON) as stage:
            await stage.play(stage.at(100))
            await until(lambda: receiver.told == BOTH)
        async with aiohttp.ClientSession() as session:
            webhook = Webhook(url, "json", session, QUICK)
            async with restarted(tmp_path, settings(url), webhook) as watchman:
                await until(lambda: len(watchman._watch.active) == 2)
                watchman.look()
                await watchman.finish()
                assert len(watchman._watch.active) == 2, "until the evening is open nothing can be told of its zones"
        async with staged(tmp_path, alerts=settings(url), zones=FULL_SOON) as stage:
            stage.clock.instant = stage.played = stage.at(100)
            await stage.play(stage.at(101))
            await until(lambda: len(active(stage)) == 2)
            await asyncio.sleep(1.5)  # some looks
    assert receiver.told == BOTH


async def test_what_ended_while_it_was_down_is_ended(tmp_path: Path) -> None:
    receiver = Receiver()
    async with receiver.listening() as url:
        async with staged(tmp_path, alerts=settings(url), zones=FULL_SOON) as stage:
            await stage.play(stage.at(100))
            await until(lambda: receiver.told == BOTH)
            assert stage.live.show is not None
            await stage.database.close_record(stage.live.show, stage.clock.now())
        async with aiohttp.ClientSession() as session:
            webhook = Webhook(url, "json", session, QUICK)
            async with restarted(tmp_path, settings(url), webhook):
                await until(lambda: len(receiver.told) == 4)
    assert receiver.told[2:] == [("end", "zone_warning"), ("end", "zone_full")]
    assert {one["id"] for one in receiver.got[2:]} == {one["id"] for one in receiver.got[:2]}


async def test_what_was_on_in_an_evening_that_nobody_opens_again_is_over(tmp_path: Path) -> None:
    async with staged(tmp_path, alerts=settings(""), zones=FULL_SOON) as stage:
        await stage.play(stage.at(100))
        await until(lambda: len(active(stage)) == 2)
    async with restarted(tmp_path, settings(""), None, minutes=3 * 24 * 60) as watchman:
        await until(lambda: len(watchman._over) == 2)
        assert not watchman._watch.active
