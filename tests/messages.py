"""Every message that an operator may meet: what the program raises and what it logs, read from the sources."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).resolve().parents[1] / "src" / "aforo"
# The simulator's messages are for people who try a client.
LEFT_OUT = ("simulator/",)
LEVELS = {"warning", "error", "critical", "exception"}


class Message(NamedTuple):
    """A message with «…» where something is filled in, and where it stands."""

    text: str
    place: str


def messages() -> list[Message]:
    """All of them, each text once."""
    errors = _error_names()
    found: dict[str, Message] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        relative = path.relative_to(SOURCES).as_posix()
        if relative.startswith(LEFT_OUT):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for text in _texts(node, errors, path):
                    found.setdefault(text, Message(text, f"{relative}:{node.lineno}"))
    return list(found.values())


def _texts(call: ast.Call, errors: set[str], path: Path) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    yield from _shown(text for one in call.keywords if one.arg == "failure" for text in _plain(one.value, path))
    logs = name in LEVELS and isinstance(call.func, ast.Attribute) and "log" in ast.unparse(call.func.value)
    if not call.args or not (name in errors or logs or name == "log"):
        return
    argument = call.args[1] if name == "log" and len(call.args) > 1 else call.args[0]
    yield from _shown(_plain(argument, path))


def _shown(texts: Iterable[str]) -> Iterator[str]:
    """Those that have words of their own, as compared."""
    for text in texts:
        shown = normal(text)
        if re.search(r"\w{3,}.*\s", shown.replace("…", "")):
            yield shown


def _plain(node: ast.expr, path: Path) -> Iterator[str]:
    """The texts that an expression may be, with … for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"%[-+.\d]*[sdrfg]", "…", node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _plain(node.body, path)
        yield from _plain(node.orelse, path)
    elif isinstance(node, ast.BinOp):
        lefts, rights = (list(_plain(side, path)) or ["…"] for side in (node.left, node.right))
        yield from (left + right for left in lefts for right in rights)
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _plain(value, path)
    elif isinstance(node, ast.Subscript):
        yield from _plain(node.value, path)
    elif isinstance(node, ast.Name):
        yield from _assigned(node.id, path)


def _assigned(name: str, path: Path) -> Iterator[str]:
    """What a local name of that module is ever set to."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign) or isinstance(node.value, ast.Name):
            continue
        if any(isinstance(one, ast.Name) and one.id == name for one in node.targets):
            yield from _plain(node.value, path)


def normal(text: str) -> str:
    """As compared: blanks alike, what is filled in as one …"""
    return re.sub(r"(…[\s.,;:()«»/-]*)*…", "…", " ".join(text.split())).strip()


def _error_names() -> set[str]:
    tree = ast.parse((SOURCES / "errors.py").read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    return names | {
        "ServiceSilent",
        "NotTakenUp",
        "NoConnection",
        "TimedOut",
        "UpgradeRejected",
        "kind",
        "fault",
        "ServiceUnavailable",
        "RequestConflict",
    }
