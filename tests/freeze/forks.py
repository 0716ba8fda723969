"""``python forks.py``: runs many commands of the program, each in a fork that has the libraries imported already.

Reads a JSON list on stdin: folder, environment, arguments, stdin. Writes a JSON list: exit code, stdout, stderr.
A start of the interpreter with all libraries takes a second, and the tests of wrong input make a hundred.
"""

import importlib
import json
import os
import runpy
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = ("aiohttp", "alembic.config", "fastapi", "msgspec", "prometheus_client", "pydantic", "rich.live", "uvicorn")


def run(case: dict[str, Any], scratch: Path) -> list[Any]:
    """One command in a fork; its exit code and what it wrote."""
    (scratch / "0").write_text(case["stdin"], encoding="utf-8")
    child = os.fork()
    if child == 0:
        _become(case, scratch)
    _, status = os.waitpid(child, 0)
    written = [(scratch / name).read_text(encoding="utf-8") for name in "12"]
    return [os.waitstatus_to_exitcode(status), *written]


def _become(case: dict[str, Any], scratch: Path) -> None:
    os.chdir(case["folder"])
    os.environ.clear()
    os.environ.update(case["environment"])
    for number, flags in enumerate((os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_TRUNC] * 2)):
        os.dup2(os.open(scratch / str(number), flags), number)
    sys.argv = ["aforo", *case["arguments"]]
    code: object = 0
    try:
        runpy.run_module("aforo", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 -- as the interpreter ends with it
        sys.excepthook(*sys.exc_info())
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    for name in LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps([run(case, Path(folder)) for case in json.load(sys.stdin)]))
