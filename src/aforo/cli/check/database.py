"""The checks of the database: connection, tables, rights, space. Everything is tried out and rolled back."""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from aforo.cli.check.local import space_line
from aforo.cli.check.results import Line, State, failed, failure, ok, skipped, technical, warning
from aforo.errors import (
    AforoError,
    BadInput,
    BadSetting,
    StoreNotReady,
    StoreRejectedLogin,
    StoreUnavailable,
    os_reason,
)
from aforo.inputs.camera_list import load_cameras
from aforo.inputs.schedule import Schedule
from aforo.preconditions import try_to_write
from aforo.settings import Settings, zones_from
from aforo.storage import Preflight, Store, sqlite_file

_LEAST_SPACE = 500 * 1024 * 1024  # bytes: about ten seasons of events in SQLite
_TRIES = 3  # the service may hold the database for a moment
_TABLES = "database.tables"
_NO_TABLES = skipped(_TABLES, "Sin conexión no se sabe nada de las tablas.")
_AWAY = (
    "Compruebe que la base está en marcha, que esta máquina llega a ella y que ningún otro proceso la tiene tomada;"
    " y el ajuste database.odbc o database.url."
)
_ASK_DBA = (
    "Dé esa frase a quien administra la base; «aforo schema» escribe las tablas y los permisos que hacen falta, y con"
    " «aforo check -v» sale lo que dice el controlador."
)


def database_lines(settings: Settings) -> list[Line]:
    """Return the lines about the database. Blocks; raises no AforoError."""
    events, cameras = _stored_texts(settings)
    file = sqlite_file(settings.database.address())
    if file is not None and not file.exists():
        return _new_file(file)
    try:
        store = Store(settings.database.address(), zones_from(settings.zones), settings.monitor.timezone)
    except AforoError as exc:
        return [failed("database", exc)]
    try:
        lines = _dry_run_lines(store, events)
        if all(line.state is not State.FAILURE for line in lines):
            lines += _misfits(store.misfits(events, cameras))
    finally:
        store.close()
    return [*lines, space_line("database.space", file.parent, _LEAST_SPACE)] if file is not None else lines


def _stored_texts(settings: Settings) -> tuple[list[str], frozenset[str]]:
    """Return the names of the scheduled events and the ids of the cameras, as far as they can be read."""
    events: list[str] = []
    cameras: frozenset[str] = frozenset()
    with suppress(BadInput):  # these faults have lines of their own
        events = [
            event.name for event in Schedule.load(settings.monitor.schedule_file, settings.monitor.timezone).events
        ]
    with suppress(BadInput):
        cameras = load_cameras(settings.monitor.cameras_file)
    return events, cameras


def _misfits(texts: list[str]) -> list[Line]:
    """Return a warning about texts that the stadium's tables do not store completely."""
    remedy = "Las tablas aforo_… guardan el valor entero. Si Power BI lo necesita, que el DBA cambie la columna."
    what = "Hay datos que las tablas del estadio no guardan tal cual."
    return [warning("database.fit", what, remedy, texts)] if texts else []


def _new_file(file: Path) -> list[Line]:
    if not file.parent.is_dir():
        error = BadSetting(f"No existe la carpeta {file.parent}.", remedy="Créela o cambie el ajuste database.url.")
        return [failed("database", error)]
    try:
        try_to_write(file)
    except OSError as exc:
        what = f"SQLite {file}: no existe, y ahí no se puede crear ({os_reason(exc)})."
        return [failure("database", what, f"Dé permiso de escritura en {file.parent} o cambie el ajuste database.url.")]
    return [
        ok("database", f"SQLite {file}: aún no existe; se crea al empezar."),
        space_line("database.space", file.parent, _LEAST_SPACE),
    ]


def _dry_run_lines(store: Store, events: Collection[str]) -> list[Line]:
    try:
        found = _with_retries(partial(store.dry_run, events))
    except StoreUnavailable as exc:
        return [replace(failure("database", exc.what, _AWAY), technical=technical(exc)), _NO_TABLES]
    except StoreRejectedLogin as exc:
        return [failed("database", exc), _NO_TABLES]
    except StoreNotReady as exc:
        if not store.reached:
            return [failed("database", exc), _NO_TABLES]
        return [ok("database", f"Conectado a {store.name}."), _not_ready(exc)]
    except AforoError as exc:
        return [failed("database", exc)]
    return [ok("database", f"Conectado a {store.name}."), *_table_lines(found)]


def _not_ready(error: StoreNotReady) -> Line:
    """Return the line about missing tables, without the remedy that points to this very command."""
    line = failed(_TABLES, error)
    return replace(line, remedy=_ASK_DBA) if "aforo check" in line.remedy else line


def _with_retries(dry_run: Callable[[], Preflight]) -> Preflight:
    for _ in range(_TRIES - 1):
        try:
            return dry_run()
        except StoreUnavailable:
            continue
    return dry_run()


def _table_lines(found: Preflight) -> list[Line]:
    lines = []
    if found.there:
        lines.append(ok(_TABLES, f"Las tablas del estadio están y se puede escribir: {', '.join(found.there)}."))
    if found.missing:
        what = f"No están y se crearán: {', '.join(found.missing)}."
        remedy = "Si Power BI lee otras, cambie zones.table en los ajustes; si no, no hay nada que hacer."
        lines.append(warning(_TABLES, what, remedy) if found.there else ok(_TABLES, what))
    if found.rejected:
        what = "Las tablas del estadio no admiten las filas de todos los eventos programados."
        remedy = (
            "Ensanche la columna o cambie el nombre del evento; si no, sus filas quedan solo en las tablas aforo_…."
        )
        lines.append(
            failure("database.names", what, remedy, [f"«{name}»: {why}" for name, why in found.rejected.items()])
        )
    if found.keeps_names:
        what = (
            "Si se edita un evento en marcha, sus filas ya guardadas en eventos_Analisis conservan el nombre de antes."
        )
        remedy = "Pida al administrador el permiso UPDATE en eventos_Analisis."
        lines.append(warning("database.rename", what, remedy, [found.keeps_names]))
    if found.kept is not None:
        lines.append(warning("database.own", f"{found.kept.what} {found.kept.meaning}", found.kept.remedy))
    elif found.version == found.newest:
        lines.append(ok("database.own", f"Las tablas aforo_… están al día (versión {found.version})."))
    else:
        now = "no están" if found.version is None else f"son de la versión {found.version}"
        lines.append(ok("database.own", f"Las tablas aforo_… {now}; se pueden crear (versión {found.newest})."))
    return lines
