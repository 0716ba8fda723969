"""The systemd unit: what it contains, and what systemd itself reads in it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aforo.errors import BadCommand
from aforo.os_service import systemd

ANALYZE = shutil.which("systemd-analyze")
SYSTEMD = Path("/usr/lib/systemd/systemd")


@pytest.fixture
def plan(tmp_path: Path) -> systemd.Plan:
    folder, credentials = tmp_path / "sala de control 100%", tmp_path / "secretos"
    folder.mkdir()
    credentials.mkdir()
    for name in ("acc.password", "acc.user_key", "database.odbc"):
        (credentials / name).write_text("un-secreto-de-prueba")
    (credentials / "LEAME").write_text("no es un ajuste")
    return systemd.Plan("aforo", folder, "root", credentials)


def test_the_unit_contains_no_secret_and_names_each_credential(plan: systemd.Plan) -> None:
    text = systemd.unit_text(plan)
    assert "un-secreto-de-prueba" not in text
    loaded = [line for line in text.splitlines() if line.startswith("LoadCredential=")]
    assert [line.partition(":")[0] for line in loaded] == [
        "LoadCredential=acc.password",
        "LoadCredential=acc.user_key",
        "LoadCredential=database.odbc",
    ]
    assert "LEAME" not in text
    assert "WorkingDirectory=" in text
    assert "100%%" in text, "systemd expands a single %"
    assert {"LimitNOFILE=65536", "LimitCORE=0"} <= set(text.splitlines()), "a core file would hold passwords"


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here")
def test_systemd_itself_takes_the_unit(plan: systemd.Plan, tmp_path: Path) -> None:
    for name, one in {"aforo": plan, "bare": replace(plan, credentials=None, config=tmp_path / "a b.toml")}.items():
        unit = tmp_path / f"{name}.service"
        unit.write_text(systemd.unit_text(one), encoding="utf-8")
        done = subprocess.run([str(ANALYZE), "verify", str(unit)], capture_output=True, text=True, check=False)
        faults = [line for line in done.stderr.splitlines() if unit.name in line]
        assert (done.returncode, faults) == (0, []), done.stderr
    weak = tmp_path / "weak.service"
    weak.write_text(systemd.unit_text(plan).replace("Type=notify", "Type=wish"), encoding="utf-8")
    errors = subprocess.run([str(ANALYZE), "verify", str(weak)], capture_output=True, text=True, check=False).stderr
    assert "weak.service" in errors, "the verification sees what is wrong"


@pytest.mark.skipif(not SYSTEMD.exists(), reason="no systemd here")
def test_systemd_reads_each_path_as_it_is(
    plan: systemd.Plan, tmp_path: Path, open_to_others: Callable[[], None]
) -> None:
    """Compare the paths in systemd's own dump: blanks and % are where units go wrong."""
    units = tmp_path / "units"
    units.mkdir()
    one = replace(plan, writable=(Path("/srv/actas del estadio"),))
    (units / "sala.service").write_text(systemd.unit_text(one), encoding="utf-8")
    runtime = tmp_path / "run"
    runtime.mkdir()
    runtime.chmod(0o777)
    open_to_others()
    environ = {"SYSTEMD_UNIT_PATH": f"{units}:", "XDG_RUNTIME_DIR": str(runtime), "PATH": os.environ["PATH"]}
    command = [str(SYSTEMD), "--test", "--user", "--unit=sala.service", "--log-level=info"]
    user = 65534 if os.getuid() == 0 else None  # it dumps nothing to root
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, user=user)
    dump = done.stdout + done.stderr
    if "WorkingDirectory:" not in dump:
        pytest.skip(f"this systemd does not dump: {dump[-200:]}")
    assert f"WorkingDirectory: {plan.folder}\n" in dump
    assert f"ReadWritePaths: {plan.folder}\n" in dump or f"ReadWritePaths: {plan.folder} /srv/actas" in dump, dump


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze here")
def test_the_unit_is_hardened(plan: systemd.Plan, tmp_path: Path) -> None:
    unit = tmp_path / "aforo.service"
    unit.write_text(systemd.unit_text(replace(plan, user="nobody")), encoding="utf-8")
    command = [str(ANALYZE), "security", "--offline=true", "--threshold=35", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-800:]


def test_a_folder_without_credentials_is_an_error(plan: systemd.Plan, tmp_path: Path) -> None:
    with pytest.raises(BadCommand, match=r"no hay ningún archivo con el nombre de un ajuste secreto"):
        systemd.unit_text(replace(plan, credentials=tmp_path))


def test_homes_stay_readable_where_the_program_lives_there(plan: systemd.Plan) -> None:
    assert "ProtectHome=read-only" in systemd.unit_text(replace(plan, folder=Path("/home/aforo/sala")))
