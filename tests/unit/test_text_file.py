"""A text file that a person wrote: read, or rejected with what it is instead."""

import codecs
from pathlib import Path

import pytest

from aforo.errors import BadInput, BadSchedule
from aforo.text_file import read_text

TEXT = '{"2025-01-20": {"nombre": "Año Ñandú", "hora_inicio": "16:00"}}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eventos.json"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_with_and_without_its_mark(path: Path, encoding: str) -> None:
    path.write_text(TEXT, encoding=encoding)
    assert read_text(path, BadInput) == TEXT


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (TEXT.encode("utf-16"), "está en UTF-16 («Unicode»), no en UTF-8."),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "está en UTF-16 («Unicode»), no en UTF-8."),
        (TEXT.encode("utf-16-le"), "está en UTF-16 sin marca, no en UTF-8."),
        (TEXT.encode("utf-16-be"), "está en UTF-16 sin marca, no en UTF-8."),
        (b"{\0", "está en UTF-16 sin marca, no en UTF-8."),
        (b"\0" * 4096, "tiene bytes nulos: está dañado o quedó a medio escribir."),
        (TEXT.encode() + b"\0" * 30, "tiene bytes nulos: está dañado o quedó a medio escribir."),
        (b"\0", "tiene bytes nulos: está dañado o quedó a medio escribir."),
        ("a\nb\nñ".encode("latin-1"), "no está en UTF-8 (línea 3)."),
        ("«".encode("cp1252"), "no está en UTF-8 (línea 1)."),
    ],
)
def test_what_a_file_is_instead(path: Path, data: bytes, what: str) -> None:
    path.write_bytes(data)
    with pytest.raises(BadSchedule) as caught:
        read_text(path, BadSchedule, "El archivo ")
    assert caught.value.what == f"El archivo {path} {what}"
    assert caught.value.remedy


def test_a_file_that_is_not_there_and_a_folder(path: Path) -> None:
    with pytest.raises(BadInput, match=r"eventos\.json no se puede leer \(no existe\)\. Escríbalo"):
        read_text(path, BadInput, remedy="Escríbalo.")
    path.mkdir()
    with pytest.raises(BadInput, match=r"no se puede leer \(es una carpeta\)"):
        read_text(path, BadInput)
