"""``aforo check`` and ``aforo cameras`` against the simulated site: the line of each fault, and what to do."""

import asyncio
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, SimulatedEvent, hours
from tests.private_ca import issue

from aforo.alerting.webhook import Webhook
from aforo.background import cancel_and_wait
from aforo.cli.cameras import as_lines, camera_rows
from aforo.cli.check import Line, State, checkup
from aforo.cli.check.local import space_line
from aforo.cli.check.progress import Progress
from aforo.cli.check.results import count, to_document
from aforo.clock import SystemClock
from aforo.errors import AforoError, BadSetting
from aforo.preconditions import PRECONDITIONS, require
from aforo.settings import (
    AlertsSettings,
    DatabaseSettings,
    LogSettings,
    PushSettings,
    ReportSettings,
    Settings,
    WebSettings,
    zones_from,
)
from aforo.simulator import Fault, Scenario, ScenarioPlan, Simulator
from aforo.storage import Store


def self_signed(folder: Path, name: str = "") -> Path:
    """Write a certificate and its key, and return the certificate's path; the key is ``k.pem``, after ``name``."""
    pem = issue("127.0.0.1")
    (folder / f"{name}c.pem").write_bytes(pem.certificate)
    (folder / f"{name}k.pem").write_bytes(pem.key)
    (folder / f"{name}k.pem").chmod(0o600)
    return folder / f"{name}c.pem"


@dataclass
class Place:
    simulated: SimulatedEvent
    scenario: Scenario

    def settings(self, **sections: Any) -> Settings:
        log = LogSettings(file=self.simulated.folder / "aforo.log")
        return self.simulated.settings.model_copy(update={"log": log, **sections})

    def acc(self, **changes: Any) -> Settings:
        return self.settings(acc=self.simulated.settings.acc.model_copy(update=changes))

    async def check(self, settings: Settings | None = None) -> dict[str, list[Line]]:
        chosen = settings or self.settings()
        shown: list[Line] = []
        lines = await checkup(lambda: chosen, self.simulated.clock, 3, shown.extend)
        assert shown == lines
        by_topic: dict[str, list[Line]] = {}
        for line in lines:
            assert line.what.endswith((".", ")", ":")) or "huella" in line.what.lower() or "fijado" in line.what
            assert bool(line.remedy) == (line.state is not State.OK)
            by_topic.setdefault(line.topic, []).append(line)
        return by_topic


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Three hours into an event of two servers; two files as they should be."""
    async with FakeClock(DOORS + hours(3)) as clock:
        scenario = Scenario(ScenarioPlan(DOORS, DOORS + hours(7), seed=8, cameras=11, events=1200, servers=2))
        async with Simulator(scenario, clock=clock) as site:
            simulated = SimulatedEvent(tmp_path, site, clock)
            simulated.schedule(DOORS, DOORS + hours(7))
            simulated.allow(list(scenario.allowed))
            yield Place(simulated, scenario)


def states(lines: dict[str, list[Line]], topic: str) -> set[State]:
    return {line.state for line in lines[topic]}


def pushing(place: Place, port: int, to_port: int = 0) -> Settings:
    url = f"http://127.0.0.1:{to_port or port}/"
    return place.settings(push=PushSettings(url=url, host="127.0.0.1", port=port))


async def test_the_way_of_a_push_is_tried(place: Place, free_port: int) -> None:
    lines = await place.check(pushing(place, free_port))
    assert states(lines, "push") == {State.OK}
    assert place.simulated.site.webhooks() == []
    assert "push" not in await place.check()


async def test_a_push_that_does_not_arrive_says_what_the_firewall_must_let_through(
    place: Place, free_port: int
) -> None:
    (line,) = (await place.check(pushing(place, free_port, to_port=9)))["push"]
    assert line.state is State.WARNING
    assert "del servidor de cámaras (127.0.0.1) a 127.0.0.1, puerto 9" in line.details[0]
    assert place.simulated.site.webhooks() == []


async def test_a_port_in_use_and_a_server_that_does_not_push_are_shown(place: Place, free_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        (line,) = (await place.check(pushing(place, free_port)))["push"]
    assert (line.state, "el camino no se prueba" in line.what) == (State.WARNING, True)
    place.simulated.site.faults.set("error_503", Fault(1.0, paths=frozenset({"webhooks"})))
    (line,) = (await place.check(pushing(place, free_port)))["push"]
    assert (line.state, "ACC no puede notificar" in line.what) == (State.WARNING, True)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_all_is_well(place: Place) -> None:
    lines = await place.check()
    every = [line for found in lines.values() for line in found]
    assert count(every, State.FAILURE) == 0
    assert len(lines["acc.camera"]) == 11
    assert len(lines["acc.server"]) == 2
    assert "en curso" in lines["schedule"][0].details[0]
    counted = "\n".join(lines["names"][0].details)
    assert "«AFORO ENTRADA PARQUEADERO NORTE»: + Parqueadero Norte" in counted
    assert "«INGRESO PERSONAS ENTRADA MARATON»: historial" in counted
    (stranger,) = lines["names.no_rule"]
    assert any("INGRESO PERSONAS ENTRADA MARATON 2" in detail for detail in stranger.details)
    document = to_document(every)
    assert document["ok"] is True
    assert {"topic", "state", "what", "remedy", "details"} == set(document["lines"][0])


async def test_an_unknown_certificate_is_printed_to_be_pinned(place: Place) -> None:
    lines = await place.check(place.acc(fingerprint=""))
    (certificate,) = lines["acc.certificate"]
    assert certificate.state is State.FAILURE
    shown = certificate.details[0].removeprefix('fingerprint = "').rstrip('"')
    assert shown.replace(":", "").lower() == place.simulated.site.fingerprint.replace(":", "").lower()
    assert states(lines, "acc.login") == {State.SKIPPED}
    assert place.simulated.site.request_counts["/login"] == 0
    assert states(lines, "database") == {State.OK}, "the other lines go on"


async def test_another_certificate_than_the_pinned_one(place: Place) -> None:
    lines = await place.check(place.acc(fingerprint="ab" * 32))
    assert states(lines, "acc.certificate") == {State.FAILURE}
    assert states(lines, "acc.login") == {State.SKIPPED}


async def test_an_unchecked_certificate_is_a_warning_with_its_fingerprint(place: Place) -> None:
    lines = await place.check(place.acc(fingerprint="", verify=False))
    assert states(lines, "acc.certificate") == {State.WARNING}
    assert "fingerprint = " in lines["acc.certificate"][0].remedy
    assert states(lines, "settings.verify") == {State.WARNING}


async def test_a_wrong_password(place: Place) -> None:
    lines = await place.check(place.acc(password=SecretStr("otra")))
    (login,) = lines["acc.login"]
    assert login.state is State.FAILURE
    assert "acc.username y acc.password" in login.remedy
    assert states(lines, "acc.certificate") == {State.OK}
    assert states(lines, "acc.cameras") == {State.SKIPPED}
    assert "otra" not in json.dumps(to_document([line for found in lines.values() for line in found]))


async def test_no_server_listens(place: Place) -> None:
    lines = await place.check(place.acc(url="https://127.0.0.1:9"))
    (login,) = lines["acc.login"]
    assert login.state is State.FAILURE
    assert "se vuelve a pedir" not in login.remedy, "a check does not go on trying"
    assert states(lines, "database") == {State.OK}


async def test_without_credentials(place: Place) -> None:
    lines = await place.check(place.settings(acc=Settings().acc))
    assert states(lines, "settings.acc") == {State.FAILURE}
    assert states(lines, "acc") == {State.SKIPPED}


async def test_a_clock_that_is_off(place: Place) -> None:
    place.simulated.site.clock.shift(120)
    lines = await place.check()
    (clock,) = lines["acc.clock"]
    assert clock.state is State.WARNING
    assert "adelantado" in clock.what


async def test_cameras_unknown_disconnected_and_silent(place: Place) -> None:
    place.simulated.allow([*place.scenario.allowed[:2], "4xNADIE", *place.scenario.strangers])
    place.simulated.clock.advance(hours(24 * 5).total_seconds())
    lines = await place.check()
    by_sentence = {line.what: line.state for line in lines["acc.camera"]}
    assert by_sentence["Ningún servidor conoce la cámara 4xNADIE."] is State.FAILURE
    assert [state for what, state in by_sentence.items() if "ningún evento en 3 días" in what] == [State.WARNING] * 3
    assert states(lines, "names") == {State.WARNING}
    assert states(lines, "schedule") == {State.WARNING}, "no event to come"


async def test_files_that_cannot_be_read(place: Place) -> None:
    (place.simulated.folder / "eventos_programados.json").write_text("{", encoding="utf-8")
    (place.simulated.folder / "ids_camaras_permitidas.json").unlink()
    lines = await place.check(place.settings(log=LogSettings(file=place.simulated.folder / "no" / "a.log")))
    for topic in ("schedule", "cameras", "log"):
        assert states(lines, topic) == {State.FAILURE}
    assert states(lines, "acc.login") == {State.OK}


async def test_settings_that_cannot_be_read(place: Place) -> None:
    def broken() -> Settings:
        raise BadSetting("El ajuste acc.timeout no admite «0» (aforo.toml:3).")

    (line,) = await checkup(broken, place.simulated.clock, 3, lambda _: None)
    assert line.state is State.FAILURE
    assert "aforo.toml:3" in line.what


async def test_the_database_is_tried_and_left_as_it_was(place: Place) -> None:
    settings = place.settings()
    assert (await place.check())["database"][0].what.endswith("aún no existe; se crea al empezar.")
    assert not place.simulated.database.exists()
    with closing(sqlite3.connect(place.simulated.database)) as database:
        database.execute("CREATE TABLE Aforo_parqueadero (evento TEXT, aforo INTEGER)")
    lines = await place.check()
    assert [line.state for line in lines["database.tables"]] == [State.OK, State.WARNING]
    assert "no están; se pueden crear" in lines["database.own"][0].what
    with closing(sqlite3.connect(place.simulated.database)) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("Aforo_parqueadero",)]
        assert database.execute("SELECT * FROM Aforo_parqueadero").fetchall() == []
    store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    await asyncio.to_thread(store.open)
    store.close()
    assert "están al día" in (await place.check())["database.own"][0].what
    with closing(sqlite3.connect(place.simulated.database)) as database:
        for table in ("Aforo_parqueadero", "eventos_Analisis", "aforo_journal"):
            assert database.execute(f"SELECT * FROM {table}").fetchall() == []


@pytest.mark.skipif(os.name == "nt", reason="there a folder takes files whatever its bits say")
async def test_a_folder_that_takes_no_database(place: Place) -> None:
    sealed = Path("/proc/1")  # not even root makes a file there
    lines = await place.check(place.settings(database=DatabaseSettings(url=SecretStr(f"sqlite:///{sealed}/aforo.db"))))
    (line,) = lines["database"]
    assert line.state is State.FAILURE
    assert "no se puede crear" in line.what


async def test_a_locked_database_and_a_file_that_is_no_database(place: Place) -> None:
    with closing(sqlite3.connect(place.simulated.database, isolation_level=None)) as database:
        database.execute("CREATE TABLE mine (a)")
        database.execute("BEGIN EXCLUSIVE")
        (line,) = (await place.check())["database"]
        assert line.state is State.FAILURE
        assert "ningún otro proceso la tiene tomada" in line.remedy
    place.simulated.database.write_text("esto no es una base de datos, sino un texto cualquiera" * 40, encoding="utf-8")
    lines = await place.check()
    (line,) = lines["database"]
    assert line.state is State.FAILURE, "nothing was reached"
    assert line.what.endswith("no está lista: el archivo no es una base de datos SQLite.")
    assert not line.details, "the driver's English is no part of what everybody sees"
    verbose = place.settings(log=place.settings().log.model_copy(update={"level": "DEBUG"}))
    (line,) = (await place.check(verbose))["database"]
    assert "file is not a database" in line.details[0]
    assert states(lines, "database.tables") == {State.SKIPPED}


def test_a_disk_where_no_event_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((10, State.FAILURE), (100, State.WARNING), (1000, State.OK)):
        usage = shutil.disk_usage(tmp_path)._replace(free=free * 1024 * 1024)
        monkeypatch.setattr("aforo.cli.check.local.shutil.disk_usage", lambda _, usage=usage: usage)
        assert space_line("database.space", tmp_path, 500 * 1024 * 1024).state is state


async def test_a_history_with_a_unique_index(place: Place) -> None:
    file = place.simulated.folder / "eventos_programados.json"
    schedule = json.loads(file.read_text(encoding="utf-8"))
    (event,) = schedule.values()
    schedule |= {f"2099-01-0{number}": event | {"nombre": f"Concierto {number}"} for number in range(1, 4)}
    file.write_text(json.dumps(schedule), encoding="utf-8")
    with closing(sqlite3.connect(place.simulated.database)) as database:
        columns = "analyticEventName TEXT, area TEXT, activity TEXT, cameraId TEXT, timestamp TEXT, nombre_evento TEXT"
        database.execute(f"CREATE TABLE eventos_Analisis ({columns})")
        database.execute("CREATE UNIQUE INDEX una ON eventos_Analisis (analyticEventName, cameraId, timestamp)")
    lines = await place.check()
    assert "database.names" not in lines
    assert states(lines, "database.tables") == {State.OK, State.WARNING}


async def test_a_table_that_lacks_a_column(place: Place) -> None:
    with closing(sqlite3.connect(place.simulated.database)) as database:
        database.execute("CREATE TABLE eventos_Analisis (cameraId TEXT)")
    (line,) = (await place.check())["database.tables"]
    assert line.state is State.FAILURE
    assert "analyticEventName" in line.what


async def test_a_port_that_is_taken(place: Place) -> None:
    taken = int(place.simulated.site.url.rpartition(":")[2])
    lines = await place.check(place.settings(web=WebSettings(port=taken)))
    assert states(lines, "web") == {State.WARNING}


@pytest.mark.skipif(os.name == "nt", reason="mode bits say nothing on Windows")
async def test_secrets_that_others_can_read(place: Place) -> None:
    secret = place.simulated.folder / "clave"
    secret.write_text("x")
    settings = place.settings()
    toml = place.simulated.folder / "aforo.toml"
    toml.write_text("")
    toml.chmod(0o644)
    settings.set_origins(
        {
            "database.url": f"{toml}:3",  # a file's address is no secret
            "acc.password": f"archivo {secret} (acc.password_file, aforo.toml:4)",
        }
    )
    for mode, expected in ((0o644, 1), (0o600, 0)):
        secret.chmod(mode)
        assert len((await place.check(settings)).get("settings.secrets", [])) == expected


@pytest.mark.skipif(os.name == "nt", reason="mode bits say nothing on Windows")
async def test_a_key_of_the_page_that_others_can_read(place: Place) -> None:
    folder = place.simulated.folder
    page = WebSettings(port=0, certificate_file=await asyncio.to_thread(self_signed, folder), key_file=folder / "k.pem")
    (folder / "k.pem").chmod(0o644)
    (line,) = (await place.check(place.settings(web=page)))["settings.secrets"]
    assert line.state is State.WARNING
    assert line.remedy == f"chmod 600 '{folder / 'k.pem'}'"


# What is waited for


async def test_the_checkup_says_what_it_waits_for(place: Place) -> None:
    said: list[str] = []
    answered = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answered.wait()
        writer.close()

    def say(text: str) -> None:
        said.append(text)
        answered.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    settings = place.acc(url=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        lines = await checkup(lambda: settings, SystemClock(), 3, lambda _: None, say=say)
    assert said[0] == f"Se mira el certificado de {settings.acc.url.removeprefix('https://')}…"
    assert any(line.topic == "acc.login" and line.state is State.FAILURE for line in lines)


async def test_what_takes_long_is_said_again_with_its_time_and_what_is_quick_is_not() -> None:
    said: list[str] = []
    async with FakeClock(DOORS) as clock:
        progress = Progress(said.append, clock)
        saying = asyncio.create_task(progress.run())
        progress.begin("Lo rápido")
        await clock.sleep(0.6)
        progress.begin("Lo lento")
        await clock.sleep(12.2)
        progress.begin("")
        await clock.sleep(60)
        await cancel_and_wait(saying)
    assert said == ["Lo lento…", "Lo lento… van 11 s"]


# What the start refuses, the checkup refuses


def refused(place: Place) -> dict[str, Settings]:
    """Settings that the start refuses, by the topic of the checkup's line."""
    folder = place.simulated.folder
    certificate = self_signed(folder)
    self_signed(folder, "other")
    no_folder = folder / "archivo"
    no_folder.write_text("")
    monitor = place.settings().monitor
    return {
        "settings.acc": place.acc(user_key=SecretStr("")),
        "log": place.settings(log=LogSettings(file=no_folder / "a.log")),
        "schedule": place.settings(monitor=monitor.model_copy(update={"schedule_file": folder / "no.json"})),
        "cameras": place.settings(monitor=monitor.model_copy(update={"cameras_file": no_folder})),
        "web": place.settings(web=WebSettings(host="0.0.0.0")),
        "web certificate": place.settings(
            web=WebSettings(certificate_file=certificate, key_file=folder / "otherk.pem")
        ),
        "push": place.settings(
            push=PushSettings(
                url="https://127.0.0.1:8090/aviso", certificate_file=certificate, key_file=folder / "otherk.pem"
            )
        ),
        "alerts": place.settings(alerts=AlertsSettings(notify_urls=[SecretStr("nada-de-apprise")])),
        "report": place.settings(report=ReportSettings(folder=no_folder / "informes")),
    }


async def test_the_checkup_and_the_start_refuse_the_same(place: Place) -> None:
    cases = await asyncio.to_thread(refused, place)
    assert {topic.partition(" ")[0] for topic in cases} == {one.topic for one in PRECONDITIONS}
    before = place.simulated.clock.now() - hours(24)
    for name, settings in cases.items():
        (line,) = (await place.check(settings))[name.partition(" ")[0]]
        assert line.state is State.FAILURE, name
        with pytest.raises(AforoError) as caught:
            await asyncio.to_thread(require, settings, before)
        assert line.what == f"{caught.value.what} {caught.value.meaning}".strip()
    await asyncio.to_thread(require, place.settings(), before)


async def test_an_event_that_is_on_begins_without_its_report(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    cases = await asyncio.to_thread(refused, place)
    now = place.simulated.clock.now()
    await asyncio.to_thread(require, cases["report"], now)
    assert "Hay un evento en curso: se cuenta igual." in caplog.text
    with pytest.raises(BadSetting):
        await asyncio.to_thread(require, cases["web"], now)


async def test_a_certificate_that_does_not_fit_its_key_and_one_that_is_encrypted(place: Place) -> None:
    folder = place.simulated.folder
    await asyncio.to_thread(refused, place)
    (folder / "texto.pem").write_text("hola")
    key = await asyncio.to_thread((folder / "k.pem").read_bytes)
    secret = serialization.BestAvailableEncryption(b"hush")
    loaded: Any = serialization.load_pem_private_key(key, None)
    encrypted = loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    (folder / "cifrada.pem").write_bytes(encrypted)
    for name, reason in {
        "otherk.pem": "la clave no es la de ese certificado",
        "cifrada.pem": "la clave está cifrada con contraseña",
        "texto.pem": "no son un certificado y una clave en formato PEM",
        "nada.pem": "no existe",
    }.items():
        page = WebSettings(certificate_file=folder / "c.pem", key_file=folder / name)
        (line,) = (await place.check(place.settings(web=page)))["web"]
        assert line.state is State.FAILURE
        assert f"no sirve: {reason}." in line.what


# Addresses of alerts and heartbeat


async def test_webhook_and_heartbeat_are_tried(place: Place) -> None:
    received: list[tuple[str, Any]] = []
    answered = [200]

    async def answer(request: web.Request) -> web.Response:
        received.append((request.method, json.loads(await request.text() or "null")))
        return web.Response(status=answered[-1])

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monitor = place.settings().monitor.model_copy(update={"heartbeat_url": SecretStr(f"{address}/hush2")})
    for shape in ("json", "teams", "slack"):
        alerts = AlertsSettings.model_validate({"webhook_url": f"{address}/hush1", "webhook_format": shape})
        for status, state in ((200, State.OK), (404, State.FAILURE)):
            answered.append(status)
            received.clear()
            lines = await place.check(place.settings(alerts=alerts, monitor=monitor))
            assert [method for method, _ in received] == ["POST", "GET"]
            assert "Prueba de «aforo check»" in json.dumps(received[0][1], ensure_ascii=False)
            for topic in ("alerts.webhook_url", "alerts.heartbeat_url"):
                (line,) = lines[topic]
                assert line.state is state
                assert "hush" not in f"{line.what} {line.remedy}"
                assert state is State.OK or "(respuesta 404)" in line.what
    await runner.cleanup()
    lines = await place.check(place.settings(alerts=alerts, monitor=monitor))
    for topic in ("alerts.webhook_url", "alerts.heartbeat_url"):
        assert "(nada escucha en esa dirección)" in lines[topic][0].what
        assert states(lines, topic) == {State.FAILURE}


async def test_a_test_message_says_that_it_is_one(place: Place) -> None:
    assert "alerts.webhook_url" not in await place.check()
    async with Webhook.of(AlertsSettings(webhook_url=SecretStr("https://nadie.invalid/hush"))) as webhook:
        assert webhook is not None
        assert await webhook.try_out() == "ese nombre no se encuentra en la red (DNS)"


async def test_the_list_of_cameras(place: Place) -> None:
    everything, unusable = await camera_rows(place.settings(), place.simulated.clock, counting=False)
    assert {row.camera.id for row in everything} == {camera.id for camera in place.scenario.cameras}
    assert {row.camera.id for row in everything if row.allowed} == set(place.scenario.allowed)
    assert {row.server for row in everything} == {"ACC-1", "ACC-2"}
    assert unusable == 0
    counting, _ = await camera_rows(place.settings(), place.simulated.clock, counting=True)
    names = {row.camera.name for row in everything} - {row.camera.name for row in counting}
    assert names == {"Merodeo Tribuna Occidental – Baños"}, "nothing that it sends is counted"
    assert as_lines(everything, counting=False)[-1] == f"{len(everything)} cámaras, 11 permitidas."
