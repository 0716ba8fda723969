"""The commands: help, settings that are missing, schema and password."""

import io
from pathlib import Path

import pytest

import aforo
from aforo import cli
from aforo.cli import commands
from aforo.storage.schema import migrate
from aforo.web.auth import verify_password

ACC = {
    "AFORO_ACC__URL": "https://acc.invalid:8443",
    "AFORO_ACC__USERNAME": "u",
    "AFORO_ACC__PASSWORD": "hush-hush",
    "AFORO_ACC__USER_NONCE": "nonce",
    "AFORO_ACC__USER_KEY": "clave",
}


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for row in commands.COMMANDS:
        assert f"  {row.name} " in shown
        assert row.description in shown
    assert {"run", "demo", "check", "cameras", "backfill", "simulate"} <= {row.name for row in commands.COMMANDS}


def test_without_a_command_the_help_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "Comandos:" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"aforo {aforo.__version__}\n"


@pytest.mark.parametrize("name", ["run", "cameras"])
def test_a_missing_setting_stops_the_start(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name]) == 2
    assert capsys.readouterr().err.startswith("aforo: Falta el ajuste acc.url. Escríbalo en aforo.toml")


def test_a_bad_setting_stops_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--set", "acc.timeout=0"]) == 2
    assert capsys.readouterr().err == (
        "aforo: El ajuste acc.timeout no admite «0» (--set): se admite un número de segundos mayor que 0.\n"
    )


@pytest.mark.parametrize(
    ("files", "code", "sentence"),
    [
        ({}, 2, "eventos_programados.json no se puede leer (no existe)."),
        ({"eventos_programados.json": "{"}, 2, "eventos_programados.json, línea 1, columna 2: no es JSON válido"),
        ({"eventos_programados.json": "{}"}, 2, "ids_camaras_permitidas.json no se puede leer (no existe)."),
        ({"eventos_programados.json": "{}", "ids_camaras_permitidas.json": "[]"}, 2, "la lista está vacía."),
    ],
)
def test_a_bad_file_stops_the_start_and_is_in_the_log(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    code: int,
    sentence: str,
) -> None:
    for name, value in ACC.items():
        monkeypatch.setenv(name, value)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert cli.main(["run", "--no-wait"]) == code
    assert sentence in capsys.readouterr().err
    assert sentence in (folder / "Monitoreo nemesio camacho.log").read_text(encoding="utf-8")
    assert not list(folder.glob("*.db"))


def test_the_schema_for_the_administrator(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--account", "DOMINIO\\aforo"]) == 0
    shown = capsys.readouterr().out
    assert "CREATE TABLE [Aforo_parqueadero_SUR]" in shown
    assert "aforo_events" in shown
    assert "[DOMINIO\\aforo]" in shown


def test_the_schema_since_a_version_has_only_the_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--since", migrate.HEAD]) == 0
    shown = capsys.readouterr().out
    assert "CREATE TABLE [Aforo_parqueadero_SUR]" in shown
    assert "CREATE TABLE aforo_" not in shown
    assert "GRANT SELECT" in shown
    assert cli.main(["schema", "--since", "0000"]) == 2
    assert "«0000» no es una versión" in capsys.readouterr().err


def test_a_password_becomes_a_hash_that_fits_and_is_never_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("una frase bien larga\n"))
    assert cli.main(["password"]) == 0
    shown = capsys.readouterr().out.strip()
    assert verify_password("una frase bien larga", shown)
    monkeypatch.setattr("sys.stdin", io.StringIO("corta\n"))
    assert cli.main(["password"]) == 2
    assert "demasiado corta" in capsys.readouterr().err


def test_a_value_that_is_cut_at_a_comment_is_reported_by_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".env").write_text("AFORO_ACC__PASSWORD=hush1 #hush2\n")
    sentence = ".env:1: el valor de AFORO_ACC__PASSWORD acaba donde empieza « #»"
    assert cli.main(["schema"]) == 0
    assert capsys.readouterr().err.startswith(f"aforo: {sentence}")
    assert cli.main(["check"]) == 1
    output = capsys.readouterr().out
    assert sentence in output
    assert "hush" not in output


@pytest.mark.parametrize("words", [["--password=hush"], ["--password", "hush"]])
def test_the_value_of_an_unknown_option_is_not_repeated(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert cli.main(["run", *words]) == 2
    shown = capsys.readouterr().err
    assert "No se conoce: --password" in shown
    assert "hush" not in shown
