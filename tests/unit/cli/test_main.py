"""The entry point: errors and exit codes, the console, import time."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import aforo
from aforo import cli
from aforo.cli.commands import Arguments, Command
from aforo.errors import AccUnreachable, AforoError


def command(run: Callable[[Arguments], int]) -> int:
    """Run a command of the test's own and return the exit code."""
    return cli.main(["prueba"], [Command("prueba", "Una prueba.", run, lambda _: None)])


def test_a_failure_is_printed_in_lines_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: Arguments) -> int:
        raise AccUnreachable("El servidor no contesta.", "No se cuenta nada.", "Compruebe la red.")

    assert command(fail) == AccUnreachable.exit_code == 3
    assert capsys.readouterr().err == (
        "aforo: El servidor no contesta.\n       No se cuenta nada.\n       Compruebe la red.\n"
    )


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: Arguments) -> int:
        raise KeyboardInterrupt

    assert command(interrupted) == 130
    assert capsys.readouterr().err == "Interrumpido.\n"


def test_a_fault_of_the_program_is_not_hidden() -> None:
    def broken(_: Arguments) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command(broken)


def test_each_kind_of_failure_has_an_exit_code_that_is_not_0() -> None:
    kinds = [AforoError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        assert kind.exit_code > 0
    assert len(kinds) > 12


def test_a_console_without_our_letters_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252"))
    assert command(lambda _: print("ñ ≥ ✓") or 0) == 0
    sys.stdout.flush()
    assert raw.getvalue().decode() == "ñ ≥ ✓" + os.linesep


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(aforo.__file__).parents[1]), "PYTHONUTF8": "1"}


def run(*arguments: str) -> str:
    """What a Python of its own prints; it has to succeed and write nothing on stderr."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=ENVIRONMENT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_help_imports_nothing_heavy() -> None:
    assert "Comandos:" in run("-m", "aforo", "--help")
    heavy = "[m for m in ('pydantic', 'sqlalchemy', 'aiohttp', 'rich', 'asyncio') if m in sys.modules]"
    assert run("-c", f"import aforo.cli, sys; print({heavy})") == "[]\n"


@pytest.mark.skipif(os.name == "nt", reason="a shell's pipe")
def test_a_closed_pipe_is_no_error() -> None:
    code = (
        "import sys; from aforo import cli; from aforo.cli.commands import Command; "
        "talk = lambda _: [print('x' * 99) for _ in range(9999)] and 0; "
        "sys.exit(cli.main(['p'], [Command('p', '', talk, lambda _: None)]))"
    )
    done = subprocess.run(
        f'{sys.executable} -c "{code}" | head -1', shell=True, capture_output=True, env=ENVIRONMENT, check=False
    )
    assert done.stdout.strip() == b"x" * 99
    assert done.stderr == b""


def test_nothing_is_set_up_at_import() -> None:
    code = "import logging, aforo.cli, aforo.settings, aforo.logging_setup; print(logging.getLogger().handlers)"
    assert run("-c", code) == "[]\n"
