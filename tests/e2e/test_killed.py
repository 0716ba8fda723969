"""The whole program, killed with SIGKILL ten times in mid-event, every fault on: 0 lost, 0 doubled, the right aforo."""

import os
import random
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from tests.e2e.harness import ROOT, Stadium, stadium

pytestmark = pytest.mark.e2e

FAST = {
    "AFORO_MONITOR__INTERVAL": "1",
    "AFORO_MONITOR__OVERLAP": "10",
    "AFORO_MONITOR__GRACE": "5",
    "AFORO_ACC__TIMEOUT": "2",
}
# An event may be later than its own timestamp by less than the grace: later than that only a backfill can see it.
LATE = {"set": {"late": {"probability": 0.05, "seconds": 4}}}


UNREADABLE = 6  # the exit code where every fault is on: some events cannot be read


def kill_after(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    _, output = process.communicate(timeout=90)
    assert process.returncode == code, output[-3000:]
    assert "Traceback" not in output
    return output


def test_killed_ten_times_with_every_fault_on(tmp_path: Path) -> None:
    chance = random.Random(20260307)
    options = ("--cameras", "17", "--events", "6000", "--faults", "all", "--seed", "3")
    before, after = timedelta(minutes=3), timedelta(seconds=28)
    with stadium(tmp_path, before=before, after=after, options=options, **FAST) as place:
        place.control("faults", LATE)
        for _ in range(10):
            kill_after(place.start(), chance.uniform(0.7, 3.0))
        output = end(place.start(), UNREADABLE)
        place.check_against_truth()
    assert "diferencia 0" in output


def test_the_receiver_of_pushes_killed_twice(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    push = {"URL": f"http://127.0.0.1:{port}/", "HOST": "127.0.0.1", "PORT": str(port)}
    settings = {**FAST, "AFORO_MONITOR__INTERVAL": "60", **{f"AFORO_PUSH__{name}": push[name] for name in push}}
    options = ("--cameras", "17", "--events", "2000", "--seed", "9", "--faults", "push_lost=0.2,push_doubled=0.2")
    before, after = timedelta(seconds=20), timedelta(seconds=40)
    with stadium(tmp_path, before=before, after=after, options=options, **settings) as place:
        for _ in range(2):
            process, taken = place.start(), place.control("state")["pushes"].get("taken", 0)
            while place.control("state")["pushes"].get("taken", 0) == taken:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
                assert process.poll() is None, "the event ended before a push was taken"
            kill_after(process, 1.0)
            assert len(place.control("state")["webhooks"]) == 1, "what a kill leaves is one webhook"
        output = end(place.start())
        state = place.control("state")
        assert state["webhooks"] == []
        assert state["pushes"]["taken"] > 0
        place.check_against_truth()
    assert "diferencia 0" in output


def test_two_processes_at_once(tmp_path: Path) -> None:
    options = ("--cameras", "8", "--events", "3000", "--seed", "4")
    with stadium(tmp_path, before=timedelta(minutes=2), after=timedelta(seconds=6), options=options, **FAST) as place:
        together = [place.start(), place.start()]
        for process in together:
            end(process)
        place.check_against_truth()


def test_backfill_of_a_past_event_can_be_repeated(tmp_path: Path) -> None:
    options = ("--cameras", "17", "--events", "9000", "--faults", "all", "--seed", "5")
    before, after = timedelta(minutes=20), timedelta(minutes=-5)
    with stadium(tmp_path, before=before, after=after, options=options, **FAST) as place:
        day = str(place.day)
        end(place.start("backfill", day), UNREADABLE)
        place.check_against_truth()
        end(place.start("backfill", day), UNREADABLE)
        place.check_against_truth()


def test_started_after_the_end_it_does_the_whole_event_and_ends(tmp_path: Path) -> None:
    options = ("--cameras", "5", "--events", "500", "--seed", "6")
    before, after = timedelta(minutes=9), timedelta(minutes=-2)
    with stadium(tmp_path, before=before, after=after, options=options, **FAST) as place:
        end(place.start())
        place.check_against_truth()
        end(place.start())
        place.check_against_truth()


def test_service_stop_ends_cleanly_and_the_next_start_goes_on(tmp_path: Path) -> None:
    options = ("--cameras", "5", "--events", "800", "--seed", "7")
    with stadium(tmp_path, before=timedelta(minutes=2), after=timedelta(seconds=9), options=options, **FAST) as place:
        first = place.start()
        wait_for_rows(place, first)
        first.terminate()
        end(first)
        end(place.start())
        place.check_against_truth()


def wait_for_rows(place: Stadium, process: subprocess.Popen[str]) -> None:
    """The program prints on its console when a poll cycle is stored."""
    assert process.stderr is not None
    for line in process.stderr:
        if "Vuelta hasta" in line:
            return
    raise AssertionError("it ended before its first turn")


@pytest.mark.skipif(os.name == "nt", reason="Windows ends every program of a closed console")
def test_the_terminal_is_closed_in_mid_event_of_a_program_that_was_started_elsewhere(tmp_path: Path) -> None:
    import pty  # noqa: PLC0415 -- not on Windows

    stadium_folder, elsewhere = tmp_path / "estadio", tmp_path / "otra"
    stadium_folder.mkdir()
    elsewhere.mkdir()
    (stadium_folder / "monitoreo.py").symlink_to(ROOT / "monitoreo.py")
    options = ("--cameras", "8", "--events", "2000", "--seed", "5")
    after = timedelta(seconds=8)
    with stadium(stadium_folder, before=timedelta(minutes=2), after=after, options=options, **FAST) as place:
        environment = place.environment | {"AFORO_REPORT__FOLDER": "informes"}
        child, terminal = pty.fork()
        if child == 0:  # the program's process
            os.chdir(elsewhere)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
            os.execve(sys.executable, [sys.executable, str(stadium_folder / "monitoreo.py")], environment)
        seen = b""
        while b"guardados" not in seen:
            seen += os.read(terminal, 4096)
        os.close(terminal)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        place.check_against_truth()
    assert f"se usa la carpeta {stadium_folder}".encode() in seen.replace(b"\r\n", b"")
    log = (stadium_folder / "Monitoreo nemesio camacho.log").read_text(encoding="utf-8")
    assert "La consola se cerró. El trabajo sigue sin ella" in log
    assert "diferencia 0" in log
    assert len(list((stadium_folder / "informes").glob("*.html"))) == 1
    assert list(elsewhere.iterdir()) == []
