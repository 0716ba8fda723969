"""``aforo status`` against a service that runs, over its real page."""

import asyncio
import io
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console
from tests.flow.harness import DOORS, PLAN, hours, simulated_event
from tests.page_harness import staged

from aforo.cli.status import Service, ServiceSilent, ServiceState, lines, main, view
from aforo.errors import BadCommand
from aforo.settings import AccSettings, Settings, WebSettings


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_the_state_of_a_running_service(tmp_path: Path) -> None:
    async with simulated_event(tmp_path, PLAN, interval=60.0) as (simulated, scenario):
        simulated.web = WebSettings(port=free_port())
        stopping = asyncio.Event()
        monitor = await asyncio.to_thread(simulated.monitor, stopping)
        running = asyncio.create_task(monitor.run())
        await simulated.clock.sleep(hours(1).total_seconds())
        service = Service(simulated.settings)
        state: ServiceState = await reached(service)
        again = await asyncio.to_thread(service.state, state)
        stopping.set()
        await running
        truth = scenario.truth().between(DOORS, DOORS + timedelta(minutes=57), scenario.allowed)
    assert state.event is not None
    assert state.event.name == simulated.name
    assert again.series >= state.series
    north = state.occupancies["Parqueadero Norte"]
    assert north.entries >= truth.zones["Parqueadero Norte"].entries * 0.8
    assert state.curves["Parqueadero Norte"][-1][1] == north.count
    text = lines(state)
    assert text[0].startswith("«Concierto A», de 16:00 a 23:00: en curso.")
    assert "Todo contesta y todo está guardado." in text
    console = Console(width=110, height=36, record=True, file=io.StringIO())
    console.print(view(state, service))
    drawn = console.export_text()
    for word in ("Concierto A", "Campinsito", "Avisos", service.url):
        assert word in drawn


async def reached(service: Service) -> ServiceState:
    """The page is up a moment after the counting."""
    for _ in range(100):
        try:
            return await asyncio.to_thread(service.state, None)
        except ServiceSilent:
            await asyncio.sleep(0.05)
    raise AssertionError("the page never answered")


async def test_a_secret_that_a_camera_s_name_echoes_is_masked(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        camera = stage.scenario.allowed[0]
        stage.live.list_cameras({camera: "clave-inventada"})
        for feed in [feed for feed in stage.live.feeds if feed.camera_id == camera]:
            stage.change_feed(feed, failing_since=stage.at(1), failing_alone_since=stage.at(1))
        await stage.play(stage.at(50), silent=[camera])
        web = WebSettings(port=int(stage.url.rstrip("/").rpartition(":")[2]))
        settings = Settings(acc=AccSettings(password=SecretStr("clave-inventada")), web=web)
        state = await asyncio.to_thread(Service(settings).state, None)
    assert "La cámara *** no contesta; su tiempo queda pendiente." in lines(state)
    assert "clave-inventada" not in str(state)


def test_no_service_answers() -> None:
    with pytest.raises(ServiceSilent, match=r"Ningún servicio contesta en http://127\.0\.0\.1:9"):
        main(Settings(web=WebSettings(port=9)), once=True)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    page, proxy = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(2)]
    page_port, proxy_port = (server.sockets[0].getsockname()[1] for server in (page, proxy))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    service = Service(Settings(web=WebSettings(port=page_port)))
    async with page, proxy:
        with pytest.raises(ServiceSilent, match="no deja mirar"):
            await asyncio.to_thread(service.state, None)
    assert asked == ["GET /api/v1/state HTTP/1.1\r\n"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no es este programa"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "no es este programa"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "Ningún servicio contesta"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhola", "Ningún servicio contesta"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"[" * 100_000, "Ningún servicio contesta"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "no deja mirar"),
    ],
)
async def test_another_program_at_that_address(answer: bytes, sentence: str) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    service = Service(Settings(web=WebSettings(port=server.sockets[0].getsockname()[1])))
    async with server:
        with pytest.raises(ServiceSilent, match=sentence):
            await asyncio.to_thread(service.state, None)


def test_a_service_without_a_page() -> None:
    with pytest.raises(BadCommand, match=r"web\.port = 0"):
        Service(Settings(web=WebSettings(port=0)))
