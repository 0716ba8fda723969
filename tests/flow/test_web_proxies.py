"""The examples of docs/proxies, as configuration: nginx runs with its one, IIS's rules are applied as IIS does."""

import asyncio
import re
import shutil
import socket
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar, TCPConnector
from pydantic import SecretStr
from tests.page_harness import PASSWORD, Stage, certificate_files, operators, staged

from aforo.settings import WebSettings

DOCS = Path(__file__).parents[2] / "docs"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
BEHIND = WebSettings(
    operators=operators("Ana Ruiz"), read_token=SecretStr("clave-de-lectura-1938"), proxies=["127.0.0.1"]
)
needs_nginx = pytest.mark.skipif(NGINX is None, reason="no nginx here")


def nginx_configuration(folder: Path, page: int, port: int) -> Path:
    """Write the example with this machine's certificate and ports, inside a whole configuration; returns its path."""
    certificate, key = certificate_files(folder)
    example = (DOCS / "proxies" / "nginx.conf").read_text(encoding="utf-8")
    for there, here in (
        ("/etc/ssl/aforo/certificado.pem", str(certificate)),
        ("/etc/ssl/aforo/clave.key", str(key)),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("server 127.0.0.1:8080", f"server 127.0.0.1:{page}"),
    ):
        assert there in example
        example = example.replace(there, here)
    (folder / "aforo.conf").write_text(example, encoding="utf-8")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "nginx.conf"
    whole.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/aforo.conf; }}\n"
    )
    return whole


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@asynccontextmanager
async def behind_nginx(stage: Stage, folder: Path) -> AsyncIterator[ClientSession]:
    """A browser that reaches the page through nginx only."""
    port = free_port()
    page = urlsplit(stage.url).port or 0
    configuration = await asyncio.to_thread(nginx_configuration, folder, page, port)
    command = [str(NGINX), "-c", str(configuration), "-p", str(folder)]
    nginx = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(10):
            while not await listens(port):  # noqa: ASYNC110 -- another program's socket
                await asyncio.sleep(0.05)
        url, connector = f"https://127.0.0.1:{port}", TCPConnector(ssl=False)
        async with ClientSession(url, connector=connector, cookie_jar=CookieJar(unsafe=True)) as client:
            yield client
    finally:
        nginx.terminate()
        await nginx.wait()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def log_in(client: ClientSession, password: str = PASSWORD, **headers: str) -> ClientResponse:
    order = {"name": "Ana Ruiz", "password": password}
    async with client.post("/api/v1/session", json=order, headers=headers) as answer:
        await answer.read()
        return answer


@needs_nginx
def test_nginx_takes_its_example(tmp_path: Path) -> None:
    configuration = nginx_configuration(tmp_path, 8080, free_port())
    command = [str(NGINX), "-t", "-c", str(configuration), "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "warn" in done.stderr) == (0, False), done.stderr


@needs_nginx
async def test_the_page_works_behind_nginx(tmp_path: Path) -> None:
    async with staged(tmp_path, settings=BEHIND) as stage, behind_nginx(stage, tmp_path) as client:
        await stage.play(stage.at(60))
        async with client.get("/api/v1/zones") as answer:
            assert answer.status == 401, "nobody is local"
        answer = await log_in(client)
        assert answer.status == 200
        assert "Secure" in answer.headers["Set-Cookie"]
        headers = {"X-CSRF-Token": (await answer.json())["csrf"], "Origin": str(client._base_url).rstrip("/")}  # noqa: SLF001
        order = {"id": "11111111-2222-4333-8444-000000000001", "zone": "Zona Sur", "count": 250, "reason": "a mano"}
        async with client.post("/api/v1/corrections", json=order, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        async with client.get("/api/v1/stream") as stream, asyncio.timeout(5):
            seen = b""
            while seen.count(b"event: change") < 3:
                seen += await stream.content.read(1 << 16)
        guesses = [
            (await log_in(client, "otra", **headers, **{"X-Forwarded-For": f"10.0.0.{number}"})).status
            for number in range(7)
        ]
        assert guesses == [401] * 6 + [429], "what a visitor writes in X-Forwarded-For does not count"


class Rules:
    """The rules of a web.config, applied as IIS's URL Rewrite applies them to a request by HTTPS."""

    def __init__(self, path: Path) -> None:
        self.root = ET.fromstring(path.read_text(encoding="utf-8"))

    def rewritten(self, path: str, query: str) -> tuple[str, dict[str, str]]:
        """Return the address and the headers that the page gets."""
        for rule in self.root.iterfind("system.webServer/rewrite/rules/rule"):
            match, action = rule.find("match"), rule.find("action")
            assert match is not None
            assert action is not None
            found = re.search(match.attrib["url"], path.removeprefix("/"))
            conditions = rule.findall("conditions/add")
            if found is None or not all(re.search(one.attrib["pattern"], "ON", re.IGNORECASE) for one in conditions):
                continue
            assert (action.attrib["type"], rule.attrib["stopProcessing"]) == ("Rewrite", "true")
            url = action.attrib["url"].replace("{R:1}", found.group(1))
            values = {"{REMOTE_ADDR}": "10.0.0.9"}
            headers = {
                one.attrib["name"].removeprefix("HTTP_").replace("_", "-").title(): values.get(
                    one.attrib["value"], one.attrib["value"]
                )
                for one in rule.iterfind("serverVariables/set")
            }
            return url + (f"?{query}" if query else ""), headers
        raise AssertionError(f"no rule for {path}")


@pytest.mark.parametrize(
    ("path", "query"),
    [("/", ""), ("/api/v1/events", "limit=5&after=abc"), ("/static/main.js", ""), ("/api/v1/corrections/x/undo", "")],
)
def test_iis_hands_every_address_on(path: str, query: str) -> None:
    url, headers = Rules(DOCS / "proxies" / "web.config").rewritten(path, query)
    assert url == f"http://127.0.0.1:8080{path}" + (f"?{query}" if query else "")
    assert headers == {"X-Forwarded-For": "10.0.0.9", "X-Forwarded-Proto": "https"}


def test_iis_sends_plain_http_to_https_and_may_set_what_its_rules_set() -> None:
    rules = Rules(DOCS / "proxies" / "web.config").root
    first = next(rules.iterfind("system.webServer/rewrite/rules/rule"))
    condition, action = first.find("conditions/add"), first.find("action")
    assert condition is not None
    assert action is not None
    assert re.search(condition.attrib["pattern"], "off", re.IGNORECASE)
    assert (action.attrib["type"], action.attrib["url"]) == ("Redirect", "https://{HTTP_HOST}/{R:1}")
    page = (DOCS / "acceso-a-la-pagina.md").read_text(encoding="utf-8")
    assert {one.attrib["name"] for one in rules.iter("set")} == set(re.findall(r"name='(HTTP_\w+)'", page))
    for needed in ("/enabled:true", "/preserveHostHeader:true", "/responseBufferLimit:0"):
        assert needed in page, "or the page gets no name to compare, and the stream waits in IIS"


async def test_the_page_takes_what_iis_sends(tmp_path: Path) -> None:
    """ARR adds the visitor's address once more, with its port."""
    _, headers = Rules(DOCS / "proxies" / "web.config").rewritten("/", "")
    headers["X-Forwarded-For"] += ", 10.0.0.9:53211"
    async with staged(tmp_path, settings=BEHIND) as stage, ClientSession(stage.url) as client:
        async with client.get("/api/v1/zones", headers=headers) as answer:
            assert answer.status == 401
        assert [(await log_in(client, "otra", **headers)).status for _ in range(7)] == [401] * 6 + [429]
        good = await log_in(client, **{**headers, "X-Forwarded-For": "10.0.0.8, 10.0.0.8:53212"})
        assert (good.status, "Secure" in good.headers["Set-Cookie"]) == (200, True)
