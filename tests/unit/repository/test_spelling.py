"""The Spanish of the operators' pages, by hunspell; docs/palabras.txt holds the words that its dictionary lacks."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
IN_ENGLISH = {"architecture.md"}
WORDS = ROOT / "docs" / "palabras.txt"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in IN_ENGLISH),
    *sorted((ROOT / "docs" / "referencia").glob("*.md")),
]
DICTIONARY = "es_CO"


def dictionary_is_there() -> bool:
    """Whether hunspell runs here with its Spanish dictionary."""
    if shutil.which("hunspell") is None:
        return False
    done = subprocess.run(["hunspell", "-d", DICTIONARY, "-l"], input=b"", capture_output=True, check=False)
    return done.returncode == 0


needs_hunspell = pytest.mark.skipif(not dictionary_is_there(), reason="sin hunspell y hunspell-es")


def prose(text: str) -> str:
    """A page without code, addresses, comments, names in CamelCase and abbreviations."""
    text = re.sub(r"<!--.*?-->|```.*?```|`[^`]*`", " ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)|https?://\S+|^:::.*$|[\w.…-]*_[\w.…-]*", " ", text, flags=re.MULTILINE)
    return re.sub(r"\b\w*\d\w*\b|\b\w+\.md\b|\b\w*[a-z][A-Z]\w*\b|\b[A-Z]+\b", " ", text)


def unknown(text: str) -> list[str]:
    """Words of a text that neither the dictionary nor the project's list holds."""
    done = subprocess.run(
        ["hunspell", "-d", DICTIONARY, "-i", "utf-8", "-l"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    known = set(WORDS.read_text(encoding="utf-8").split())
    return sorted({word for word in done.stdout.split() if word not in known and word.lower() not in known})


@needs_hunspell
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_word_is_spelled_right(page: Path) -> None:
    assert unknown(prose(page.read_text(encoding="utf-8"))) == [], "mend the word, or add it to docs/palabras.txt"


@needs_hunspell
def test_a_misspelled_word_is_found() -> None:
    assert unknown(prose("La puerta esta abiertta; `codigo` no se mira. [enlace](notaa.md)")) == ["abiertta"]


@needs_hunspell
def test_the_list_of_words_holds_only_words_that_occur() -> None:
    text = " ".join(prose(page.read_text(encoding="utf-8")) for page in PAGES).lower()
    listed = WORDS.read_text(encoding="utf-8").split()
    assert listed == sorted(set(listed), key=str.lower)
    assert [word for word in listed if word.lower() not in text] == []
