"""The documentation site builds without a warning, and nothing in it comes from another host."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Elements and attributes whose address a browser loads by itself; an <a> is followed only when clicked.
LOADED = {
    ("script", "src"), ("link", "href"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("source", "src"),
    ("source", "srcset"), ("video", "src"), ("audio", "src"), ("object", "data"), ("embed", "src"), ("image", "href"),
}  # fmt: skip
# What makes the theme's own script load something from elsewhere: a diagram, a gallery, a code editor.
LOADERS = {"mermaid", "glightbox", "pyodide"}
FOREIGN = re.compile(r"(https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly from a copy of the documents."""
    folder = tmp_path_factory.mktemp("documents")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


class Page(HTMLParser):
    """What a browser loads for a page: ``loaded`` addresses, and the classes of its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.classes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if (tag, name) in LOADED and not (tag == "link" and ("rel", "canonical") in attrs):
                self.loaded.append(value or "")
            if name == "class":
                self.classes.update((value or "").split())


def foreign(folder: Path) -> Iterator[str]:
    """Each address of another host that a page or a style sheet of the folder loads."""
    for path in sorted(folder.rglob("*.html")):
        page = Page(path.read_text(encoding="utf-8"))
        yield from (f"{path.name}: {address}" for address in page.loaded if FOREIGN.match(address))
        yield from (f"{path.name}: class {name}" for name in sorted(page.classes & LOADERS))
    for path in sorted(folder.rglob("*.css")):
        for address in re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')\s]+)", path.read_text(encoding="utf-8")):
            if FOREIGN.match(address):
                yield f"{path.name}: {address}"


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    assert list(foreign(site)) == []
    assert 'src="javascripts/iframe-worker.js"' in (site / "index.html").read_text(encoding="utf-8").replace("./", "")


def test_an_address_of_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="https://x.example"><script src="//cdn.example/x.js"></script>', "utf-8")
    (tmp_path / "b.html").write_text('<pre class="mermaid x">', "utf-8")
    (tmp_path / "c.css").write_text("@font-face{src:url('https://fonts.example/f.woff2')}", "utf-8")
    assert list(foreign(tmp_path)) == [
        "a.html: //cdn.example/x.js", "b.html: class mermaid", "c.css: https://fonts.example/f.woff2",
    ]  # fmt: skip


def test_every_page_is_reached_and_is_in_spanish(site: Path) -> None:
    navigation = (site / "index.html").read_text(encoding="utf-8")
    assert '<html lang="es"' in navigation
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    addresses = {name.removesuffix(".md") + ".html" for name in pages} - {"decisions/README.html"}
    assert {name for name in addresses if name not in navigation} == set()
