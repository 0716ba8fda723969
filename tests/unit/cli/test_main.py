"""The command line: what it says, in Spanish, and with which exit code."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import aforo
from aforo import cli
from aforo.cli import commands
from aforo.cli.run_logged import logged
from aforo.errors import AccUnreachable, AforoError, BadSetting, StoreUnavailable
from aforo.settings import LogSettings, Settings
from aforo.storage.schema import migrate
from aforo.web.auth import verify_password

ACC = {
    "AFORO_ACC__URL": "https://acc.invalid:8443",
    "AFORO_ACC__USERNAME": "u",
    "AFORO_ACC__PASSWORD": "hush-hush",
    "AFORO_ACC__USER_NONCE": "nonce",
    "AFORO_ACC__USER_KEY": "clave",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing in it, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("AFORO_", "CREDENTIALS_"))]:
        monkeypatch.delenv(name)
    return tmp_path


def command(monkeypatch: pytest.MonkeyPatch, run: Callable[[commands.Arguments], int]) -> None:
    """Put a command of the test's own into the table."""
    monkeypatch.setattr(commands, "COMMANDS", (commands.Command("prueba", "Una prueba.", run, lambda _: None),))


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for row in commands.COMMANDS:
        assert f"  {row.name} " in shown
        assert row.text in shown
    assert {"run", "demo", "check", "cameras", "backfill", "simulate"} <= {row.name for row in commands.COMMANDS}


def test_without_a_command_the_help_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "Comandos:" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"aforo {aforo.__version__}\n"


@pytest.mark.parametrize("row", commands.COMMANDS, ids=lambda row: row.name)
def test_the_help_of_each_command_is_spanish(row: commands.Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([row.name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Uso: aforo {row.name} ")
    assert row.text in shown
    assert "muestra esta ayuda y termina" in shown
    for english in ("usage:", "options:", "positional arguments:", "show this help", "default:"):
        assert english not in shown


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["rum"], ["No existe el comando «rum».", "¿Quiso decir run?"]),
        (["xyz"], ["No existe el comando «xyz».", "La lista: aforo --help"]),
        (["run", "--nowait"], ["No se conoce: --nowait.", "¿Quiso decir --no-wait? La ayuda: aforo run --help"]),
        (["run", "--no-wait=3"], ["--no-wait no lleva valor."]),
        (["run", "de más"], ["No se conoce: de más."]),
        (["run", "--set"], ["Falta el valor de --set."]),
        (["run", "--config", "nada.toml"], ["El valor de --config no sirve: no existe el archivo «nada.toml»."]),
        (["backfill"], ["Falta: FECHA."]),
        (["backfill", "20-01-2025"], ["El valor de FECHA no sirve: «20-01-2025» no es una fecha;"]),
        (["backfill", "2025-02-30"], ["El valor de FECHA no sirve: «2025-02-30» no es una fecha;"]),
        (["demo", "--seconds", "0"], ["El valor de --seconds no sirve: «0» no es un número mayor que 0."]),
        (["demo", "--seconds", "nan"], ["«nan» no es un número mayor que 0."]),
        (["demo", "--port", "70000"], ["«70000» no es un puerto; se admite un entero entre 0 y 65535."]),
        (["demo", "--seed", "x"], ["El valor de --seed no sirve: «x» no es un número."]),
        (["simulate", "--servers", "7"], ["no se admite en --servers."]),
        (["simulate", "--now", "ayer"], ["El valor de --now no sirve: «ayer» no se entiende."]),
    ],
)
def test_what_is_said_of_a_command_that_does_not_fit(
    argv: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("aforo: ")
    for sentence in said:
        assert sentence in captured.err
    for english in ("error:", "argument", "invalid", "expected", "unrecognized"):
        assert english not in captured.err


@pytest.mark.parametrize("name", ["run", "cameras"])
def test_a_missing_setting_stops_the_start(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name]) == 2
    assert capsys.readouterr().err.startswith("aforo: Falta el ajuste acc.url: escríbalo en aforo.toml")


def test_a_bad_setting_stops_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--set", "acc.timeout=0"]) == 2
    assert capsys.readouterr().err == (
        "aforo: El ajuste acc.timeout no admite «0» (--set): se admite un número de segundos mayor que 0.\n"
    )


@pytest.mark.parametrize(
    ("files", "code", "said"),
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
    said: str,
) -> None:
    for name, value in ACC.items():
        monkeypatch.setenv(name, value)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert cli.main(["run", "--no-wait"]) == code
    assert said in capsys.readouterr().err
    assert said in (folder / "Monitoreo nemesio camacho.log").read_text(encoding="utf-8")
    assert not list(folder.glob("*.db"))


# Failures of a command


def test_a_failure_is_told_in_lines_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: commands.Arguments) -> int:
        raise AccUnreachable("El servidor no contesta.", "No se cuenta nada.", "Compruebe la red.")

    command(monkeypatch, fail)
    assert cli.main(["prueba"]) == AccUnreachable.exit_code == 3
    assert capsys.readouterr().err == (
        "aforo: El servidor no contesta.\n       No se cuenta nada.\n       Compruebe la red.\n"
    )


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: commands.Arguments) -> int:
        raise KeyboardInterrupt

    command(monkeypatch, interrupted)
    assert cli.main(["prueba"]) == 130
    assert capsys.readouterr().err == "Interrumpido.\n"


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: commands.Arguments) -> int:
        raise ZeroDivisionError

    command(monkeypatch, broken)
    with pytest.raises(ZeroDivisionError):
        cli.main(["prueba"])


def test_each_kind_of_failure_has_an_exit_code_that_is_not_0() -> None:
    kinds = [AforoError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert kind.exit_code > 0
    assert len(kinds) > 12


# A job and its log


def in_log(job: Callable[[], int], level: str = "INFO") -> tuple[int, str]:
    code = logged(Settings(log=LogSettings.model_validate({"file": "job.log", "level": level})), job)
    return code, Path("job.log").read_text(encoding="utf-8")


def raising(error: BaseException) -> Callable[[], int]:
    def job() -> int:
        raise error

    return job


def test_the_exit_code_of_a_job() -> None:
    assert in_log(lambda: 5) == (5, "")


def test_what_ends_a_job_is_in_the_log_with_a_traceback_only_at_debug() -> None:
    error = StoreUnavailable("La base de datos no contesta.", remedy="Avise al DBA.")
    code, text = in_log(raising(error))
    assert code == 4
    assert text.endswith("ERROR   La base de datos no contesta. Avise al DBA.\n")
    code, text = in_log(raising(error), "DEBUG")
    assert "Traceback" in text


def test_a_failure_inside_a_task_group_is_told_like_any_other() -> None:
    group = ExceptionGroup("", [ExceptionGroup("", [BadSetting("Falta algo.")]), BadSetting("Y más.")])
    code, text = in_log(raising(group))
    assert code == 2
    assert text.endswith("ERROR   Falta algo.\n")


@pytest.mark.parametrize("error", [ZeroDivisionError(), ExceptionGroup("", [BadSetting("x"), ZeroDivisionError()])])
def test_a_fault_of_the_program_is_in_the_log_and_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        in_log(raising(error))
    text = Path("job.log").read_text()
    assert "GRAVE   Error inesperado: es un fallo del programa." in text
    assert "ZeroDivisionError" in text


# The console


def test_a_console_that_does_not_know_our_letters_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    command(monkeypatch, lambda _: print("ñ ≥ ✓") or 0)
    assert cli.main(["prueba"]) == 0
    sys.stdout.flush()
    assert raw.getvalue().decode() == "ñ ≥ ✓" + os.linesep


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(aforo.__file__).parents[1]), "PYTHONUTF8": "1"}


def run(*arguments: str) -> str:
    """What a Python of its own prints; it has to succeed and say nothing on stderr."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    took = []
    for _ in range(5):
        started = time.monotonic()
        assert "Comandos:" in run("-m", "aforo", "--help")
        took.append(time.monotonic() - started)
    assert min(took) < 0.3
    heavy = "[m for m in ('pydantic', 'sqlalchemy', 'aiohttp', 'rich', 'asyncio') if m in sys.modules]"
    assert run("-c", f"import aforo.cli, sys; print({heavy})") == "[]\n"


@pytest.mark.skipif(os.name == "nt", reason="a shell's pipe")
def test_who_reads_our_output_may_stop_reading() -> None:
    code = (
        "import sys; from aforo import cli; from aforo.cli import commands as c; "
        "talk = lambda _: [print('x' * 99) for _ in range(9999)] and 0; "
        "c.COMMANDS = (c.Command('p', '', talk, lambda _: None),); sys.exit(cli.main(['p']))"
    )
    done = subprocess.run(
        f'{sys.executable} -c "{code}" | head -1', shell=True, capture_output=True, env=ENVIRONMENT, check=False
    )
    assert done.stdout.strip() == b"x" * 99
    assert done.stderr == b""


def test_nothing_is_set_up_at_import() -> None:
    code = "import logging, aforo.cli, aforo.settings, aforo.logging_setup; print(logging.getLogger().handlers)"
    assert run("-c", code) == "[]\n"


def test_the_schema_is_told_for_the_administrator(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--account", "DOMINIO\\aforo"]) == 0
    shown = capsys.readouterr().out
    assert "CREATE TABLE [Aforo_parqueadero_SUR]" in shown
    assert "aforo_events" in shown
    assert "[DOMINIO\\aforo]" in shown


def test_the_schema_of_a_newer_version_is_what_has_changed_since(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "--since", migrate.HEAD]) == 0
    shown = capsys.readouterr().out
    assert "CREATE TABLE [Aforo_parqueadero_SUR]" in shown
    assert "CREATE TABLE aforo_" not in shown
    assert "GRANT SELECT" in shown
    assert cli.main(["schema", "--since", "0000"]) == 2
    assert "«0000» no es una versión" in capsys.readouterr().err


def test_a_password_becomes_a_hash_that_fits_and_never_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("una frase bien larga\n"))
    assert cli.main(["password"]) == 0
    shown = capsys.readouterr().out.strip()
    assert verify_password("una frase bien larga", shown)
    monkeypatch.setattr("sys.stdin", io.StringIO("corta\n"))
    assert cli.main(["password"]) == 2
    assert "demasiado corta" in capsys.readouterr().err
