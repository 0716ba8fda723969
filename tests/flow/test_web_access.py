"""Who may enter the page, how long, by which way, and what the log and the metrics hold of it."""

import asyncio
import json
import logging
import re
import socket
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar
from pydantic import SecretStr
from tests.page_harness import PASSWORD, Stage, operators, staged

from aforo.http_server.bounded_log import BoundedLog
from aforo.settings import WebSettings

TOKEN = "clave-de-lectura-1938"
SETTINGS = WebSettings(operators=operators("Ana Ruiz"), read_token=SecretStr(TOKEN))
UUID = "11111111-2222-4333-8444-000000000001"


@asynccontextmanager
async def browser(stage: Stage, **headers: str) -> AsyncIterator[ClientSession]:
    async with ClientSession(stage.url, cookie_jar=CookieJar(unsafe=True), headers=headers) as client:
        yield client


async def log_in(client: ClientSession, name: str = "Ana Ruiz", password: str = PASSWORD) -> ClientResponse:
    async with client.post("/api/v1/session", json={"name": name, "password": password}) as answer:
        await answer.read()
        return answer


async def csrf(client: ClientSession) -> dict[str, str]:
    answer = await log_in(client)
    assert answer.status == 200
    return {"X-CSRF-Token": (await answer.json())["csrf"]}


async def status(client: ClientSession, path: str = "/api/v1/zones", **headers: str) -> int:
    async with client.get(path, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    "mark",
    [
        "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port",
        "X-Forwarded-Server", "X-Forwarded", "X-Real-IP", "Via", "X-Client-IP", "Client-IP",
        "True-Client-IP", "X-Cluster-Client-IP",
        "X-Original-URL", "X-Original-For", "X-Original-Forwarded-For", "X-ARR-SSL", "X-ARR-LOG-ID", "CF-Connecting-IP",
        "Fastly-Client-IP", "X-Envoy-External-Address", "X-ProxyUser-Ip", "X-Remote-Addr", "X-Scheme", "CDN-Loop",
        "Front-End-Https", "X-Azure-ClientIP", "X-Amzn-Trace-Id",
    ],
)  # fmt: skip
async def test_whoever_comes_through_a_proxy_is_not_local(tmp_path: Path, mark: str) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        assert await status(client) == 200
        assert await status(client, **{mark: "10.0.0.9"}) == 401
        assert await status(client, **{mark.lower(): ""}) == 401


async def test_an_old_version_of_the_protocol_is_a_proxys(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        port = int(stage.url.rstrip("/").rpartition(":")[2])
        answers = {}
        for version in ("1.1", "1.0"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /api/v1/zones HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            answers[version] = (await reader.readline()).split()[1]
            writer.close()
        assert answers == {"1.1": b"200", "1.0": b"401"}


async def test_with_a_proxy_in_the_settings_nobody_is_local_and_visitors_are_counted_apart(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"proxies": ["127.0.0.1"]})
    async with staged(tmp_path, settings=settings) as stage, browser(stage) as client:
        assert await status(client) == 401
        guesses = [
            await log_in_from(client, "10.0.0.9, 10.0.0.9:53211", password="otra")  # as IIS writes it
            for _ in range(7)
        ]
        assert [answer.status for answer in guesses] == [401] * 6 + [429]
        spoofed = await log_in_from(client, "10.0.0.77, 10.0.0.9", password="otra")
        assert spoofed.status == 429, "the address that the proxy saw counts, not one that the visitor wrote"
        good = await log_in_from(client, "2001:db8::7")
        assert good.status == 200
        assert "Secure" in good.headers["Set-Cookie"]
        assert await status(client, Cookie=good.headers["Set-Cookie"].partition(";")[0]) == 200


async def log_in_from(client: ClientSession, address: str, password: str = PASSWORD) -> ClientResponse:
    headers = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    order = {"name": "Ana Ruiz", "password": password}
    async with client.post("/api/v1/session", json=order, headers=headers) as answer:
        await answer.read()
        return answer


async def test_a_proxy_may_open_a_connection_for_each_request_of_its_visitors(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"proxies": ["127.0.0.1"]})
    async with staged(tmp_path, settings=settings) as stage:
        port = int(stage.url.rstrip("/").rpartition(":")[2])

        async def visit(number: int) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            visitor = f"X-Forwarded-For: 10.0.{number % 50}.1"
            writer.write(f"GET /health HTTP/1.1\r\nHost: x\r\n{visitor}\r\nConnection: close\r\n\r\n".encode())
            try:
                return (await reader.readline()).split()[1]
            finally:
                writer.close()

        answers = [await asyncio.gather(*(visit(number) for number in range(60))) for _ in range(5)]
        assert {status for some in answers for status in some} == {b"200"}


async def test_who_is_no_proxy_of_the_settings_cannot_say_who_visits(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"proxies": ["10.0.0.1"]})
    async with staged(tmp_path, settings=settings) as stage, browser(stage) as client:
        answers = [await log_in_from(client, f"10.0.0.{number}", password="otra") for number in range(7)]
        assert [answer.status for answer in answers] == [401] * 6 + [429]
        assert await status(client) == 401


async def test_a_logout_ends_the_session_and_its_streams_at_once(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage, Via="1.1 x") as client:
        headers = await csrf(client)
        (cookie,) = client.cookie_jar
        copied = {"Cookie": f"{cookie.key}={cookie.value}"}
        async with client.get("/api/v1/stream") as mine, browser(stage) as local, local.get("/api/v1/stream") as other:
            assert (mine.status, other.status) == (200, 200)
            async with client.delete("/api/v1/session", headers=headers) as answer:
                assert answer.status == 200
            async with asyncio.timeout(2):
                while await mine.content.read(1 << 16):
                    pass
            async with asyncio.timeout(2):
                assert await other.content.readline(), "other screens go on"
        async with browser(stage, Via="1.1 x") as thief:
            assert await status(thief, **copied) == 401


async def test_a_logged_out_session_stays_ended_after_a_restart(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage:
        kept, ended = [await session_of(stage) for _ in range(2)]
        async with browser(stage, Via="1.1 x") as client:
            async with client.delete("/api/v1/session", headers=ended) as answer:
                assert answer.status == 200
            assert [await status(client, **one) for one in (kept, ended)] == [200, 401]
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage, Via="1.1 x") as client:
        assert [await status(client, **one) for one in (kept, ended)] == [200, 401]


async def session_of(stage: Stage) -> dict[str, str]:
    """Log in; return the headers that a request of that session has."""
    async with browser(stage, Via="1.1 x") as client:
        headers = await csrf(client)
        (cookie,) = client.cookie_jar
        return {**headers, "Cookie": f"{cookie.key}={cookie.value}"}


async def test_a_logout_holds_while_the_database_is_away_and_is_stored_when_it_is_back(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage:
        ended = await session_of(stage)
        with closing(sqlite3.connect(stage.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with browser(stage, Via="1.1 x") as client:
                async with client.delete("/api/v1/session", headers=ended) as answer:
                    assert answer.status == 200
                assert await status(client, **ended) == 401
            other.execute("ROLLBACK")
            async with asyncio.timeout(10):
                while not other.execute("SELECT * FROM aforo_ended_sessions").fetchall():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage, Via="1.1 x") as client:
        assert await status(client, **ended) == 401


async def test_a_session_that_ends_by_itself_ends_its_streams(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage, Via="1.1 x") as client:
        await csrf(client)
        async with client.get("/api/v1/stream") as answer:
            assert answer.status == 200
            stage.clock.instant += timedelta(hours=12)
            async with asyncio.timeout(6):
                while await answer.content.read(1 << 16):
                    pass


async def test_a_screen_with_a_session_takes_the_place_of_one_without(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage:
        port = int(stage.url.rstrip("/").rpartition(":")[2])
        screens = []
        for _ in range(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"200"
            screens.append((reader, writer))
        async with browser(stage, Authorization=f"Bearer {TOKEN}") as client, client.get("/api/v1/stream") as answer:
            assert answer.status == 200
            async with asyncio.timeout(3):
                while not screens[0][0].at_eof() and b"0\r\n\r\n" not in await screens[0][0].read(1 << 16):
                    pass
        for _, writer in screens:
            writer.close()


async def test_logins_and_refusals_are_logged_and_counted_at_a_bounded_rate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="aforo.web")
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage) as client:
        headers = await csrf(client)
        assert (await log_in(client, password="otra")).status == 403, "with a session, a login needs its CSRF token"
        async with client.delete("/api/v1/session", headers=headers) as answer:
            assert answer.status == 200
        answers = [await log_in(client, name="contraseña puesta aquí") for _ in range(3)]
        answers += [await log_in(client, password="otra") for _ in range(40)]
        assert [answer.status for answer in answers] == [401] * 6 + [429] * 37
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers[6:])
        assert await status(client, Authorization="Bearer otra") == 200, "local; but the wrong token is counted"
        lines = [record.getMessage() for record in caplog.records if record.name.startswith("aforo.web.access")]
        assert lines.count("Ana Ruiz inició sesión en la página desde 127.0.0.1.") == 1
        assert lines.count("Ana Ruiz cerró su sesión en la página desde 127.0.0.1.") == 1
        wrong = [line for line in lines if line.startswith("Contraseña equivocada")]
        assert [re.findall("para (.*), desde", line)[0] for line in wrong] == (
            ["una cuenta que no existe"] * 3 + ["la cuenta Ana Ruiz"] * 3 + ["la clave de lectura"]
        )
        assert sum("Demasiados intentos" in line for line in lines) == 10
        assert not any("contraseña puesta" in line for line in lines)
        async with client.get("/metrics") as answer:
            text = await answer.text()
        assert 'aforo_web_logins_total{result="good"} 1.0' in text
        assert 'aforo_web_logins_total{result="wrong"} 7.0' in text
        assert 'aforo_web_refusals_total{kind="login_rate"} 37.0' in text
        assert 'aforo_web_refusals_total{kind="forbidden"} 1.0' in text
        assert "aforo_web_connections 1.0" in text


async def test_what_was_left_out_of_the_log_is_said_at_the_end_of_the_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = asyncio.Event()
    end_period = BoundedLog._end_period  # noqa: SLF001 -- the test decides when its minute is over

    def end_once_sent(log: BoundedLog, *kind: Any) -> None:  # the minute lasts until all requests were made
        if sent.is_set():
            end_period(log, *kind)
        else:
            asyncio.get_running_loop().call_later(0.05, end_once_sent, log, *kind)

    monkeypatch.setattr("aforo.http_server.bounded_log._PERIOD", 0.2)
    monkeypatch.setattr(BoundedLog, "_end_period", end_once_sent)
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage) as client:
        for _ in range(12):
            await status(client, Authorization="Bearer otra")
        sent.set()
        async with asyncio.timeout(5):
            while not any("veces más" in record.getMessage() for record in caplog.records):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    lines = [record.getMessage() for record in caplog.records]
    said = next(line for line in lines if "veces más" in line)
    left_out = int(said.split()[0])
    assert sum("clave de lectura" in line for line in lines) + left_out == 12
    assert "%s" not in said


async def test_names_of_operators_cannot_be_found_out(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage) as client:
        answers = [await log_in(client, name=name, password="otra") for name in ("Ana Ruiz", "ana ruiz ", "Nadie")]
        bodies = {(answer.status, await answer.text(), tuple(sorted(answer.headers))) for answer in answers}
        assert len(bodies) == 1


@pytest.mark.parametrize(
    "reserved",
    [f"deshace:{UUID}", f"~{UUID}", f"deshace:deshace:{UUID}", UUID[:-1] + "~", UUID.replace("-", ""), "-" * 36, ""],
)
async def test_an_id_that_the_program_makes_itself_cannot_be_sent(tmp_path: Path, reserved: str) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage) as client:
        await stage.play(stage.at(30))
        headers = await csrf(client)
        order = {"id": reserved, "zone": "Zona Sur", "delta": 1, "reason": "prueba"}
        async with client.post("/api/v1/corrections", json=order, headers=headers) as answer:
            assert answer.status == 422
        assert not stage.live.corrections


def cursor(*fields: Any) -> str:
    return urlsafe_b64encode(json.dumps(fields).encode()).decode()


@pytest.mark.parametrize(
    "after",
    [
        "zzz", "é", "=", "A", "\x00", "%ff", "A" * 401,
        cursor(), cursor(1), cursor(1, 2), cursor(1, 2, "x"), cursor(1, 2, "x", 3, 4),
        cursor(-1, 1, "x", 1), cursor(10**30, 1, "x", 1), cursor([1], 2, "x", 1), cursor("1", 2, "x", 1),
        cursor(float("inf"), 1, "x", 1), cursor(float("nan"), 1, "x", 1), cursor(1, 10**30, "x", 1),
        cursor(1, 2, None, 1), cursor(1, 2, "\ud800", 1), cursor(1, 2, "x" * 500, 1),
        cursor(1, 2, "x", 10**30), cursor(1, 2, "x", -1),
        urlsafe_b64encode(b"[1e999,1,\"x\",1]").decode(), urlsafe_b64encode(b"[" * 250).decode(),
        urlsafe_b64encode(b"{}").decode(), urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)  # fmt: skip
async def test_a_cursor_of_ones_own_making_is_rejected_without_a_fault(tmp_path: Path, after: str) -> None:
    async with staged(tmp_path) as stage, browser(stage) as client:
        await stage.play(stage.at(5))
        async with client.get("/api/v1/events", params={"after": after}) as answer:
            assert answer.status == 422
            assert "error" in await answer.json()
        async with client.get("/api/v1/events", params={"after": cursor(1, 2, "x" * 200, 1)}) as answer:
            assert answer.status == 200, "well formed, of no page"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"1e999", b"[" * 16_000, b'{"a":' * 3_000, b"9" * 10_000,
        b'{"id": 9, "zone": [], "reason": {}, "delta": "x"}',
        b'{"\\ud800": 1}', b'{"' + b"x" * 9_000 + b'": 1}', b'{"\\u0000": "\\u0000"}', b'{"<script>": 1, "..": 2}',
        b'{"id": "%s", "zone": "\\ud800", "reason": "x", "delta": 1}' % UUID.encode(),
        b'{"id": "%s", "zone": "Zona Sur", "reason": "\\u0000\\u202e", "delta": 1}' % UUID.encode(),
        b'{"id": "%s", "zone": "Zona Sur", "reason": "x", "delta": 1e999}' % UUID.encode(),
        b'{"id": "%s", "zone": "Zona Sur", "reason": "x", "delta": %s}' % (UUID.encode(), b"9" * 5_000),
        b'{"id": "%s", "zone": "Zona Sur", "reason": "x", "delta": NaN}' % UUID.encode(),
    ],
)  # fmt: skip
async def test_no_body_ends_in_a_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    async with staged(tmp_path, settings=SETTINGS) as stage, browser(stage) as client:
        headers = {**await csrf(client), "Content-Type": "application/json"}
        for path in ("corrections", f"corrections/{UUID}/undo", "session"):
            async with client.post(f"/api/v1/{path}", data=body, headers=headers) as answer:
                assert answer.status < 500, await answer.text()
                assert answer.status == 200 or "error" in await answer.json()
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_fault_of_ours_is_answered_and_logged_at_a_bounded_rate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async with staged(tmp_path) as stage, browser(stage) as client:
        monkeypatch.setattr("aforo.web.serializers.zones", broken)
        for _ in range(30):
            async with client.get("/api/v1/zones") as answer:
                assert (answer.status, await answer.json()) == (500, {"error": "Error interno: está en el registro."})
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        monkeypatch.undo()
        assert await status(client) == 200
    assert len([record for record in caplog.records if record.exc_info]) == 10


async def test_a_page_without_a_free_descriptor_says_so_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener whose accept fails as the system's does when the process has no descriptor left."""
    async with staged(tmp_path) as stage, browser(stage) as client:
        loop = asyncio.get_running_loop()
        accept, failures = loop.sock_accept, iter(range(2))

        async def failing(sock: socket.socket) -> Any:
            if next(failures, None) is not None:
                raise OSError(24, "Too many open files")
            return await accept(sock)

        monkeypatch.setattr(loop, "sock_accept", failing)
        monkeypatch.setattr("aforo.http_server.acceptor._PAUSE", 0.05)
        assert await status(client) == 200
        async with browser(stage) as another:
            assert await status(another) == 200
        assert next(failures, None) is None
    lines = [record for record in caplog.records if "no puede admitir conexiones" in record.getMessage()]
    assert len(lines) == 2
    assert not any(record.exc_info for record in lines)
