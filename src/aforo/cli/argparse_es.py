"""argparse in Spanish throughout: headings, help and complaints, with a suggestion for a mistyped word."""

import argparse
import re
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from aforo.errors import BadCommand

# argparse has no translations of its own: its English complaint → ours.
_COMPLAINTS = (
    (r"the following arguments are required: (.+)", "Falta: {0}."),
    (r"unrecognized arguments: (.+)", "No se conoce: {0}."),
    (r"argument (\S+): invalid choice: '?([^']*)'? \(.*", "«{1}» no se admite en {0}."),
    (r"argument (.+): expected (?:one|at least one) argument", "Falta el valor de {0}."),
    (r"argument (.+): expected (\d+) arguments?", "{0} espera {1} valores."),
    (r"argument (.+): not allowed with argument (.+)", "{0} y {1} no se admiten a la vez."),
    (r"argument (.+): ignored explicit argument '(.*)'", "{0} no lleva valor."),
    (r"ambiguous option: (\S+) could match (.+)", "{0} puede ser varias opciones: {1}."),
    (r"argument (.+): invalid (?:int|float) value: '(.*)'", "El valor de {0} no sirve: «{1}» no es un número."),
    (r"argument (.+): invalid \S+ value: '(.*)'", "El valor de {0} no sirve: «{1}» no se entiende."),
    (r"argument (.+): (.+)", "El valor de {0} no sirve: {1}"),
)


class Help(argparse.RawDescriptionHelpFormatter):
    """Help with Spanish headings and room for long options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """The line of usage."""
        super().add_usage(usage, actions, groups, "Uso: " if prefix is None else prefix)


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are BadCommand, in Spanish."""

    def __init__(self, prog: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog, description=description, epilog=epilog, formatter_class=Help, add_help=False, allow_abbrev=False
        )
        self._positionals.title = "Argumentos"
        self._optionals.title = "Opciones"
        self.add_argument("-h", "--help", action="help", help="muestra esta ayuda y termina")

    def error(self, message: str) -> NoReturn:
        """Raise BadCommand with argparse's complaint in Spanish."""
        words = [word for action in self._actions for word in action.option_strings]
        raise BadCommand(_translated(message), remedy=f"{_suggestion(message, words)}La ayuda: {self.prog} --help")


def _translated(message: str) -> str:
    for english, spanish in _COMPLAINTS:
        if found := re.fullmatch(english, message, re.DOTALL):
            return spanish.format(*found.groups())
    return message


def _suggestion(message: str, words: Iterable[str]) -> str:
    wrong = re.match(r"unrecognized arguments: (\S+)", message)
    return did_you_mean(wrong[1], words) if wrong else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``¿Quiso decir X? `` or, where nothing is near, ""."""
    found = get_close_matches(word, list(known), n=1)
    return f"¿Quiso decir {found[0]}? " if found else ""


def day(text: str) -> date:
    """A date as the schedule writes it."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # told below, like a text of another shape
    raise argparse.ArgumentTypeError(f"«{text}» no es una fecha; se admite AAAA-MM-DD, como 2025-01-20.")


def existing_file(text: str) -> Path:
    """A file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no existe el archivo «{text}».")
    return path


def existing_folder(text: str) -> Path:
    """A folder that is there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no existe la carpeta «{text}».")
    return path


def no_password(text: str) -> str:
    """A database without a password in it: everybody can read a process's arguments."""
    if re.search(r"://[^/@]*:[^/@]*@|(?i:pwd|password)\s*=", text):
        raise argparse.ArgumentTypeError("lleva una contraseña, y los argumentos los puede leer cualquiera.")
    return text


def service_name(text: str) -> str:
    """A name that systemd and Windows take, and that is nobody's path or option."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", text):
        raise argparse.ArgumentTypeError(f"«{text}» no sirve de nombre; se admiten letras, cifras, «-» y «_».")
    return text


def positive(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"«{text}» no es un número mayor que 0.")
    return number


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"«{text}» no es un puerto; se admite un entero entre 0 y 65535.")
    return int(text)


def whole(text: str) -> int:
    """A whole number of days or the like, 1 or more."""
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"«{text}» no es un entero de 1 en adelante.")
    return int(text)
