"""Which folder ``python monitoreo.py`` works in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aforo.cli.working_folder import enter_folder

ROOT = Path(__file__).resolve().parents[3]
SCHEDULE, CAMERAS = "eventos_programados.json", "ids_camaras_permitidas.json"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script in the stadium's folder; the current folder is another."""
    stadium = tmp_path / "estadio"
    stadium.mkdir()
    return stadium / "monitoreo.py"


@pytest.mark.parametrize("name", [SCHEDULE, CAMERAS])
def test_the_folder_of_the_script_where_the_current_one_has_neither_file(
    folder: Path, script: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (script.parent / name).write_text("{}")
    (folder / "aforo.toml").write_text("")
    assert enter_folder(script, ["--no-wait"]) == ["--no-wait"]
    assert Path.cwd() == script.parent
    sentence = (
        f"aforo: se usa la carpeta {script.parent}, la de monitoreo.py: en {folder} no están los archivos JSON.\n"
    )
    assert capsys.readouterr().err == sentence


@pytest.mark.parametrize("name", [SCHEDULE, CAMERAS])
def test_the_current_folder_where_it_has_one_of_them(
    folder: Path, script: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for place in (folder, script.parent):
        (place / name).write_text("{}")
    enter_folder(script, [])
    assert Path.cwd() == folder
    assert capsys.readouterr().err == ""


def test_without_any_file_settings_keep_the_current_folder(folder: Path, script: Path) -> None:
    enter_folder(script, [])
    assert Path.cwd() == script.parent
    os.chdir(folder)
    (folder / "aforo.toml").write_text("[monitor]\nschedule_file = 'otros/eventos.json'\n")
    enter_folder(script, [])
    assert Path.cwd() == folder


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_the_script_and_the_script_itself(folder: Path, script: Path, tmp_path: Path) -> None:
    program = tmp_path / "programa" / "monitoreo.py"
    program.parent.mkdir()
    program.touch()
    script.symlink_to(program)
    (program.parent / SCHEDULE).write_text("{}")
    enter_folder(script, [])
    assert Path.cwd() == program.parent
    os.chdir(folder)
    (script.parent / SCHEDULE).write_text("{}")
    enter_folder(script, [])
    assert Path.cwd() == script.parent


def test_the_file_of_config_is_the_one_that_was_typed(folder: Path, script: Path) -> None:
    (script.parent / SCHEDULE).write_text("{}")
    arguments = ["--config", "a.toml", "--set", "log.file=x", "--config=b.toml", "--config", "/c.toml"]
    assert enter_folder(script, arguments) == [
        "--config", str(folder / "a.toml"), "--set", "log.file=x",
        f"--config={folder / 'b.toml'}", "--config", "/c.toml",
    ]  # fmt: skip


def test_the_script_itself_finds_the_files_beside_it(folder: Path, script: Path) -> None:
    shutil.copy(ROOT / "monitoreo.py", script)
    unneeded = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "aforo", script.parent / "src" / "aforo", ignore=unneeded)
    (script.parent / SCHEDULE).write_text("{}")
    (script.parent / CAMERAS).write_text("[]")
    acc = ("URL=https://acc.invalid", "USERNAME=u", "PASSWORD=p", "USER_NONCE=n", "USER_KEY=k")
    (script.parent / ".env").write_text("".join(f"AFORO_ACC__{line}\n" for line in acc))
    command = [sys.executable, str(script), "--no-wait"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 2
    assert f"se usa la carpeta {script.parent}" in done.stderr
    assert f"Carpeta de trabajo: {script.parent}" in done.stderr
    assert "ids_camaras_permitidas.json: la lista está vacía." in done.stderr
    assert (script.parent / "Monitoreo nemesio camacho.log").exists()
    assert not list(folder.glob("*.log"))
