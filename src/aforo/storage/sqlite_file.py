"""The file of an SQLite database, by its address: whether it is there, before opening it would make it."""

from pathlib import Path

from sqlalchemy import make_url

from aforo.errors import BadCommand


def sqlite_file(address: str) -> Path | None:
    """Return the file that an address names; None for a database in memory, a server, and what is no address."""
    try:
        url = make_url(address)
    except ValueError:
        return None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database).absolute()


def require_existing(address: str) -> None:
    """Raise BadCommand where an address names an SQLite file that is not there: what reads events makes none."""
    file = sqlite_file(address)
    if file is not None and not file.exists():
        raise BadCommand(
            f"No hay ninguna base de datos en {file}.",
            remedy="Ejecute el comando en la carpeta del programa, la de aforo.toml, o revise el ajuste database.url.",
        )
