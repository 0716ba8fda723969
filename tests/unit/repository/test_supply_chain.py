"""Everything that is installed or run from elsewhere is pinned, and its licence is known."""

import json
import os
import re
from pathlib import Path

import dev
import pytest
from tools import licences

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONTAINERS = [ROOT / "Dockerfile", ROOT / "compose.yaml", *WORKFLOWS]
DIGEST = r"@sha256:[0-9a-f]{64}"


def pinned(name: str) -> set[str]:
    """The packages of a file of requirements, as ``name==version ; marker``; each has a hash."""
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z])", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)
    return {block.splitlines()[0].rstrip("\\ ") for block in blocks}


def names(requirements: set[str]) -> set[str]:
    return {line.partition("==")[0] for line in requirements}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_uses_actions_by_commit_and_may_only_read(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []
    assert "\npermissions:\n  contents: read\n" in text


@pytest.mark.parametrize("path", CONTAINERS, ids=lambda path: path.name)
def test_an_image_is_named_with_its_digest(path: Path) -> None:
    images = re.findall(r"^\s*(?:image:|FROM) (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert images
    assert [image for image in images if not re.search(DIGEST, image)] == []


def test_the_build_back_end_and_the_extras_are_pinned_in_the_same_versions() -> None:
    developers = pinned(dev.DEV)
    assert "hatchling" in names(pinned(dev.BUILD))
    assert {"keyring", "pywin32", "apprise"} <= names(pinned(dev.EXTRAS))
    for name in (dev.RUN, dev.EXTRAS, dev.BUILD):
        assert pinned(name) <= developers
    assert pinned(dev.RUN) <= pinned(dev.EXTRAS)


def test_the_wheel_is_installed_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = tmp_path / "dist" / "aforo-9-py3-none-any.whl"
    monkeypatch.setattr(dev, "HERE", tmp_path)
    monkeypatch.setattr(dev, "DIST", tmp_path / "dist")
    monkeypatch.setattr(dev, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(dev, "prepare", lambda *_: 0)
    built.parent.mkdir()
    (built.parent / "aforo-8-py3-none-any.whl").write_bytes(b"of an older version")
    ran: list[list[str]] = []

    def inside(arguments: list[str]) -> int:
        assert "hatchling" in arguments
        built.write_bytes(b"wheel")
        return 0

    def pip(arguments: list[str]) -> int:
        ran.append(arguments)
        return 0

    monkeypatch.setattr(dev, "inside", inside)
    monkeypatch.setattr(dev, "pip", pip)
    assert dev.main(["install"]) == 0
    line = (tmp_path / "dist" / "aforo.txt").read_text(encoding="utf-8")
    digest = "ba59926159d2aa256eb8739b8da7e2b574b960e1202c6d624cbe981cef996c91"  # of the bytes «wheel», by sha256sum
    assert line == f"./dist/aforo-9-py3-none-any.whl --hash=sha256:{digest}\n"
    assert "--require-hashes" in ran[0]
    assert ran[0][-2:] == ["-r", "dist/aforo.txt"]


def test_an_unknown_argument_of_install_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["install", "--extra"]) == 2
    assert "--extra" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="the packages of another platform have other metadata")
def test_each_package_has_a_licence_and_the_bill_has_it_too(tmp_path: Path) -> None:
    packages = licences.packages()
    assert {one.name for one in packages} == names(pinned(dev.EXTRAS))
    assert [one.name for one in packages if one.is_proprietary] == ["mssql-python-odbc"]
    bill = tmp_path / "bill.json"
    components = [{"name": "Jinja2", "version": "3"}, {"name": "mssql-python-odbc", "version": "18"}]
    bill.write_text(json.dumps({"components": components}), encoding="utf-8")
    licences.add_to(bill)
    one, other = json.loads(bill.read_text(encoding="utf-8"))["components"]
    assert one["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert "Microsoft" in other["licenses"][0]["license"]["name"]
