"""``aforo check`` and ``aforo cameras`` against the simulated site: the line of each fault, and what to do."""

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.fake_clock import FakeClock
from tests.flow.harness import DOORS, SimulatedEvent, hours

from aforo.cli.cameras import as_lines, camera_rows
from aforo.cli.check import Line, State, checkup
from aforo.cli.check.local import space_line
from aforo.cli.check.results import count, to_json
from aforo.errors import BadSetting
from aforo.settings import DatabaseSettings, LogSettings, Settings, WebSettings, zones_from
from aforo.simulator import Scenario, ScenarioPlan, Simulator
from aforo.storage import Store


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
    document = json.loads(to_json(every))
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
    assert "otra" not in to_json([line for found in lines.values() for line in found])


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
    (line,) = (await place.check())["database.tables"]
    assert line.state is State.FAILURE
    assert "aforo check" not in line.remedy, "that is what was just done"


def test_a_disk_where_no_event_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, state in ((10, State.FAILURE), (100, State.WARNING), (1000, State.OK)):
        usage = shutil.disk_usage(tmp_path)._replace(free=free * 1024 * 1024)
        monkeypatch.setattr("aforo.cli.check.local.shutil.disk_usage", lambda _, usage=usage: usage)
        assert space_line("database.space", tmp_path, 500 * 1024 * 1024).state is state


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


async def test_the_list_of_cameras(place: Place) -> None:
    everything = await camera_rows(place.settings(), place.simulated.clock, counting=False)
    assert {row.camera.id for row in everything} == {camera.id for camera in place.scenario.cameras}
    assert {row.camera.id for row in everything if row.allowed} == set(place.scenario.allowed)
    assert {row.server for row in everything} == {"ACC-1", "ACC-2"}
    counting = await camera_rows(place.settings(), place.simulated.clock, counting=True)
    names = {row.camera.name for row in everything} - {row.camera.name for row in counting}
    assert names == {"Merodeo Tribuna Occidental – Baños"}, "nothing that it sends is counted"
    assert as_lines(everything, counting=False)[-1] == f"{len(everything)} cámaras, 11 permitidas."
