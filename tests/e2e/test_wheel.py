"""The wheel in an environment of its own, outside the repository: from ``init`` to the report, and as a service."""

import json
import os
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.e2e.harness import BOGOTA, EVENT, ROOT, Stadium, stadium

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel, and none of the repository. Its packages are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (wheel,) = folder.glob("aforo-*.whl")
    venv.create(folder / "venv", with_pip=False)
    (site,) = {path.resolve() for path in (folder / "venv").glob("[Ll]ib*/**/site-packages")}
    (site / "packages.pth").write_text(f"{_packages()}\n", encoding="utf-8")
    flags = ["--quiet", "--no-deps", "--no-index", "--target", str(site)]
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", *flags, str(wheel)], capture_output=True, text=True, check=False
    )
    assert installed.returncode == 0, installed.stderr
    return folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _packages() -> str:
    return next(path for path in sys.path if path.endswith("site-packages"))


def bare(place: Stadium, **more: str) -> dict[str, str]:
    """The environment without the repository and without settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AFORO_", "PYTHON"))}
    return {**kept, "PYTHONUTF8": "1", **more}


def aforo(python: Path, folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-m", "aforo", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Stadium]:
    options = ("--cameras", "11", "--events", "2500", "--seed", "9", "--servers", "2")
    work = tmp_path / "sala de control"
    work.mkdir()
    with stadium(work, before=timedelta(minutes=20), after=timedelta(seconds=-2), options=options) as one:
        for name in ("eventos_programados.json", "ids_camaras_permitidas.json"):
            (work / name).unlink()
        yield one


def test_from_init_to_the_event_report(python: Path, place: Stadium) -> None:
    folder, credentials = place.folder, place.site["credentials"]
    since, until = (instant.astimezone(BOGOTA) for instant in (place.since, place.until))
    secrets = {
        "AFORO_ACC__PASSWORD": credentials["password"],
        "AFORO_ACC__USER_NONCE": credentials["user_nonce"],
        "AFORO_ACC__USER_KEY": credentials["user_key"],
    }
    where = aforo(python, folder, bare(place), "--version")
    assert where.stdout.startswith("aforo ")
    written = aforo(
        python, folder, bare(place, **secrets), "init", "--yes", "--url", place.site["url"], "--username",
        credentials["username"], "--fingerprint", place.site["fingerprint"], "--database", "sqlite",
        "--event", str(since.date()), EVENT, f"{since:%H:%M:%S}", f"{until:%H:%M:%S}",
    )  # fmt: skip
    assert written.returncode == 0, written.stderr
    (folder / "ids_camaras_permitidas.json").write_text(json.dumps(place.site["cameras"]), encoding="utf-8")

    checked = aforo(python, folder, bare(place), "check", "--json")
    lines = json.loads(checked.stdout)
    assert checked.returncode == 0, [line for line in lines["lines"] if line["state"] == "failure"]
    assert secrets["AFORO_ACC__PASSWORD"] not in checked.stdout

    ran = aforo(python, folder, bare(place), "run", "--set", "monitor.grace=1", "--set", "web.port=0")
    assert ran.returncode == 0, ran.stderr[-2000:]
    place.check_against_truth()
    (page,) = (folder / "informes").glob("*.html")
    assert f"Acta: {page.relative_to(folder)}" in ran.stderr
    report = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert report["reconciled"] is True
    assert report["stored"] == sum(place.truth()["accepted"].values())

    page.unlink()
    again = aforo(python, folder, bare(place), "report", str(place.day))
    assert (again.returncode, page.exists()) == (0, True), again.stderr


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd's protocol")
def test_as_a_service_with_systemds_credentials(python: Path, place: Stadium, tmp_path: Path) -> None:
    """What systemd does: a socket for messages, a folder of credentials, SIGTERM; it sends ready, alive, stopping."""
    place.write_files()
    secrets = tmp_path / "credentials"
    secrets.mkdir()
    for name in ("username", "password", "user_nonce", "user_key"):
        (secrets / f"acc.{name}").write_text(place.site["credentials"][name] + "\n", encoding="utf-8")
    (place.folder / "aforo.toml").write_text(
        f'[acc]\nurl = "{place.site["url"]}"\nfingerprint = "{place.site["fingerprint"]}"\n'
        '[monitor]\ngrace = 1\n[web]\nport = 0\n[report]\nfolder = ""\n',
        encoding="utf-8",
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(30)
        environment = bare(
            place, NOTIFY_SOCKET=str(tmp_path / "n"), WATCHDOG_USEC="900000", CREDENTIALS_DIRECTORY=str(secrets)
        )
        command = [str(python), "-m", "aforo", "run", "--continuous"]
        with subprocess.Popen(command, cwd=place.folder, env=environment, stderr=subprocess.DEVNULL) as process:
            receive(manager, "READY=1")
            receive(manager, "WATCHDOG=1")
            receive(manager, "STATUS=Esperando el próximo evento")
            process.terminate()
            receive(manager, "STOPPING=1")
            assert process.wait(timeout=30) == 0
    place.check_against_truth()


def receive(manager: socket.socket, line: str) -> None:
    """Wait for a message with that line."""
    until = datetime.now(UTC) + timedelta(seconds=40)
    while datetime.now(UTC) < until:
        if line in manager.recv(4096).decode().splitlines():
            return
    raise AssertionError(f"never heard: {line}")
