"""Types of command line arguments; each raises ArgumentTypeError with a Spanish sentence."""

import re
from argparse import ArgumentTypeError
from datetime import date, time
from pathlib import Path


def day(text: str) -> date:
    """Parse a date as the schedule writes it."""
    sentence = f"«{text}» no es una fecha; se admite AAAA-MM-DD, como 2025-01-20."
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ArgumentTypeError(sentence)
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise ArgumentTypeError(sentence) from exc


def existing_file(text: str) -> Path:
    """Return the path of a file that exists."""
    path = Path(text)
    if not path.is_file():
        raise ArgumentTypeError(f"no existe el archivo «{text}».")
    return path


def existing_folder(text: str) -> Path:
    """Return the path of a folder that exists."""
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"no existe la carpeta «{text}».")
    return path


def database_without_password(text: str) -> str:
    """Return a database's address without a password: every user can read a process's arguments."""
    from aforo.settings.credentials import contains_password  # noqa: PLC0415 -- pydantic takes longer than --help may

    if contains_password(text):
        raise ArgumentTypeError("lleva una contraseña, y los argumentos los puede leer cualquiera.")
    return text


def service_name(text: str) -> str:
    """Return a name that systemd and Windows accept, and that is neither a path nor an option."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", text):
        raise ArgumentTypeError(f"«{text}» no sirve de nombre; se admiten letras, cifras, «-» y «_».")
    return text


def positive_number(text: str) -> float:
    """Parse a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"«{text}» no es un número mayor que 0.")
    return number


def people(text: str) -> int:
    """Parse a number of people, as ``15000`` or ``15.000``."""
    digits = text.replace(".", "").replace("±", "")
    if not re.fullmatch(r"\d{1,7}", digits, re.ASCII):
        raise ArgumentTypeError(f"«{text}» no es un número de personas, 0 o mayor.")
    return int(digits)


def time_of_day(text: str) -> time:
    """Parse a time of the day, ``HH:MM`` or ``HH:MM:SS``."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", text, re.ASCII):
        raise ArgumentTypeError(f"«{text}» no es una hora; se admite HH:MM, como 20:15.")
    return time.fromisoformat(text)


def port(text: str) -> int:
    """Parse a TCP port; 0 lets the system choose."""
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > 65535:
        raise ArgumentTypeError(f"«{text}» no es un puerto; se admite un entero entre 0 y 65535.")
    return int(text)


def days(text: str) -> int:
    """Parse a number of days from 1 to 9999."""
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or int(text) < 1:
        raise ArgumentTypeError(f"«{text}» no es un entero de 1 en adelante.")
    return int(text)
