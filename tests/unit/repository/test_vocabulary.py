"""One word for one thing (docs/glosario.md): the words that the glossary replaced are in no name, docstring or comment.

``python -m tests.unit.repository.test_vocabulary [FOLDER...]`` prints each finding and a count per package.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("src", "tests", "bench")
# Pages in English, where the words are those of the code.
PAGES = (
    "README.en.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/decisions/*.md", "bench/README.md",
)  # fmt: skip

IN_NAMES = re.compile(
    "evenings?|houses?|rooms?|errands?|verdicts?|census|boards?|chronicles?|watchman|stretch(es)?|swallowed|witness(es)?"
    "|outlook|owed|told|heard|nights?|books?|coverage|standing|agenda|tally|tallies|habits|passages?|sift(ed)?"
)
IN_PROSE = re.compile(
    "evenings?|house|rooms?|errands?|verdicts?|census|board|chronicle|watchman|stretch(es)?|swallowed|witness(es)?"
    "|outlook|owed|told|nights?"
)

ANYWHERE = re.compile(rf"(?<![^\W\d_])(?:{IN_PROSE.pattern})(?![^\W\d_])", re.IGNORECASE)

SHORT = 3  # words of a name that is no sentence

# Names that others hold on to, each with the files in which it may stand ("" for everywhere). Nothing else may.
EXCEPTIONS = {
    # Tables and columns of the database
    "shows": ("src/aforo/storage/", "tests/contract/storage/", "tests/unit/storage/", "tests/freeze/"),
    "show_id": ("src/aforo/storage/", "tests/"),
    # Fields of the API and of the report's JSON, and keys of the journal's entries
    "evening": ("src/aforo/web/s", "src/aforo/cli/status.py", "tests/flow/test_web", "tests/e2e/test_page.py"),
    "passages": ("src/aforo/web/s", "src/aforo/cli/status.py", "tests/flow/test_web"),
    "swallowed": ("src/aforo/web/", "src/aforo/reporting/", "src/aforo/cli/", "src/aforo/simulator/oracle", "tests/"),
    "swallowed_exits": ("src/aforo/web/", "tests/"),
    # Names of a library
    "coverage": ("tests/conftest.py", "tests/unit/repository/"),
    "Coverage": ("tests/conftest.py", "tests/unit/repository/"),
    # Usual words of the field
    "rule_coverage": ("src/aforo/cli/check/", "tests/"),
}


class Finding(NamedTuple):
    """A left-out word and where it stands."""

    path: Path
    line: int
    word: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT).as_posix()}:{self.line}: «{self.word}» in {self.text}"


def sources(folders: Iterable[str] = FOLDERS) -> list[Path]:
    """Every Python file of the folders, and files named by themselves."""
    places = [ROOT / folder for folder in folders]
    return sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))


def findings(path: Path) -> list[Finding]:
    """Every left-out word of a Python file, in the order of its lines."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    names = [(1, path.stem), *identifiers(tree)]
    found = [
        Finding(path, line, word, f"the name {name}")
        for line, name in names
        if (words := left_out(name)) and not excepted(name, path)
        for word in words
    ]
    if ANYWHERE.search(source):  # finding the comments of a file takes long
        for line, text in (*docstrings(tree), *comments(source)):
            found += prose(path, line, text)
    return sorted(found, key=lambda finding: finding.line)


def excepted(name: str, path: Path) -> bool:
    """Whether others hold on to the name, and it may stand in that file."""
    places = EXCEPTIONS.get(name.lstrip("_"), ())
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).as_posix().startswith(tuple(places))


@cache
def left_out(name: str) -> list[str]:
    """Words of an identifier, snake or camel case, that the glossary replaced."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    found = [word for word in words if IN_NAMES.fullmatch(word)]
    # «show» is a verb at the head of a name and in the long name of a test; elsewhere it is the event's old name.
    if len(words) <= SHORT:
        found += [word for place, word in enumerate(words) if word == "shows" or (word == "show" and place != 0)]
    return found or (["show"] if words == ["show"] else [])


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module defines or uses, with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str() as name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.alias(name=name, asname=alias):
                yield from ((line, part) for part in (*name.split("."), alias) if part)
            case ast.ImportFrom(module=str() as module):
                yield from ((line, part) for part in module.split("."))
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                yield line, name
            case _:
                pass


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every docstring, with the line at which it begins."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            text := ast.get_docstring(node, clean=False)
        ):
            yield node.body[0].lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Every comment, with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def prose(path: Path, line: int, text: str) -> Iterator[Finding]:
    """Left-out words of a text; names between backquotes that are exceptions are let through."""
    for offset, row in enumerate(text.splitlines()):
        plain = re.sub(r"`+([^`]+)`+", lambda code: "" if code[1] in EXCEPTIONS else code[0], row)
        plain = re.sub(r"control[ -]room", "", plain, flags=re.IGNORECASE)  # where the page is looked at
        for word in re.findall(r"[^\W\d_]+(?:_\w+)?", plain):
            if IN_PROSE.fullmatch(word.lower()):
                yield Finding(path, line + offset, word.lower(), f"the text {row.strip()!r}")


def pages() -> list[Path]:
    """The pages in English that exist."""
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def test_no_left_out_word_in_names_docstrings_and_comments() -> None:
    found = [str(finding) for path in sources() for finding in findings(path)]
    assert found == []


def test_no_left_out_word_in_the_pages_in_english() -> None:
    found = [str(finding) for path in pages() for finding in prose(path, 1, path.read_text(encoding="utf-8"))]
    assert found == []


def test_left_out_words_are_found_in_every_place(tmp_path: Path) -> None:
    module = tmp_path / "evening.py"
    module.write_text(
        '"""A house."""\nfrom x.rooms import y as witness\n\ndef show(errand, *, owed=1):  # told\n'
        "    return Board(verdict=errand.heard, show_id=1)\n",
        encoding="utf-8",
    )
    found = " ".join(sorted(finding.word for finding in findings(module)))
    assert found == "board errand errand evening heard house owed rooms show told verdict witness"
    assert left_out("show_page") == []
    assert left_out("show_of") == []
    assert left_out("test_the_page_shows_the_count") == []
    assert left_out("last_show") == left_out("show") == ["show"]


def _report(folders: list[str]) -> int:
    """Print each finding of the folders, then a count per package."""
    counts: Counter[str] = Counter()
    for path in sources(folders or FOLDERS):
        for finding in findings(path):
            print(finding)
            counts["/".join(path.relative_to(ROOT).parts[:3])] += 1
    for package, count in sorted(counts.items()):
        print(f"{count:6} {package}")
    return int(bool(counts))


if __name__ == "__main__":
    sys.exit(_report(sys.argv[1:]))
