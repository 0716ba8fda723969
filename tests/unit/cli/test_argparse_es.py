"""argparse in Spanish: help and errors of every command, and nothing left over for other parsers."""

import argparse
import ast
import inspect

import pytest

from aforo import cli
from aforo.cli import commands
from aforo.cli.argparse_es import Parser, translate
from aforo.errors import BadCommand

# Messages of argparse that no parser of ours can produce.
UNUSED = {
    ".__call__() not defined",
    'argument "-" with mode %r',
    "%(heading)s:",
    "%(prog)s: error: %(message)s\n",
    "%r is not callable",
    " (default: %(default)s)",
    "'required' is an invalid argument for positionals",
    "argument %(argument_name)s: %(message)s",
    "can't open '%(filename)s': %(error)s",
    "cannot have multiple subparser arguments",
    "cannot merge actions - two groups are named %r",
    "conflicting option string: %s",
    "conflicting option strings: %s",
    "conflicting subparser alias: %s",
    "conflicting subparser: %s",
    "dest= is required for options like %r",
    "invalid conflict_resolution value: %r",
    "invalid option string %(option)r: must start with a character %(prefix_chars)r",
    "mutually exclusive arguments must be optional",
    "show program's version number and exit",
    "subcommands",
    "unknown parser %(parser_name)r (choices: %(choices)s)",
}


def messages() -> set[str]:
    """Every message that argparse, in this Python version, looks up with gettext."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(argparse))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "ngettext"}:
            texts = node.args[: 1 if node.func.id == "_" else 2]
            found |= {text.value for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str)}
    return found


def test_every_message_that_our_parsers_can_produce_is_translated() -> None:
    english = {message for message in messages() if translate(message) == message}
    assert english <= UNUSED, english - UNUSED


def test_other_parsers_keep_their_language() -> None:
    parser = Parser("aforo prueba", "Una prueba.")
    with pytest.raises(BadCommand, match="No se conoce: x"):
        parser.parse(["x"])
    assert "show this help message and exit" in argparse.ArgumentParser().format_help()


@pytest.mark.parametrize("row", commands.COMMANDS, ids=lambda row: row.name)
def test_the_help_of_each_command_is_spanish(row: commands.Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([row.name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Uso: aforo {row.name} ")
    assert row.description in shown
    assert "muestra esta ayuda y termina" in shown
    for english in ("usage:", "options:", "positional arguments:", "show this help", "default:"):
        assert english not in shown


@pytest.mark.parametrize(
    ("argv", "sentences"),
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
def test_the_error_of_arguments_that_do_not_fit(
    argv: list[str], sentences: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("aforo: ")
    for sentence in sentences:
        assert sentence in captured.err
    for english in ("error:", "argument", "invalid", "expected", "unrecognized"):
        assert english not in captured.err
