"""Runs the program's commands as processes, in a folder and an environment that hold nothing else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.freeze.golden import ROOT

Done = subprocess.CompletedProcess[str]


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of the program, with those that are given."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AFORO_", "CREDENTIALS_"))}
    fixed = {"COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1", "PYTHONPATH": str(ROOT / "src"), "LC_ALL": "C.UTF-8"}
    return {**ours, **fixed, **(settings or {})}


def aforo(
    folder: Path, *arguments: str, settings: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 90
) -> Done:
    """Run ``aforo`` with these arguments to its end."""
    return subprocess.run(
        [sys.executable, "-m", "aforo", *arguments],
        cwd=folder,
        env=environment(settings),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )


def aforo_many(cases: Sequence[tuple[Path, Sequence[str], Mapping[str, str], str]]) -> list[Done]:
    """Run many commands (folder, arguments, settings, stdin) with one start of the interpreter."""
    parts = [
        {"folder": str(folder), "arguments": [*arguments], "environment": environment(settings), "stdin": stdin}
        for folder, arguments, settings, stdin in cases
    ]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("forks.py"))],
        env=environment(),
        input=json.dumps(parts),
        capture_output=True,
        encoding="utf-8",
        timeout=90 + 15 * len(parts),  # a command takes a second, on a busy machine five
        check=True,
    )
    return [
        subprocess.CompletedProcess([*case[1]], code, stdout, stderr)
        for case, (code, stdout, stderr) in zip(cases, json.loads(done.stdout), strict=True)
    ]


def transcript(done: Done, arguments: str) -> str:
    """What the command was, its exit code and what it wrote."""
    parts = [f"$ aforo {arguments}".rstrip(), f"[exit code {done.returncode}]"]
    parts += [f"[stdout]\n{done.stdout.rstrip()}"] if done.stdout.strip() else []
    parts += [f"[stderr]\n{done.stderr.rstrip()}"] if done.stderr.strip() else []
    return "\n".join(parts) + "\n"


@contextmanager
def simulated(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """``aforo simulate`` as a process; gives its first line."""
    command = [sys.executable, "-m", "aforo", "simulate", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), encoding="utf-8", cwd=folder) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)


def settings_of(site: Mapping[str, Any], **more: str) -> dict[str, str]:
    """The settings, as environment variables, with which the program reads a simulated site."""
    credentials = site["credentials"]
    return {
        "AFORO_ACC__URL": site["url"],
        "AFORO_ACC__FINGERPRINT": site["fingerprint"],
        "AFORO_ACC__USERNAME": credentials["username"],
        "AFORO_ACC__PASSWORD": credentials["password"],
        "AFORO_ACC__USER_NONCE": credentials["user_nonce"],
        "AFORO_ACC__USER_KEY": credentials["user_key"],
        "AFORO_WEB__PORT": "0",
        **more,
    }


def write_files(folder: Path, site: Mapping[str, Any], day: str, name: str, since: str, until: str) -> None:
    """Write the schedule, with one event, and the allow list."""
    schedule = {day: {"nombre": name, "hora_inicio": since, "hora_fin": until}}
    for file, content in (("eventos_programados.json", schedule), ("ids_camaras_permitidas.json", site["cameras"])):
        (folder / file).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
