"""argparse in Spanish, through its own gettext calls.

argparse looks its messages up with the functions ``_`` and ``ngettext`` of its module. A parser of ours replaces them
with a catalogue in memory while it works, and only then: no message catalogue has to be installed, the language does
not depend on the environment, and other parsers of the process stay as they are.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import NoReturn

from aforo.errors import BadCommand

_ARGUMENT = "\0"  # in a message: the place of the argument's name, which argparse would put before it
_MESSAGES = {
    "usage: ": "Uso: ",
    "positional arguments": "Argumentos",
    "options": "Opciones",
    "show this help message and exit": "muestra esta ayuda y termina",
    "the following arguments are required: %s": "Falta: %s.",
    "one of the arguments %s is required": "Falta uno de estos: %s.",
    "unrecognized arguments: %s": "No se conoce: %s.",
    "ambiguous option: %(option)s could match %(matches)s": "%(option)s puede ser varias opciones: %(matches)s.",
    "unexpected option string: %s": "No se conoce: %s.",
    "expected one argument": f"Falta el valor de {_ARGUMENT}.",
    "expected at most one argument": f"{_ARGUMENT} no admite más de un valor.",
    "expected at least one argument": f"Falta el valor de {_ARGUMENT}.",
    "expected %s argument": f"{_ARGUMENT} espera %s valores.",
    "expected %s arguments": f"{_ARGUMENT} espera %s valores.",
    "not allowed with argument %s": f"{_ARGUMENT} y %s no se admiten a la vez.",
    "ignored explicit argument %r": f"{_ARGUMENT} no lleva valor.%.0r",  # the value is formatted to nothing
    "invalid choice: %(value)r (choose from %(choices)s)": f"«%(value)s» no se admite en {_ARGUMENT}.",
    "invalid %(type)s value: %(value)r": f"El valor de {_ARGUMENT} no sirve: «%(value)s» no se entiende.",
}


def translate(message: str) -> str:
    """Return a message of argparse in Spanish; one that is not in the catalogue stays English."""
    return _MESSAGES.get(message, message)


def _translate_plural(singular: str, plural: str, number: int) -> str:
    return translate(singular if number == 1 else plural)


@contextmanager
def _spanish_messages() -> Iterator[None]:
    names = vars(argparse)
    before = {name: names[name] for name in ("_", "ngettext")}
    names.update(_=translate, ngettext=_translate_plural)
    try:
        yield
    finally:
        names.update(before)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help with a wide column for options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


class Parser(argparse.ArgumentParser):
    """A parser with Spanish help, whose errors are BadCommand."""

    def __init__(self, prog: str, description: str) -> None:
        with _spanish_messages():
            super().__init__(
                prog, description=description, formatter_class=HelpFormatter, allow_abbrev=False, exit_on_error=False
            )
        self.register("type", int, _number)

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the parsed arguments; raises BadCommand, or SystemExit after ``--help``."""
        with _spanish_messages():
            try:
                arguments, unknown = self.parse_known_args(argv)
            except argparse.ArgumentError as exc:
                self.error(_sentence(exc))
        if unknown:
            options = [option for action in self._actions for option in action.option_strings]
            shown = _without_values(unknown)
            self.error(_MESSAGES["unrecognized arguments: %s"] % " ".join(shown), did_you_mean(shown[0], options))
        return arguments

    def format_help(self) -> str:
        """Return the help in Spanish."""
        with _spanish_messages():
            return super().format_help()

    def error(self, message: str, suggestion: str = "") -> NoReturn:
        """Raise BadCommand with the message."""
        raise BadCommand(message, remedy=f"{suggestion}La ayuda: {self.prog} --help")


def _sentence(error: argparse.ArgumentError) -> str:
    if error.argument_name is None:
        return error.message
    if _ARGUMENT in error.message:
        return error.message.replace(_ARGUMENT, error.argument_name)
    return f"El valor de {error.argument_name} no sirve: {error.message}"


def _without_values(words: Sequence[str]) -> list[str]:
    """Return unknown arguments without what may be the value of an option: it may be a password."""
    names = [word.partition("=")[0] for word in words if word.startswith("-")]
    return names or list(words)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"«{text}» no es un número.") from exc


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``¿Quiso decir X? ``, or "" where no known word is similar."""
    found = get_close_matches(word, list(known), n=1)
    return f"¿Quiso decir {found[0]}? " if found else ""
