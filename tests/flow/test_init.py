"""``aforo init``: answers become files that the program reads back unchanged; no file is overwritten unconfirmed."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aforo.cli.init import SECRETS, DefaultAnswers, InitOptions, Wizard
from aforo.clock import SystemClock
from aforo.errors import BadCommand, BadSchedule, BadSetting
from aforo.settings import load
from aforo.simulator import Credentials, Scenario, ScenarioPlan, Simulator

NASTY = Credentials(password="c'l\\a$ve \"ñ#=", user_nonce="n o n c e", user_key="llave'", integration_id="int-7")


class Person:
    """Answers by what a question contains; fails at any other question."""

    def __init__(self, **answers: str | bool) -> None:
        self.answers = answers
        self.questions: list[str] = []

    def _find(self, question: str) -> Any:
        self.questions.append(question)
        found = [answer for key, answer in self.answers.items() if key.replace("_", " ") in question.replace("_", " ")]
        assert found, question
        return found[0]

    def text(self, question: str, default: str = "") -> str:
        return str(self._find(question)) or default

    def secret(self, question: str) -> str:
        return str(self._find(question))

    def yes_no(self, question: str, *, default: bool) -> bool:
        return bool(self._find(question))


@pytest.fixture
async def site() -> AsyncIterator[Simulator]:
    now = SystemClock().now().replace(microsecond=0)
    scenario = Scenario(ScenarioPlan(now - timedelta(hours=2), now, seed=5, cameras=11, events=900))
    async with Simulator(scenario, credentials=NASTY) as one:
        yield one


async def run(work: Callable[[], Any]) -> Any:
    """The wizard reaches the server with a loop of its own."""
    return await asyncio.to_thread(work)


def person(site: Simulator, **more: str | bool) -> Person:
    answers: dict[str, str | bool] = {
        "Dirección_del_servidor": site.url,
        "huella": True,
        "Es_la_que_dice": True,
        "Usuario_de_ACC": NASTY.username,
        "Contraseña": NASTY.password,
        "nonce": NASTY.user_nonce,
        "key": NASTY.user_key,
        "Identificador": NASTY.integration_id,
        "Base_de_datos": "sqlite",
        "Escribir_ya_el_próximo": True,
        "Fecha": "2026-02-03",
        "Nombre_del_evento": "Concierto «Ñ»",
        "hora_inicio": "16:00",
        "hora_fin": "23:30",
    }
    return Person(**(answers | more))


async def test_answers_become_files_that_are_read_back_just_so(
    site: Simulator, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    assert await run(Wizard(InitOptions(), person(site), tmp_path, printed.append).run) == 0
    settings = await run(lambda: load({}))
    assert settings.acc.url == site.url
    assert settings.acc.fingerprint == site.fingerprint.replace(":", "").lower()
    assert settings.acc.password.get_secret_value() == NASTY.password
    assert settings.acc.user_nonce.get_secret_value() == NASTY.user_nonce
    assert settings.acc.user_key.get_secret_value() == NASTY.user_key
    assert settings.acc.integration_id.get_secret_value() == NASTY.integration_id
    assert settings.database.address() == "sqlite:///aforo.db"
    schedule = json.loads((tmp_path / "eventos_programados.json").read_text(encoding="utf-8"))
    assert schedule == {"2026-02-03": {"nombre": "Concierto «Ñ»", "hora_inicio": "16:00", "hora_fin": "23:30"}}
    allowed = set(json.loads((tmp_path / "ids_camaras_permitidas.json").read_text(encoding="utf-8")))
    loitering = next(camera.id for camera in site.scenario.cameras if "Merodeo" in camera.name)
    assert allowed == {camera.id for camera in site.scenario.cameras} - {loitering}
    assert NASTY.password not in (tmp_path / "aforo.toml").read_text(encoding="utf-8")
    assert not any(NASTY.password in line for line in printed)
    if os.name != "nt":
        assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


async def test_existing_files_are_kept_unless_the_person_agrees(
    site: Simulator, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "aforo.toml").write_text("# mío\n", encoding="utf-8")
    (tmp_path / "ids_camaras_permitidas.json").write_text('["CAM1"]', encoding="utf-8")
    printed: list[str] = []
    who = person(site, aforo=False, ids_camaras=False)
    await run(Wizard(InitOptions(), who, tmp_path, printed.append).run)
    assert (tmp_path / "aforo.toml").read_text(encoding="utf-8") == "# mío\n"
    assert (tmp_path / "ids_camaras_permitidas.json").read_text(encoding="utf-8") == '["CAM1"]'
    assert sum("ya existe. ¿Sobrescribirlo?" in question for question in who.questions) == 2
    await run(Wizard(InitOptions(force=True), person(site), tmp_path, printed.append).run)
    assert "[acc]" in (tmp_path / "aforo.toml").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
async def test_force_follows_no_link(site: Simulator, tmp_path: Path, monkeypatch: Any) -> None:
    folder, elsewhere = tmp_path / "aforo", tmp_path / "otro"
    folder.mkdir()
    elsewhere.write_text("queda")
    elsewhere.chmod(0o644)
    for name in (".env", "aforo.toml"):
        (folder / name).symlink_to(elsewhere)
    (folder / "eventos_programados.json").symlink_to(tmp_path / "nada")
    monkeypatch.chdir(folder)
    printed: list[str] = []
    await run(Wizard(InitOptions(force=True), person(site), folder, printed.append).run)
    assert elsewhere.read_text() == "queda"
    assert elsewhere.stat().st_mode & 0o777 == 0o644
    assert not (tmp_path / "nada").exists()
    assert not any(file.is_symlink() for file in folder.iterdir())
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert sum("era un enlace" in line for line in printed) == 3


class Hesitating(Person):
    """Mistypes the end of the event at first."""

    ends = ("25:00", "11 pm", "01:30")

    def text(self, question: str, default: str = "") -> str:
        if "hora_fin" not in question:
            return super().text(question, default)
        self.questions.append(question)
        return self.ends[self.questions.count(question) - 1]


async def test_a_mistyped_event_is_prompted_for_again(site: Simulator, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    who = Hesitating(**person(site).answers)
    await run(Wizard(InitOptions(), who, tmp_path, printed.append).run)
    assert sum("no es una hora" in line for line in printed) == 2
    schedule = json.loads((tmp_path / "eventos_programados.json").read_text(encoding="utf-8"))
    assert schedule["2026-02-03"]["hora_fin"] == "01:30"


@pytest.mark.parametrize("event", [("2026-02-30", "A", "16:00", "23:00"), ("2026-02-03", " ", "16:00", "23:00")])
async def test_an_invalid_event_without_a_person_writes_nothing(
    event: tuple[str, str, str, str], site: Simulator, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    options = InitOptions(
        url=site.url, username="u", database="sqlite", event=event, secrets=dict.fromkeys(SECRETS, "x")
    )
    with pytest.raises(BadSchedule):
        await run(Wizard(options, DefaultAnswers(), tmp_path, lambda _: None).run)
    assert await run(lambda: list(tmp_path.iterdir())) == []


async def test_without_a_person_and_with_all_options(site: Simulator, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    secrets = dict(zip(SECRETS, (NASTY.password, NASTY.user_nonce, NASTY.user_key, NASTY.integration_id), strict=True))
    odbc = "DRIVER={ODBC Driver 17 for SQL Server};SERVER=s;DATABASE=AVIGILON;UID=u;PWD={a'b;c}"
    options = InitOptions(
        url=site.url, username=NASTY.username, fingerprint=site.fingerprint, database=odbc, secrets=secrets
    )
    await run(Wizard(options, DefaultAnswers(), tmp_path, lambda _: None).run)
    settings = await run(lambda: load({}))
    assert settings.database.odbc.get_secret_value() == odbc
    assert "PWD" not in (tmp_path / "aforo.toml").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "eventos_programados.json").read_text(encoding="utf-8")) == {}


def test_without_a_person_and_with_a_missing_option(tmp_path: Path) -> None:
    with pytest.raises(BadCommand, match="Falta: Dirección del servidor"):
        Wizard(InitOptions(), DefaultAnswers(), tmp_path, lambda _: None).run()
    with pytest.raises(BadCommand, match="Falta: Contraseña"):
        Wizard(
            InitOptions(url="https://127.0.0.1:9", username="u", fingerprint="ab" * 32),
            DefaultAnswers(),
            tmp_path,
            lambda _: None,
        ).run()
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_cannot_be_used_writes_nothing(tmp_path: Path) -> None:
    options = InitOptions(
        url="http://acc:8443",
        username="u",
        fingerprint="ab" * 32,
        database="sqlite",
        secrets=dict.fromkeys(SECRETS, "x"),
    )
    with pytest.raises(BadSetting, match=r"acc\.url no admite «http://acc:8443»"):
        Wizard(options, DefaultAnswers(), tmp_path, lambda _: None).run()
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_leaves_the_cameras_for_later(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    options = InitOptions(
        url="127.0.0.1:9", username="u", fingerprint="ab" * 32, database="sqlite", secrets=dict.fromkeys(SECRETS, "x")
    )
    Wizard(options, DefaultAnswers(), tmp_path, printed.append).run()
    assert "«aforo cameras --counting --write»" in "".join(printed)
    assert not (tmp_path / "ids_camaras_permitidas.json").exists()
    assert load({}).acc.url == "https://127.0.0.1:9"
