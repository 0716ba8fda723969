"""A site table as it is found, or made where it is missing: its columns, by the names of the document."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, DateTime, Integer, MetaData, Table, Unicode, inspect
from sqlalchemy.dialects import mssql
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import Inspector
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from aforo.errors import StoreNotReady
from aforo.storage.backends.backend import LOCAL_TIME, Backend, Shortener
from aforo.storage.backends.errors import Recovery

_TEXT = Unicode(255)
_TIME = DateTime().with_variant(mssql.DATETIME2(precision=3), "mssql")  # type: ignore[no-untyped-call]
_TYPES: dict[str, TypeEngine[Any]] = {"timestamp": _TIME, "aforo": Integer()}


@dataclass(frozen=True, slots=True)
class ReflectedTable:
    """``table`` has just the document's columns, in its order, each with the name and the type that it has there."""

    table: Table
    columns: dict[str, Column[Any]]
    shorteners: tuple[Shortener | None, ...]  # what makes a text as short as each column accepts it

    def fit(self, name: str, text: str) -> str:
        """The text as the column accepts it, cut where it is too long."""
        shortener = self.shorteners[list(self.columns).index(name)]
        return text if shortener is None else shortener(text)


def find_or_create(
    connection: Connection, inspector: Inspector, backend: Backend, name: str, columns: Sequence[str]
) -> ReflectedTable:
    """The table, found whatever the case of its letters, else created. Raises StoreNotReady where it cannot be used."""
    schema, _, bare = name.rpartition(".")
    where = backend.schema(schema)
    there = [*inspector.get_table_names(where), *inspector.get_view_names(where)]
    actual = next((table for table in there if table.lower() == bare.lower()), None)
    if actual is None:
        made = document_table(bare, columns, where)
        try:
            made.create(connection)
        except DBAPIError as exc:
            if backend.classify(exc) not in {Recovery.READY, Recovery.STATEMENT}:
                raise
            raise StoreNotReady(
                f"A {backend.name} le falta la tabla {name} (o esta cuenta no la ve), y esta cuenta no puede crearla.",
                "Sin ella no se guarda nada.",
                "Entregue al administrador lo que imprime «aforo schema».",
            ) from exc
        return _described(backend, made, columns)
    return _described(backend, _as_found(connection, backend, actual, where, columns), columns)


def document_table(name: str, columns: Sequence[str], schema: str | None = None) -> Table:
    """The table as the document has it."""
    info = {"timestamp": {LOCAL_TIME: True}}
    made = [Column(column, _TYPES.get(column, _TEXT), info=info.get(column, {})) for column in columns]
    return Table(name, MetaData(), *made, schema=schema)


def _as_found(connection: Connection, backend: Backend, name: str, schema: str | None, wanted: Sequence[str]) -> Table:
    there = {column["name"].lower(): column for column in inspect(connection).get_columns(name, schema)}
    missing = [column for column in wanted if column.lower() not in there]
    if missing:
        raise StoreNotReady(
            f"La tabla {name} de {backend.name} existe, pero le faltan columnas: {', '.join(missing)}.",
            "No se toca nada.",
            "Añádalas o cambie el nombre de la tabla en los ajustes.",
        )
    others = there.keys() - {column.lower() for column in wanted}
    unfilled = sorted(there[column]["name"] for column in others if _has_to_be_given(there[column]))
    if unfilled:
        raise StoreNotReady(
            f"La tabla {name} de {backend.name} exige columnas que nadie llena: {', '.join(unfilled)}.",
            "No se toca nada.",
            "Póngales un valor por defecto o permita NULL en ellas.",
        )
    columns = []
    for column in wanted:
        real = there[column.lower()]
        kind = backend.refined_type(connection, name, schema, real)
        columns.append(Column(real["name"], kind, info={LOCAL_TIME: column == "timestamp"}))
    return Table(name, MetaData(), *columns, schema=schema)


def _described(backend: Backend, table: Table, columns: Sequence[str]) -> ReflectedTable:
    named = dict(zip(columns, table.columns, strict=True))
    return ReflectedTable(table, named, tuple(backend.shortener(column) for column in table.columns))


def _has_to_be_given(column: ReflectedColumn) -> bool:
    """Whether an INSERT that does not name the column fails."""
    fills_itself = column.get("identity") or column.get("computed") or isinstance(column["type"], mssql.TIMESTAMP)
    return not (column["nullable"] or column["default"] is not None or fills_itself)
