"""The first version: shows, sources, ledger, minutes, checkpoints, corrections, journal."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None


def _key(length: int = 128) -> TypeEngine[str]:
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length, collation="Latin1_General_100_BIN2"), "mssql")


def _whole(name: str, type_: type[TypeEngine[int]] = sa.BigInteger) -> "sa.Column[int]":
    return sa.Column(name, type_, nullable=False, autoincrement=False)


def _table(name: str, key: tuple[str, ...], *columns: "sa.Column[Any]") -> None:
    rowid = {"sqlite_with_rowid": False} if len(key) > 1 or name == "aforo_corrections" else {}
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), **rowid)


def upgrade() -> None:
    """Bring the tables to this version."""
    text = sa.Unicode(1000)
    long_text = sa.UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")
    _table(
        "aforo_shows",
        ("id",),
        _whole("id", sa.Integer),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("name", text, nullable=False),
        _whole("starts_ms"),
        _whole("ends_ms"),
        sa.Column("rules", long_text, nullable=False),
        _whole("revision"),
        _whole("opened_ms"),
        sa.Column("closed_ms", sa.BigInteger),
    )
    _table(
        "aforo_servers",
        ("id",),
        _whole("id", sa.Integer),
        sa.Column("server_id", _key(), nullable=False),
    )
    _table(
        "aforo_sources",
        ("id",),
        _whole("id", sa.Integer),
        sa.Column("camera_id", _key(), nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("area", text, nullable=False),
        sa.Column("activity", text, nullable=False),
    )
    op.create_index("ix_aforo_sources_camera_id", "aforo_sources", ["camera_id"])
    _table(
        "aforo_events",
        ("occurred_ms", "server", "this_id"),
        _whole("occurred_ms"),
        _whole("server", sa.Integer),
        sa.Column("this_id", _key(), nullable=False),
        _whole("source", sa.Integer),
        _whole("show_id", sa.Integer),
        _whole("history", sa.SmallInteger),
        _whole("seen_ms"),
    )
    _table(
        "aforo_minutes",
        ("show_id", "zone", "minute_ms"),
        _whole("show_id", sa.Integer),
        sa.Column("zone", _key(100), nullable=False),
        _whole("minute_ms"),
        *(_whole(name, sa.Integer) for name in ("entries", "exits", "net", "floor", "peak_net", "peak_floor")),
        _whole("last_ms"),
    )
    _table(
        "aforo_checkpoints",
        ("show_id", "server_id", "camera_id"),
        _whole("show_id", sa.Integer),
        sa.Column("server_id", _key(), nullable=False),
        sa.Column("camera_id", _key(), nullable=False),
        _whole("until_ms"),
    )
    _table(
        "aforo_corrections",
        ("id",),
        sa.Column("id", _key(), nullable=False),
        _whole("show_id", sa.Integer),
        sa.Column("zone", _key(100), nullable=False),
        _whole("delta", sa.Integer),
        sa.Column("reason", text, nullable=False),
        sa.Column("author", text, nullable=False),
        _whole("at_ms"),
    )
    _table(
        "aforo_journal",
        ("id",),
        _whole("id", sa.Integer),
        sa.Column("show_id", sa.Integer),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", text, nullable=False),
        _whole("began_ms"),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("detail", long_text, nullable=False),
    )
