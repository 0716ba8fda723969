"""Other processes on an event: one of this machine that was killed does not count."""

import os
import socket
import subprocess
import sys

import pytest

from aforo.instances import has_died


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot be asked without harm")
def test_a_killed_process_of_this_machine_has_died() -> None:
    here = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert not has_died(f"{here}, proceso {other.pid}, 1c44a88a"), "it runs"
        other.kill()
        other.wait()
        assert has_died(f"{here}, proceso {other.pid}, 1c44a88a")
        assert not has_died(f"otra-máquina, proceso {other.pid}, 1c44a88a"), "nothing is known of another machine's"
    assert not has_died(f"{here}, proceso {os.getpid()}, 1c44a88a")
    assert not has_died("algo escrito de otro modo")
