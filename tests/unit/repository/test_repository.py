"""Rules of the repository that no linter knows: who imports whom, and what is in no file."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

import aforo
from aforo import errors

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "aforo"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME: list[str] = PYPROJECT["project"]["dependencies"]
GROUPS = PYPROJECT["dependency-groups"]

# What gives away the machine on which a file was made; written so that this file does not hold it.
BANNED = tuple(
    "".join(parts)
    for parts in (("/wo", "rk/"), ("/ro", "ot/"), ("/home/", "runner"), (".lib", "rary"), ("/opt/", "pypi"))
)


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def our_files() -> Iterator[Path]:
    """Every file under version control; where there is none (a copy), every file of the folders that we write in."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    found = [ROOT / name for name in names if name] or [
        path for folder in ("src", "tests", "docs", "bench") for path in (ROOT / folder).rglob("*")
    ]
    return (path for path in found if path.is_file())


def test_who_may_import_whom() -> None:
    # In a process of its own: import-linter sets up logging for itself alone, and silences every logger that is there.
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = os.environ | {"PYTHONPATH": str(SOURCE.parent), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_names_the_machine_on_which_it_was_made() -> None:
    found = []
    for path in our_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{path.relative_to(ROOT)}: {word}" for word in BANNED if word in text]
    assert found == []


def test_the_tree_of_errors_is_drawn_at_the_top_of_its_file() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or "")) | {"AforoError"}
    there = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert drawn == there


def test_the_version_has_its_entry_in_the_changelog() -> None:
    assert f"\n## {aforo.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# Packages


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", text, maxsplit=1)[0].lower().replace("_", "-") for text in requirements}


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("requirements.txt", RUNTIME),
        ("requirements-extras.txt", [*RUNTIME, *chain(*PYPROJECT["project"]["optional-dependencies"].values())]),
        ("requirements-build.txt", GROUPS["build"]),
        ("requirements-dev.txt", [*RUNTIME, *GROUPS["build"], *(one for one in GROUPS["dev"] if isinstance(one, str))]),
    ],
)
def test_packages_are_pinned_with_hashes_and_without_addresses(file: str, wanted: list[str]) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    pinned = re.findall(r"^(\S+)==\S+.*\\$", text, re.MULTILINE)
    assert names(wanted) <= set(pinned), "run: python3 dev.py pin"
    assert all(
        re.fullmatch(r"\S+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in text.splitlines()
    )
    assert "://" not in text


def test_the_table_of_renames_leads_to_what_exists() -> None:
    table = runpy.run_path(str(ROOT / "tools" / "renames.py"))
    places = [SOURCE / place.replace(".", "/") for place in table["MODULES"].values()]
    assert [place for place in places if not (place.is_dir() or place.with_suffix(".py").is_file())] == []
    source = "\n".join(path.read_text(encoding="utf-8") for path in modules())
    names = table["CLASSES"].values()
    assert [name for name in names if not re.search(rf"^(class|def|async def) {name}\b", source, re.MULTILINE)] == []
