"""``aforo service``: installs, removes and shows the service."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import list2cmdline

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from aforo.errors import BadCommand
from aforo.os_service import windows
from aforo.os_service.systemd import Plan, Systemd, owner, unit_text
from aforo.settings import Settings, load

_NOT_RUNNING = 3  # exit code, as systemctl's


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The arguments of the command. ``only_print``: print the unit, change nothing."""

    action: str
    name: str = "aforo"
    user: str = ""
    credentials: Path | None = None
    config: Path | None = None
    only_print: bool = False


def main(options: ServiceOptions, systemd: Systemd | None = None) -> int:
    """Run the command and return the exit code. Raises BadCommand, BadSetting."""
    if os.name == "nt":
        return _on_windows(options)
    systemd = systemd or Systemd()
    if options.action == "uninstall":
        return _print(systemd.uninstall(options.name))
    if options.action == "status":
        text, running = systemd.status(options.name)
        return _print(text) if running else _print(text) or _NOT_RUNNING
    folder = Path.cwd()
    settings = load(os.environ, config=options.config)
    plan = Plan(
        name=options.name,
        folder=folder,
        user=options.user or owner(folder),
        credentials=_absolute(options.credentials),
        config=_absolute(options.config),
        writable=_folders_to_write(settings, folder),
        read=_files_to_read(settings, folder, options.config),
    )
    return _print(unit_text(plan).rstrip("\n") if options.only_print else systemd.install(plan))


def _on_windows(options: ServiceOptions) -> int:
    if options.action == "uninstall":
        return _print(windows.uninstall(options.name))
    if options.action == "status":
        text, running = windows.status(options.name)
        return _print(text) if running else _print(text) or _NOT_RUNNING
    if options.credentials is not None:
        raise BadCommand(
            "--credentials es de systemd.",
            remedy="En Windows use acc.password_file o el Administrador de credenciales.",
        )
    plan = windows.Plan(options.name, Path.cwd(), options.user, _absolute(options.config))
    if options.only_print:
        return _print("\n".join(map(list2cmdline, windows.create_commands(plan))))
    return _print(windows.install(plan))


def _folders_to_write(settings: Settings, folder: Path) -> list[Path]:
    """Return the folders outside ``folder`` that the job writes into: log, event reports, a database in a file."""
    paths = [settings.log.file.parent if settings.log.file else folder, settings.report.folder or folder]
    try:
        url = make_url(settings.database.address())
        if url.get_backend_name() == "sqlite" and url.database:
            paths.append(Path(url.database).parent)
    except ArgumentError:
        pass  # the start of the job reports it
    return [path.absolute() for path in paths if not path.absolute().is_relative_to(folder)]


def _files_to_read(settings: Settings, folder: Path, config: Path | None) -> list[Path]:
    """Return the files without which the service does not start, its Python first."""
    monitor = settings.monitor
    files = [Path(".env"), config or Path("aforo.toml"), monitor.schedule_file, monitor.cameras_file]
    return [Path(sys.executable), *(folder / file for file in files)]


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _print(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0
