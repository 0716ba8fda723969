"""A server that lies, by real HTTPS: no header, no byte and no echoed secret costs more than itself."""

import asyncio
import gzip
import html
import json
import logging
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from pydantic import SecretStr
from tests.contract.avigilon.recorded_client import (
    NO_RETRY,
    QUICK,
    SEARCH,
    assert_no_secret,
    client,
    error,
    events,
    pages,
)
from tests.contract.avigilon.sites import SESSION, Recorded, Reply, recording
from tests.fake_clock import FakeClock

from aforo.avigilon import AvigilonClient
from aforo.cli.check.checkup import checkup
from aforo.cli.check.results import to_document
from aforo.cli.console import Output
from aforo.clock import SystemClock
from aforo.errors import AccError, AccUnreachable
from aforo.logging_setup import logging_to
from aforo.redaction import Mask
from aforo.settings import DatabaseSettings, LogSettings, MonitorSettings, Settings, WebSettings

BODY = b'{"status": "success", "result": {}}'
DATES = (
    "ayer", "", "Mon, 99 Foo 20266 99:99:99 +9999", "Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 2026 00:00:00 +99999999999999999999", f"Mon, 01 Jan {'9' * 5000} 00:00:00 GMT", "\xff\x80",
    "Mon, 01 Jan 2026 00:00:00 -2400",
)  # fmt: skip
LENGTHS = ("-1", "9" * 30, "1e3", "0x10", "+5", " ", "5, 6", "0\r\nContent-Length: 7")
HEADERS = (
    *(f"Date: {date}" for date in DATES),
    *(f"Content-Length: {length}" for length in LENGTHS),
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: \xff",
    "Content-Type: \xff\x00/; charset=\x01", "Content-Type: application/json; charset=utf-7", "Content-Type: ;;;=",
    "Retry-After: 1e999", "Retry-After: -5", "Retry-After: \xff", "Connection: \xff, close, upgrade", "Upgrade: h2c",
    "Set-Cookie: a=b; Max-Age=99999999999999999999; Expires=Mon, 99 Foo 99999", "Set-Cookie: \xff=\x00; Domain=.",
    "Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: br", "Content-Encoding: zstd",
    "Content-Encoding: \xff", "Keep-Alive: timeout=-9", "WWW-Authenticate: Negotiate \xff", "no colon", ": no name",
    " folded: line", "X-Long: " + "x" * 100_000, "\r\n".join(f"X-{number}: y" for number in range(20_000)),
    "X: \x00\x0b",
)  # fmt: skip
STATUS_LINES = (
    "HTTP/1.1 99999 Odd", "HTTP/1.1 000 Odd", "HTTP/1.1 -1 Odd", "HTTP/1.1 2xx Odd", "HTTP/9.9 200 OK", "ICY 200 OK",
    "", "HTTP/1.1 200 " + "x" * 100_000, "HTTP/1.1 101 Switching", "HTTP/1.1 204 None", "HTTP/1.1 \xff",
    "HTTP/1.1 100 Continue",
)  # fmt: skip
LOCATIONS = (
    "",
    "http://[",
    "//",
    "\xff",
    "https://user:clave-inventada@x/",
    "javascript:alert(1)",
    "https://\x1b]0;t\x07/",
)


def raw(status: str = "HTTP/1.1 200 OK", *headers: str) -> Reply:
    head = "\r\n".join([status, *headers]).encode("latin-1")
    return Reply(raw=head + b"\r\n\r\n" + BODY)


@pytest.mark.parametrize(
    "reply",
    [
        *(raw("HTTP/1.1 200 OK", header) for header in HEADERS),
        *(raw(status, f"Content-Length: {len(BODY)}") for status in STATUS_LINES),
        *(raw("HTTP/1.1 302 Found", f"Location: {location}", "Content-Length: 0") for location in LOCATIONS),
        raw("HTTP/1.1 302 Found", "Content-Length: 0"),
    ],
    ids=str,
)
async def test_no_header_ends_the_program(recorded: Recorded, reply: Reply) -> None:
    recorded.script["/login"] = [reply]
    recorded.script[SEARCH] = [reply]
    failures: list[AccError] = []
    async with AvigilonClient(recorded.settings(timeout=2), SystemClock(), NO_RETRY) as acc:
        for attempt in (acc.login(), pages(acc, recorded)):
            try:
                await attempt
            except AccError as raised:
                failures.append(raised)
        assert len(await events(acc, recorded)) == 4
    for failure in failures:
        assert_no_secret(failure)
        assert str(failure).isprintable()


async def test_a_decompression_bomb_is_cut(recorded: Recorded) -> None:
    bomb = gzip.compress(b" " * (70 * 1024 * 1024), 1)
    recorded.script[SEARCH] = [Reply(body=bomb, headers={"Content-Encoding": "gzip"})]
    async with client(recorded, NO_RETRY) as acc:
        with pytest.raises(AccUnreachable, match="64 MB"):
            await pages(acc, recorded)


SECRETS = ("clave-inventada", "nonce-inventado", "llave-inventada", SESSION)
ECHOES = (
    lambda text: text,
    lambda text: json.dumps("".join(f"\\u{ord(one):04x}" for one in text)),
    lambda text: quote(quote(text.replace("-", "/"), safe=""), safe="").replace("%252F", "%2D"),
    lambda text: html.escape("".join(f"&#{ord(one)};" for one in text)),
    lambda text: text.encode().hex(),
)


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
async def test_what_the_server_echoes_is_masked_in_errors_and_names(
    recorded: Recorded, echo: object, status: int
) -> None:
    assert callable(echo)
    words = " ".join(map(echo, SECRETS))
    camera = {"id": "c", "name": words, "connectionState": "CONNECTED"}
    listed = json.dumps({"status": "success", "result": {"cameras": [camera]}}).encode()
    async with client(recorded) as acc:
        recorded.script[SEARCH] = [error(status, words)] * 9
        with pytest.raises(AccError) as raised:
            await pages(acc, recorded)
        recorded.script["/cameras"] = [Reply(body=listed)]
        (found,) = await acc.cameras()
    for shown in (str(raised.value), found.name):
        assert not [secret for secret in SECRETS if echo(secret) in shown]
        assert shown.count("***") >= len(SECRETS)


async def test_what_names_echo_is_masked_by_the_commands_and_the_log(
    recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(SECRETS)
    recorded.first = recorded.first.replace(b"PUERTA 12", f"PUERTA {words}".encode())
    cameras = tmp_path / "cameras.json"
    cameras.write_text(json.dumps([recorded.camera]))
    settings = Settings(
        acc=recorded.settings(),
        database=DatabaseSettings(url=SecretStr(f"sqlite:///{tmp_path}/aforo.db")),
        monitor=MonitorSettings(schedule_file=tmp_path / "events.json", cameras_file=cameras),
        log=LogSettings(file=tmp_path / "aforo.log"),
        web=WebSettings(port=0),
    )
    mask = Mask()
    lines = await checkup(lambda: settings, FakeClock(recorded.window.until), 1, lambda _: None, mask)
    assert SESSION in str(lines), "the names came through"
    Output(mask).document(to_document(lines))

    def log() -> None:
        with logging_to(settings.log, settings.monitor.timezone, mask, console=sys.stderr):
            logging.getLogger("aforo").warning("El nombre analítico «%s» no se cuenta.", words)

    await asyncio.to_thread(log)
    out, err = capsys.readouterr()
    for shown in (out, err, (tmp_path / "aforo.log").read_text(encoding="utf-8")):
        assert "PUERTA *** ***" in shown or "«*** ***" in shown
        assert not [secret for secret in SECRETS if secret in shown]


async def test_the_token_of_a_login_is_masked_too(recorded: Recorded) -> None:
    mask = Mask()
    async with AvigilonClient(recorded.settings(), SystemClock(), QUICK, mask) as acc:
        await acc.login()
    token = json.loads(recorded.got[0].body)["authorizationToken"]
    assert mask(f"<{token}> <{token.split(':')[2]}> <{SESSION}>") == "<***> <***> <***>"


async def test_one_damaged_byte_costs_one_event_and_is_logged_once(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    recorded.first = recorded.first.replace(b'"thisId": "32732"', b'"thisId" "32732"').replace(
        b'"32733"', b'"32\x01733"'
    )
    async with client(recorded) as acc:
        for _ in range(2):
            got = await pages(acc, recorded)
            assert len([event for page in got for event in page.events]) == 3
            assert [one.reason for page in got for one in page.malformed].count("ilegible") == 1
    logged = [record.getMessage() for record in caplog.records if "respuestas dañadas" in record.getMessage()]
    assert len(logged) == 1
    searches = [one.raw for one in recorded.got if one.path == SEARCH and "TIME_RANGE" in one.raw]
    assert len(searches) == 4, "a damaged answer is asked for once more"


async def test_a_damaged_answer_that_comes_whole_the_second_time_costs_nothing(recorded: Recorded) -> None:
    recorded.script[SEARCH] = [Reply(body=recorded.first.replace(b'"thisId": "32732"', b'"thisId" "32732"'))]
    async with client(recorded) as acc:
        assert len(await events(acc, recorded)) == 4


ENTRIES = ("null", '{"id": "a", "name": "A\x1b"}', '{"id": "b", "name": }', '{"id": 5}', '{"id": "c", "name": "\\q"}')


@pytest.mark.parametrize("times", [1, 99])
async def test_a_damaged_page_that_a_token_leads_to_is_queried_anew(recorded: Recorded, times: int) -> None:
    whole, damaged = recorded.next, recorded.next.replace(b'"thisId": "32740"', b'"thisId" "32740"')
    assert damaged != whole

    class Site(Recorded):
        left = times

        def _search(self, request: web.Request) -> bytes:
            if request.query["queryType"] == "CONTINUE" and request.query["token"].endswith("+=="):
                self.left -= 1
                return damaged if self.left >= 0 else whole
            return super()._search(request)

    async with Site() as site, client(site) as acc:
        got = {event.this_id for event in await events(acc, site)}
    assert ("32740" in got) is (times == 1)
    assert {"32732", "32733"} <= got


async def test_lists_are_read_entry_by_entry(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    body = '{"status": "success", "result": {"%s": [%s]}}'
    async with client(recorded) as acc:
        recorded.script["/cameras"] = [Reply(body=(body % ("cameras", ",".join(ENTRIES))).encode())] * 2
        recorded.script["/server/ids"] = [Reply(body=(body % ("servers", ",".join(ENTRIES))).encode())]
        for _ in range(2):
            assert [(one.id, one.name) for one in await acc.cameras()] == [("a", "A\x1b"), ("c", "\\q")]
        assert [one.id for one in await acc.servers()] == ["a", "c"]
        assert acc.unusable == {"cámaras": 3, "servidores": 3}
        recorded.script["/cameras"] = [Reply(body=recording("cameras")[:-20])] * 3
        with pytest.raises(AccUnreachable):
            await acc.cameras()
    logged = [record.getMessage().partition(" del ")[0] for record in caplog.records]
    assert [line for line in logged if line.startswith("De la lista")] == [
        "De la lista de cámaras",
        "De la lista de servidores",
    ]


@pytest.mark.parametrize(("days", "logged"), [(30, 0), (-1, 1)])
async def test_a_pinned_certificate_that_has_expired_counts_and_is_logged_once(
    days: int, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    site = Recorded()
    site.certificate_days = days
    async with site, client(site) as acc:
        assert len(await events(acc, site)) == 4
        assert acc.requests > 2
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([line for line in warnings if "fijado en acc.fingerprint caducó el 20" in line]) == logged
