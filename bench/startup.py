"""From start to the first request, and to the help: what a person or a service manager waits for."""

import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aforo.simulator.certificate import self_signed
from bench.process import run
from bench.results import Figure, spread
from bench.scale import free_port
from bench.testbed import Testbed, python_environment

_CREDENTIALS = dict.fromkeys(("username", "password", "user_nonce", "user_key"), "x")


def measure(runs: int) -> list[Figure]:
    """Both rows."""
    helps = [run([sys.executable, "-m", "aforo", "--help"], Path.cwd(), python_environment()) for _ in range(runs)]
    with tempfile.TemporaryDirectory(prefix="aforo-bench-") as folder:
        requests = [_first_request(Path(folder)) for _ in range(runs)]
    walls = [cost.wall for cost in helps]
    return [
        Figure("from start to the first request", spread(requests), "< 1 s", sorted(requests)[runs // 2] < 1),
        Figure("`aforo --help`", spread(walls), "< 0.3 s", sorted(walls)[runs // 2] < 0.3),
    ]


def _first_request(folder: Path) -> float:
    """Seconds until a server of ours has read the first bytes of a request over TLS. Nobody answers it."""
    certificate, port = self_signed(), free_port()
    now = datetime.now(UTC).replace(microsecond=0)
    site = {
        "url": f"https://127.0.0.1:{port}",
        "fingerprint": certificate.fingerprint,
        "credentials": _CREDENTIALS,
        "cameras": ["CAM1"],
    }
    testbed = Testbed(folder, now - timedelta(hours=1), now + timedelta(hours=1), site)
    testbed.write_files()
    with socket.create_server(("127.0.0.1", port)) as listener:
        started = time.perf_counter()
        with subprocess.Popen(
            testbed.program("run"),
            cwd=folder,
            env=testbed.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            listener.settimeout(30)
            connection, _ = listener.accept()
            connection.settimeout(30)
            with certificate.context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
                seconds = time.perf_counter() - started
            process.kill()
    return seconds
