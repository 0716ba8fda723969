"""The log: format, mask, rotation, two processes on one file, a full disk."""

import io
import json
import logging
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.errors import LogUnwritable
from aforo.logging_setup import Mask, logging_to
from aforo.logging_setup.handlers import FileHandler, Queueing
from aforo.settings import LogSettings

BOGOTA = ZoneInfo("America/Bogota")
LINE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3} (DETALLE|INFO|AVISO|ERROR|GRAVE) +(.*)")

ours = logging.getLogger("aforo.test")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Monitoreo nemesio camacho.log"


@contextmanager
def logged(path: Path | None, secrets: tuple[str, ...] = (), **fields: object) -> Iterator[io.StringIO]:
    console = io.StringIO()
    settings = LogSettings.model_validate({"file": path, **fields})
    with logging_to(settings, BOGOTA, secrets, console=console):
        yield console


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def said(path: Path) -> list[str]:
    found = [LINE.fullmatch(line) for line in lines(path)]
    return [match[2] for match in found if match]


def test_time_level_and_message_in_file_and_console(path: Path) -> None:
    with logged(path, level="DEBUG") as console:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            ours.log(level, "Aforo %s: %d", "Zona Sur", 7)
    assert [match[1] for line in lines(path) if (match := LINE.fullmatch(line))] == [
        "DETALLE",
        "INFO",
        "AVISO",
        "ERROR",
        "GRAVE",
    ]
    assert set(said(path)) == {"Aforo Zona Sur: 7"}
    assert console.getvalue().splitlines() == lines(path)


def test_the_time_is_the_stadium_s(path: Path) -> None:
    with logged(path):
        logging.getLogger("aforo").handle(
            logging.makeLogRecord({"msg": "x", "created": 1737406803.1234, "levelname": "INFO", "levelno": 20})
        )
    assert lines(path) == ["2025-01-20 16:00:03.123 INFO    x"]


def test_json_for_collectors(path: Path) -> None:
    with logged(path, ("hush-hush",), format="json"):
        ours.warning("ñandú «%s»\n", "hush-hush")
        try:
            int("x")
        except ValueError:
            ours.exception("mal")
    first, second = map(json.loads, lines(path))
    assert (first["level"], first["logger"], first["message"]) == ("WARNING", "aforo.test", "ñandú «***»\n")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}-05:00", first["time"])
    assert second["exception"].startswith("Traceback")
    assert "exception" not in first


def test_our_lines_from_the_level_on_and_the_libraries_warnings(path: Path) -> None:
    library = logging.getLogger("sqlalchemy.engine")
    with logged(path, level="WARNING"):
        ours.info("no")
        ours.warning("sí")
        library.info("no")
        library.warning("también")
    assert said(path) == ["sí", "también"]


def test_all_is_as_before_at_the_end(path: Path) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level, logging.getLogger("aforo").level
    with pytest.raises(KeyError), logged(path):
        raise KeyError
    assert (list(root.handlers), root.level, logging.getLogger("aforo").level) == before


def test_a_traceback_stands_below_its_line_and_control_characters_are_written_out(path: Path) -> None:
    with logged(path):
        try:
            int("x")
        except ValueError:
            ours.exception("dos\nlíneas \x1b[31m")
    first, second, *_ = lines(path)
    assert first.endswith("ERROR   dos\\nlíneas \\x1b[31m")
    assert second == "Traceback (most recent call last):"


def test_half_a_letter_from_the_server_is_written_out(path: Path) -> None:
    handler = FileHandler(LogSettings(), path, None)  # by hand: the test runner's own log could not bear it
    handler.handle(logging.makeLogRecord({"msg": "PUERTA \ud800"}))
    handler.handle(logging.makeLogRecord({"msg": "PUERTA 1"}))
    handler.close()
    assert lines(path) == ["PUERTA \\ud800", "PUERTA 1"]


def test_a_message_that_does_not_fit_its_arguments_is_still_a_message() -> None:
    record = logging.makeLogRecord({"msg": "%d cámaras", "args": ("tres",)})
    assert Queueing(queue.SimpleQueue()).prepare(record).getMessage() == "%d cámaras ('tres',)"


def test_arguments_are_written_as_they_were_when_logged(path: Path) -> None:
    counts = {"a": 1}
    with logged(path):
        ours.info("%s", counts)
        counts["a"] = 2
    assert said(path) == ["{'a': 1}"]


def test_only_the_console(tmp_path: Path) -> None:
    with logged(None) as console:
        ours.info("hola")
    assert console.getvalue().endswith("hola\n")
    assert list(tmp_path.iterdir()) == []


def test_a_console_that_goes_away_stops_nothing(path: Path) -> None:
    with logged(path) as console:
        console.close()
        ours.info("uno")
        ours.info("dos")
    assert said(path) == ["uno", "dos"]


# Secrets


@given(st.text(min_size=4).filter(lambda text: text.strip("*.: -") == text), st.text(), st.text())
def test_a_known_secret_never_passes(secret: str, before: str, after: str) -> None:
    masked = Mask([secret])(f"{before} {secret} {after}")
    assert secret not in masked.replace("***", "") or secret in before + after + "***"


@pytest.mark.parametrize("secret", ["pa ss/w+rd&ñ", "c:\\new\\table", 'com"illas'])
def test_a_secret_in_other_writing_is_masked(secret: str) -> None:
    mask = Mask([secret])
    for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert mask(f"<{form}>") == "<***>"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("x-avg-session: abc123 sigue", "x-avg-session: *** sigue"),
        ("{'x-avg-session': 'abc'}", "{'x-avg-session': '***'}"),
        ('{"session": "abc", "a": 1}', '{"session": "***", "a": 1}'),
        ("GET /events?session=abc&from=1", "GET /events?session=***&from=1"),
        ('"authorizationToken":"n:1:abc"', '"authorizationToken":"***"'),
        ("DRIVER={x};UID=u;PWD=abc;X=1", "DRIVER={x};UID=u;PWD=***;X=1"),
        ("PWD={a;b}}c};X=1", "PWD=***;X=1"),
        ("odbc_connect=UID%3Du%3BPWD%3Dabc", "odbc_connect=UID%3Du%3BPWD%3D***"),
        ("mssql://u:abc@host/db", "mssql://u:***@host/db"),
        ("password=abc user_key: abc", "password=*** user_key: ***"),
        ("La sesión se renovó: 3 esperaban.", "La sesión se renovó: 3 esperaban."),
        ("https://host:8443/mt/api", "https://host:8443/mt/api"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    assert Mask([])(text) == masked


def test_a_secret_in_a_traceback_is_masked(path: Path) -> None:
    with logged(path, ("hush-hush",)) as console:
        try:
            int("hush-hush")
        except ValueError:
            ours.exception("mal")
    assert "hush-hush" not in path.read_text() + console.getvalue()
    assert "ValueError: invalid literal for int() with base 10: '***'" in lines(path)


# The file


def test_it_rotates_and_keeps_so_many(path: Path) -> None:
    with logged(path, max_bytes=1024, backups=2):
        for number in range(100):
            ours.info("%03d %s", number, "x" * 100)
    assert sorted(file.name.removeprefix(path.name) for file in path.parent.iterdir()) == ["", ".1", ".2"]
    kept = [*said(Path(f"{path}.2")), *said(Path(f"{path}.1")), *said(path)]
    numbers = [int(text[:3]) for text in kept]
    assert numbers == list(range(numbers[0], 100))
    assert all(file.stat().st_size <= 1024 for file in path.parent.iterdir())


def test_it_goes_on_in_the_same_file_at_the_next_start(path: Path) -> None:
    for text in ("uno", "dos"):
        with logged(path):
            ours.info(text)
    assert said(path) == ["uno", "dos"]


def test_it_follows_when_another_process_has_rotated(path: Path) -> None:
    with logged(path), logged(None):
        ours.info("uno")
        flushed(path, 1)
        path.rename(f"{path}.1")
        ours.info("dos")
    assert (said(Path(f"{path}.1")), said(path)) == (["uno"], ["dos"])


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what another thread does, which tells nobody when it is done."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def flushed(path: Path, count: int) -> None:
    """Wait until the listener has written that many lines."""
    eventually(lambda: path.exists() and len(lines(path)) >= count)


WRITER = """
import logging, sys
from pathlib import Path
from zoneinfo import ZoneInfo
from aforo.logging_setup import logging_to
from aforo.settings import LogSettings
settings = LogSettings(file=Path(sys.argv[1]), max_bytes=20_000, backups=50)
with logging_to(settings, ZoneInfo("America/Bogota"), console=sys.stderr):
    for number in range(2_000):
        logging.getLogger("aforo").info("%s %d %s", sys.argv[2], number, "x" * 50)
"""


def test_two_processes_on_one_file_lose_no_line(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stderr=subprocess.DEVNULL) for name in "ab"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    written = [text.split()[:2] for file in path.parent.iterdir() for text in said(file)]
    assert sorted(written) == sorted([name, str(number)] for name in "ab" for number in range(2_000))


def test_a_file_that_may_not_be_renamed_is_written_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refused)
        with logged(path, max_bytes=1024):
            for number in range(50):
                ours.info("%d %s", number, "x" * 50)
    assert [int(text.split()[0]) for text in said(path)] == list(range(50))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_once_and_stops_nothing() -> None:
    with logged(Path("/dev/full")) as console:
        ours.info("uno")
        ours.info("dos")
    told = [line for line in console.getvalue().splitlines() if "no se puede escribir" in line]
    assert len(told) == 1
    assert told[0].endswith("ERROR   El archivo de registro no se puede escribir (no queda espacio en el disco).")
    assert "uno" in console.getvalue()
    assert "dos" in console.getvalue()


def test_a_folder_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "registro" / "a.log"
    path.parent.mkdir()
    with logged(path) as console:
        ours.info("uno")
        flushed(path, 1)
        path.unlink()
        path.parent.rmdir()
        ours.info("dos")
        told(console, "no se puede escribir (no existe)")
        path.parent.mkdir()
        ours.info("tres")
    assert said(path) == ["tres"]
    assert "El archivo de registro vuelve a escribirse." in console.getvalue()


def told(console: io.StringIO, text: str) -> None:
    """Wait until the console tells it."""
    eventually(lambda: text in console.getvalue())


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "carpeta").mkdir()
    for path, reason in ((tmp_path / "nada" / "a.log", "no existe"), (tmp_path / "carpeta", "es una carpeta")):
        with pytest.raises(LogUnwritable) as caught, logged(path):
            raise AssertionError
        assert caught.value.what == f"El archivo de registro {path} no se puede escribir ({reason})."
        assert "log.file" in caught.value.remedy
