"""The documents for people: their links lead somewhere, and the commands that they show exist as they are written."""

import re
from pathlib import Path

import pytest
from tools import reference

from aforo.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "bench").glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
COMMAND = re.compile(r"(?<!keyring set )(?<!-u )\baforo ([a-z]+)((?: +(?:--[\w-]+|[\w./:\\«»…-]+))*)")


def anchor(heading: str) -> str:
    """As a forge makes it from a heading."""
    text = re.sub(r"[^\w\s-]", "", heading.strip().lower())
    return text.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        name, _, place = target.partition("#")
        path = (page.parent / name) if name else page
        assert path.exists(), target
        if place:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in {anchor(heading) for heading in headings}, target


def shown(text: str) -> list[tuple[str, list[str]]]:
    """The commands in code, each with its options; messages of the program are no code."""
    text = re.sub(r"^- `.*`$", "", text, flags=re.MULTILINE)
    code = "\n".join(re.findall(r"```(?:sh|powershell)\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text))
    return [(name, re.findall(r"--[\w-]+", rest)) for name, rest in COMMAND.findall(code)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists_with_its_options(page: Path) -> None:
    known = {row.name: row for row in COMMANDS}
    for name, options in shown(page.read_text(encoding="utf-8")):
        assert name in known, f"aforo {name}"
        have = {word for action in reference.arguments(known[name]) for word in action.option_strings}
        assert set(options) <= have, f"aforo {name} {options}"


def test_the_readme_shows_every_command_and_both_languages_the_same_two_first() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("run", "demo", "check", "cameras", "backfill", "simulate", "report", "status", "service", "init"):
        assert f"`aforo {name}" in text
    for page in ("README.md", "README.en.md"):
        commands = re.findall(r"```sh\n(python3 dev\.py \w+)\n```", (ROOT / page).read_text(encoding="utf-8"))
        assert commands == ["python3 dev.py demo", "python3 dev.py test"]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/glosario.md"])
def test_the_modules_and_classes_that_a_page_names_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    paths = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    for word in re.findall(r"`([^`\s]+)`", text):
        if re.fullmatch(r"[\w/]+\.py", word):
            assert "vNNNN" in word or any(f"/{path}".endswith(f"/{word}") for path in paths), word
        elif re.fullmatch(r"([A-Z][a-z]+){2,}", word) and word not in {"SameSite", "HttpOnly"}:
            assert f"class {word}" in source, word
