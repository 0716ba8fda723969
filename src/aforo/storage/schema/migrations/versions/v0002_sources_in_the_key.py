"""The second version: the ledger's key has the source; logged-out sessions; who receives pushes; what totals add up.

Two cameras of a server with one ``thisId`` in the same millisecond are two camera events. SQL Server makes the key anew
where the table is, so that it keeps the rights that were granted on it; SQLite, which cannot change a key, copies the
table in its order. On the way back the second of two such events gets an id of its own, ``thisId~#source``: it stays
counted, and the first version does not count it again. On the way forward it gets its ``thisId`` back.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

revision = "0002"
down_revision = "0001"

_KEY = ("occurred_ms", "server", "this_id")

# An id is cut to 110 characters before the suffix is added: together they fit into the column.
_PLAIN_SQLITE = """
    CASE WHEN this_id LIKE '_%~#' || source THEN substr(this_id, 1, length(this_id) - length('~#' || source))
    ELSE this_id END"""
_UNIQUE_SQLITE = """
    CASE WHEN row_number() OVER (PARTITION BY occurred_ms, server, this_id ORDER BY source) > 1
    THEN substr(this_id, 1, 110) || '~#' || source ELSE this_id END"""
_PLAIN_MSSQL = """
UPDATE aforo_events
SET this_id = LEFT(this_id, LEN(this_id) - LEN(CAST(source AS nvarchar(12))) - 2)
WHERE this_id LIKE N'_%~#' + CAST(source AS nvarchar(12))"""
_UNIQUE_MSSQL = """
UPDATE aforo_events
SET this_id = LEFT(this_id, 110) + N'~#' + CAST(source AS nvarchar(12))
WHERE EXISTS (
    SELECT 1 FROM aforo_events AS other WHERE other.occurred_ms = aforo_events.occurred_ms
    AND other.server = aforo_events.server AND other.this_id = aforo_events.this_id
    AND other.source < aforo_events.source)"""


def upgrade() -> None:
    """Bring the tables to this version."""
    if op.get_context().dialect.name == "sqlite":
        _copy(_PLAIN_SQLITE, (*_KEY, "source"))
    else:
        _rekey((*_KEY, "source"))
        op.execute(_PLAIN_MSSQL)
    key = sa.Unicode(128).with_variant(mssql.NVARCHAR(128, collation="Latin1_General_100_BIN2"), "mssql")
    zone = sa.Unicode(100).with_variant(mssql.NVARCHAR(100, collation="Latin1_General_100_BIN2"), "mssql")
    op.create_table(
        "aforo_totals",
        sa.Column("show_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("total", zone, nullable=False),
        sa.Column("zone", zone, nullable=False),
        sa.PrimaryKeyConstraint("show_id", "total", "zone", name="pk_aforo_totals"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "aforo_ended_sessions",
        sa.Column("session_key", key, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("session_key", name="pk_aforo_ended_sessions"),
        sqlite_with_rowid=False,
    )
    url = sa.Unicode(300).with_variant(mssql.NVARCHAR(300, collation="Latin1_General_100_BIN2"), "mssql")
    op.create_table(
        "aforo_push",
        sa.Column("url", url, nullable=False),
        sa.Column("instance", key, nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("keeps", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("url", "instance", name="pk_aforo_push"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Bring the tables back to the version before: no camera event is lost; logged-out sessions and totals are."""
    op.drop_table("aforo_push")
    op.drop_table("aforo_ended_sessions")
    op.drop_table("aforo_totals")
    if op.get_context().dialect.name == "sqlite":
        _copy(_UNIQUE_SQLITE, _KEY)
    else:
        op.execute(_UNIQUE_MSSQL)
        _rekey(_KEY)


def _rekey(key: Sequence[str]) -> None:
    op.drop_constraint("pk_aforo_events", "aforo_events", type_="primary")
    op.create_primary_key("pk_aforo_events", "aforo_events", list(key))


def _copy(this_id: str, key: Sequence[str]) -> None:
    """Make the ledger anew with that key, each id by an expression; it is read in the order in which it is written."""
    whole = [("occurred_ms", sa.BigInteger), ("server", sa.Integer)]
    rest = [("source", sa.Integer), ("show_id", sa.Integer), ("history", sa.SmallInteger), ("seen_ms", sa.BigInteger)]
    op.create_table(
        "aforo_events_new",
        *(sa.Column(name, type_, nullable=False, autoincrement=False) for name, type_ in whole),
        sa.Column("this_id", sa.Unicode(128), nullable=False),
        *(sa.Column(name, type_, nullable=False, autoincrement=False) for name, type_ in rest),
        sa.PrimaryKeyConstraint(*key, name="pk_aforo_events"),
        sqlite_with_rowid=False,
    )
    columns = f"occurred_ms, server, {this_id}, source, show_id, history, seen_ms"
    op.execute(f"INSERT INTO aforo_events_new SELECT {columns} FROM aforo_events")  # noqa: S608 -- our own texts
    op.drop_table("aforo_events")
    op.rename_table("aforo_events_new", "aforo_events")
