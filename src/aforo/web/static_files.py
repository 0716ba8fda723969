"""The page's files, those of plotly and Swagger UI among them: read once, compressed once, named by their content."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "png": "image/png",
}
# Where a name that is not in our own folder comes from: carried by a wheel, never by another server.
_FOREIGN = {
    "plotly.min.js": ("plotly.package_data", "plotly.min.js"),
    "swagger-ui-bundle.js": ("fastapi_offline.static", "swagger-ui-bundle.js"),
    "swagger-ui.css": ("fastapi_offline.static", "swagger-ui.css"),
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is sent."""

    body: bytes
    zipped: bytes
    kind: str
    tag: str


@cache
def asset(name: str) -> Asset | None:
    """The file of that name; None where there is none. Reads the disk the first time: not on the event loop."""
    ending = name.rpartition(".")[2]
    source = _source(name)
    if ending not in _TYPES or source is None or not source.is_file():
        return None
    body = source.read_bytes()
    zipped = gzip.compress(body, 6, mtime=0) if ending != "png" else body
    return Asset(body, zipped, _TYPES[ending], f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def names() -> list[str]:
    """Every file there is."""
    own = [entry.name for entry in files("aforo.web").joinpath("static").iterdir() if entry.is_file()]
    return sorted([*own, *_FOREIGN])


def _source(name: str) -> Traversable | None:
    if name in _FOREIGN:
        package, file = _FOREIGN[name]
        return _package(package).joinpath(file)
    own = {entry.name: entry for entry in files("aforo.web").joinpath("static").iterdir()}
    return own.get(name)


def _package(dotted: str) -> Path:
    """A folder inside a package, which is not imported for that."""
    first, *inner = dotted.split(".")
    spec = find_spec(first)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(first)
    return Path(spec.submodule_search_locations[0]).joinpath(*inner)
