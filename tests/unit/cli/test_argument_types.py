"""Types of arguments: what they return, and the sentence for a text that does not fit."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from aforo.cli import argument_types as types


def test_valid_texts(folder: Path) -> None:
    (folder / "a.toml").touch()
    assert types.day("2025-01-20") == date(2025, 1, 20)
    assert types.existing_file("a.toml") == Path("a.toml")
    assert types.existing_folder(str(folder)) == folder
    assert types.database_without_password("mssql://servidor/AVIGILON") == "mssql://servidor/AVIGILON"
    assert types.service_name("aforo-norte_2") == "aforo-norte_2"
    assert types.positive_number("0.5") == 0.5
    assert (types.port("0"), types.port("65535")) == (0, 65535)
    assert types.days("9999") == 9999


@pytest.mark.parametrize(
    ("parse", "text", "sentence"),
    [
        (types.day, "2025-1-20", "no es una fecha"),
        (types.day, "2025-02-30", "no es una fecha"),
        (types.existing_file, "nada.toml", "no existe el archivo «nada.toml»."),
        (types.existing_folder, "nada", "no existe la carpeta «nada»."),
        (types.database_without_password, "mssql://u:clave@servidor/AVIGILON", "lleva una contraseña"),
        (types.database_without_password, "DRIVER={x};UID=u;Pwd = clave", "lleva una contraseña"),
        (types.service_name, "../aforo", "no sirve de nombre"),
        (types.service_name, "-x", "no sirve de nombre"),
        (types.positive_number, "inf", "no es un número mayor que 0"),
        (types.positive_number, "x", "no es un número mayor que 0"),
        (types.port, "65536", "no es un puerto"),
        (types.port, "٣", "no es un puerto"),
        (types.days, "0", "no es un entero de 1 en adelante"),
    ],
)
def test_a_text_that_does_not_fit_is_a_sentence(parse: Callable[[str], object], text: str, sentence: str) -> None:
    with pytest.raises(ArgumentTypeError, match=sentence):
        parse(text)
