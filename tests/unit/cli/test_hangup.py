"""A closed terminal does not end the job."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no such signal", allow_module_level=True)

import pty

JOB = """
import logging, os, signal, sys
from pathlib import Path
from aforo.cli.hangup import survive_hangup
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
survive_hangup()
logging.basicConfig(filename="job.log", format="%(message)s", level="INFO")
hung_up, hang_up = os.pipe()
ours = signal.getsignal(signal.SIGHUP)
if callable(ours):
    signal.signal(signal.SIGHUP, lambda *rest: (ours(*rest), os.write(hang_up, b"!")))
print("ready", flush=True)
os.read(hung_up, 1)
print("nobody reads this", flush=True)
print("nor this", file=sys.stderr, flush=True)
assert sys.stdin.read() == ""
Path("done").write_text(str(os.getpgid(0)))
"""


def test_a_job_whose_terminal_is_closed_goes_on_without_it(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover -- the job's process
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-c", JOB])
    assert os.read(terminal, 100).strip() == b"ready"
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert (tmp_path / "done").exists()
    assert "La consola se cerró. El trabajo sigue sin ella" in (tmp_path / "job.log").read_text(encoding="utf-8")


def test_an_output_that_is_no_terminal_is_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", JOB]
    with (tmp_path / "errors").open("w") as errors, subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as job:  # fmt: skip
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
        job.send_signal(signal.SIGHUP)
        assert job.stdout.read() == "nobody reads this\n"
        assert job.wait() == 0
    assert (tmp_path / "errors").read_text() == "nor this\n"
    log = (tmp_path / "job.log").read_text(encoding="utf-8")
    assert log == "Se recibió SIGHUP: el trabajo sigue, con los mismos ajustes.\n"


def test_with_nohup_nothing_changes() -> None:
    code = (
        "import signal; from aforo.cli.hangup import survive_hangup\n"
        "survive_hangup(); print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    )
    done = subprocess.run(["nohup", sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
