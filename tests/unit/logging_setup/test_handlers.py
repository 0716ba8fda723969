"""The handlers: rotation, several processes on one file, a file that cannot be written."""

import logging
import queue
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from portalocker import LOCK_EX, lock
from tests.unit.logging_setup.log_files import eventually, lines, logged, messages

from aforo.errors import LogUnwritable
from aforo.logging_setup.handlers import DeferredHandler, FileHandler
from aforo.settings import LogSettings

LOCK = ".__Monitoreo nemesio camacho.lock"

ours = logging.getLogger("aforo.test")


def test_half_a_letter_from_the_server_is_written_out(path: Path) -> None:
    handler = FileHandler(LogSettings(), path, None)  # by hand: the test runner's own log handler would fail
    handler.handle(logging.makeLogRecord({"msg": "PUERTA \ud800"}))
    handler.handle(logging.makeLogRecord({"msg": "PUERTA 1"}))
    handler.close()
    assert lines(path) == ["PUERTA \\ud800", "PUERTA 1"]


def test_a_message_that_does_not_fit_its_arguments_is_still_a_message() -> None:
    record = logging.makeLogRecord({"msg": "%d cámaras", "args": ("tres",)})
    assert DeferredHandler(queue.SimpleQueue()).prepare(record).getMessage() == "%d cámaras ('tres',)"


def test_it_rotates_and_keeps_so_many(path: Path) -> None:
    with logged(path, max_bytes=1024, backups=2):
        for number in range(100):
            ours.info("%03d %s", number, "x" * 100)
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.1", f"{path.name}.2"]
    kept = [*messages(Path(f"{path}.2")), *messages(Path(f"{path}.1")), *messages(path)]
    numbers = [int(text[:3]) for text in kept]
    assert numbers == list(range(numbers[0], 100))
    assert all(file.stat().st_size <= 1024 for file in path.parent.iterdir())


def test_it_goes_on_in_the_same_file_at_the_next_start(path: Path) -> None:
    for text in ("uno", "dos"):
        with logged(path):
            ours.info(text)
    assert messages(path) == ["uno", "dos"]


def test_it_follows_when_another_process_has_rotated(path: Path) -> None:
    with logged(path), logged(None):
        ours.info("uno")
        flushed(path, 1)
        path.rename(f"{path}.1")
        ours.info("dos")
    assert (messages(Path(f"{path}.1")), messages(path)) == (["uno"], ["dos"])


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
    for number in range(1_000):
        logging.getLogger("aforo").info("%s %d %s", sys.argv[2], number, "x" * 50)
"""


def test_four_processes_on_one_file_lose_no_line(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stderr=subprocess.DEVNULL) for name in "abcd"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    written = [text.split()[:2] for file in path.parent.iterdir() for text in messages(file)]
    assert sorted(written) == sorted([name, str(number)] for name in "abcd" for number in range(1_000))


def test_a_stopped_process_that_holds_the_lock_blocks_no_other(path: Path) -> None:
    with (path.parent / LOCK).open("w") as held:
        lock(held, LOCK_EX)
        with logged(path):
            ours.info("uno")
            ours.info("dos")
    assert messages(path) == ["uno", "dos"]


def test_a_lock_file_that_another_process_removed_is_made_anew(path: Path) -> None:
    with logged(path):
        ours.info("uno")
        flushed(path, 1)
        (path.parent / LOCK).unlink()
        ours.info("dos")
        flushed(path, 2)
        assert (path.parent / LOCK).exists()
    assert not (path.parent / LOCK).exists()


def test_a_lock_file_that_cannot_be_opened_loses_no_line(path: Path) -> None:
    (path.parent / LOCK).mkdir()
    with logged(path) as console:
        ours.info("uno")
    assert messages(path) == ["uno"]
    assert "no se puede escribir" not in console.getvalue()


def test_a_file_that_may_not_be_renamed_is_written_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_use(*_: object) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patched:
        patched.setattr("os.rename", in_use)
        with logged(path, max_bytes=1024):
            for number in range(50):
                ours.info("%d %s", number, "x" * 50)
    assert [int(text.split()[0]) for text in messages(path)] == list(range(50))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_backup_that_may_not_be_removed_leaves_no_files_under_other_names(path: Path) -> None:
    for number in (2, 3):
        Path(f"{path}.{number}").mkdir()  # neither removed nor replaced, like a file that is open on Windows
    with logged(path, max_bytes=1024, backups=2):
        for number in range(50):
            ours.info("%d %s", number, "x" * 50)
    kept = [*messages(Path(f"{path}.1")), *messages(path)]
    assert [int(text.split()[0]) for text in kept] == list(range(50))
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, *(f"{path.name}.{n}" for n in (1, 2, 3))]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported_once_and_stops_nothing(path: Path) -> None:
    path.symlink_to("/dev/full")
    with logged(path) as console:
        ours.info("uno")
        ours.info("dos")
    reports = [line for line in console.getvalue().splitlines() if "no se puede escribir" in line]
    assert len(reports) == 1
    assert reports[0].endswith("ERROR   El archivo de registro no se puede escribir (no queda espacio en el disco).")
    assert "uno" in console.getvalue()
    assert "dos" in console.getvalue()


def test_a_folder_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "registro" / "a.log"
    path.parent.mkdir()
    with logged(path) as console:
        ours.info("uno")
        flushed(path, 1)
        shutil.rmtree(path.parent)
        ours.info("dos")
        eventually(lambda: "no se puede escribir (no existe)" in console.getvalue())
        path.parent.mkdir()
        ours.info("tres")
    assert messages(path) == ["tres"]
    assert "El archivo de registro vuelve a escribirse." in console.getvalue()


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "carpeta").mkdir()
    for path, reason in ((tmp_path / "nada" / "a.log", "no existe"), (tmp_path / "carpeta", "es una carpeta")):
        with pytest.raises(LogUnwritable) as caught, logged(path):
            raise AssertionError
        assert caught.value.what == f"El archivo de registro {path} no se puede escribir ({reason})."
        assert "log.file" in caught.value.remedy
