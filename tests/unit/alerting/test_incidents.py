"""Who else works on an event: a program that was killed here is nobody."""

import os
import socket
import subprocess
import sys

import pytest

from aforo.alerting.incidents import died


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot be asked without harm")
def test_a_killed_program_of_this_machine_is_no_second_one() -> None:
    here = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert not died(f"{here}, proceso {other.pid}, 1c44a88a"), "it runs"
        other.kill()
        other.wait()
        assert died(f"{here}, proceso {other.pid}, 1c44a88a")
        assert not died(f"otra-máquina, proceso {other.pid}, 1c44a88a"), "nothing is known of another machine's"
    assert not died(f"{here}, proceso {os.getpid()}, 1c44a88a")
    assert not died("algo escrito de otro modo")
