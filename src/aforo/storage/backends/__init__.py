"""What differs between databases: connections, drivers, errors, statements."""

from sqlalchemy import URL

from aforo.errors import StoreNotReady
from aforo.storage.backends.backend import Backend


def backend_for(url: URL) -> Backend:
    """The backend of a database URL. Raises BadSetting or StoreNotReady for one that cannot be used."""
    kind = url.get_backend_name()
    if kind == "sqlite":
        from aforo.storage.backends.sqlite import Sqlite  # noqa: PLC0415 -- only the database in use is imported

        return Sqlite(url)
    if kind == "mssql":
        from aforo.storage.backends.sqlserver import SqlServer  # noqa: PLC0415

        return SqlServer(url)
    raise StoreNotReady(f"No se admite la base de datos «{kind}».", remedy="Use SQL Server o SQLite (database.url).")
