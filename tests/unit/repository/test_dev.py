"""dev.py: the way from a bare Python to a demo or a test run."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import dev
import pytest


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a ``.venv`` of the test's own."""
    monkeypatch.setattr(dev, "VENV", tmp_path / "venv")
    monkeypatch.setattr(dev, "PYTHON", tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    return tmp_path / "venv"


def test_where_this_python_has_no_ensurepip_its_pip_serves(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "has", lambda module: module == "pip")
    assert dev.make_venv() == 0
    assert not list(venv.glob("**/site-packages/pip"))
    assert dev.pip(["list", "--quiet"]) == 0
    assert dev.inside(["-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)"]) == 0


def test_where_this_python_has_neither_an_error_is_printed(
    venv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "has", lambda _: False)
    assert dev.prepare(dev.RUN) == 2
    assert "apt install python3-pip python3-venv" in capsys.readouterr().err
    assert not venv.exists()


def test_what_is_installed_is_not_installed_again(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[list[str]] = []

    def pip(arguments: list[str]) -> int:
        runs.append(arguments)
        return 0

    monkeypatch.setattr(dev, "pip", pip)
    venv.mkdir()
    for _ in range(2):
        assert dev.install(dev.RUN) == 0
    assert [arguments[-2:] for arguments in runs] == [["-r", "requirements.txt"]]
    assert "--require-hashes" in runs[0]
    wanted = hashlib.sha256((dev.HERE / dev.RUN).read_bytes()).hexdigest()
    assert (venv / "requirements.txt.sha256").read_text() == wanted
    (venv / "requirements.txt.sha256").write_text("of another version")
    assert dev.install(dev.RUN) == 0
    assert len(runs) == 2


def test_a_failed_installation_is_tried_again(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([1, 0])
    monkeypatch.setattr(dev, "pip", lambda _: next(answers))
    venv.mkdir()
    assert [dev.install(dev.DEV), dev.install(dev.DEV), dev.install(dev.DEV)] == [1, 0, 0]


def test_every_check_runs_and_one_that_fails_fails_the_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def inside(arguments: list[str]) -> int:
        ran.append(" ".join(arguments))
        return int("mypy" in arguments)

    monkeypatch.setattr(dev, "prepare", lambda *_: 0)
    monkeypatch.setattr(dev, "inside", inside)
    assert dev.main(["test"]) == 1
    assert len(ran) == len(dev.CHECKS) + 1
    assert ran[-1].startswith(f"-m pytest -n {dev.WORKERS[1]} ")
    assert " --cov " in ran[-1]
    assert capsys.readouterr().err == "No pasó: mypy\n"
    assert dev.main(["test", "-k", "x"]) == 1
    assert ran[-1] == "-m pytest -k x"


def test_the_fast_tests_are_unit_tests_and_contracts_on_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def inside(arguments: list[str]) -> int:
        ran.append(" ".join(arguments))
        return int("AFORO_TEST_MSSQL_URL" in os.environ)

    monkeypatch.setattr(dev, "prepare", lambda *_: 0)
    monkeypatch.setattr(dev, "inside", inside)
    monkeypatch.setenv("AFORO_TEST_MSSQL_URL", "mssql+mssqlpython://sql.example/AFORO")
    assert dev.main(["test", "--fast"]) == 0
    assert [words.split()[-2:] for words in ran] == [["tests/unit", "tests/contract"]]


def test_a_version_without_its_section_in_the_changelog_is_not_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "HERE", tmp_path)
    monkeypatch.setattr(dev, "prepare", lambda *_: 0)
    monkeypatch.setattr(dev, "inside", lambda _: pytest.fail("nothing is built"))
    (tmp_path / "src" / "aforo").mkdir(parents=True)
    (tmp_path / "src" / "aforo" / "__init__.py").write_text('__version__ = "9.9.9"\n', encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text("## 9.9.8\n", encoding="utf-8")
    assert dev.main(["release"]) == 2
    assert "«## 9.9.9»" in capsys.readouterr().err


def test_an_unknown_command_shows_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main([]) == dev.main(["tset"]) == 2
    shown = capsys.readouterr().err
    assert all(f"    {name}" in shown for name in dev.COMMANDS)


FLAW = {"id": "PYSEC-1", "fix_versions": ["2"]}


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 paquetes, 0 vulnerabilidades conocidas."),
        ([{"name": "a", "version": "1", "vulns": [FLAW]}], 1, "a 1: PYSEC-1, arreglado en 2"),
        ([{"name": "a", "skip_reason": "not found"}], 0, "no se pudo comprobar."),
        (None, 0, "no se pudo preguntar por vulnerabilidades conocidas (nobody answers)."),
    ],
)
def test_the_audit_reports_known_and_unknown_vulnerabilities(
    answer: list[dict[str, object]] | None,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(command: list[object], **_: object) -> subprocess.CompletedProcess[str]:
        if answer is not None:
            found = Path(str(command[command.index("-o") + 1]))
            found.write_text(json.dumps({"dependencies": answer}))
        return subprocess.CompletedProcess([], int(answer is None), "", "Traceback\nnobody answers\n")

    monkeypatch.setattr("dev.subprocess.run", run)
    assert dev.audited("requirements.txt") == code
    assert message in capsys.readouterr().err
