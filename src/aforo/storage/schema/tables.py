"""Our own tables, as the newest migration leaves them. Times are epoch ms, UTC; keys compare byte by byte."""

from sqlalchemy import BigInteger, Column, Integer, MetaData, SmallInteger, String, Table, Unicode, UnicodeText
from sqlalchemy.dialects import mssql
from sqlalchemy.types import TypeEngine

from aforo.storage.column_text import BINARY, KEY_LENGTH, NAME_LENGTH, URL_LENGTH, ZONE_LENGTH


def key(length: int) -> TypeEngine[str]:
    """Text that takes part in a key."""
    return Unicode(length).with_variant(mssql.NVARCHAR(length, collation=BINARY), "mssql")


def long_text() -> TypeEngine[str]:
    """Text of any length."""
    return UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")


metadata = MetaData()

event_records = Table(
    "aforo_shows",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("day", String(10), nullable=False),
    Column("name", Unicode(NAME_LENGTH), nullable=False),
    Column("starts_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Column("rules", long_text(), nullable=False),
    # Grows with every transaction that changes anything of the event: a cached record is valid while it is the same.
    Column("revision", BigInteger, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
)

# Servers and sources of camera events: the texts that many share, once each. A ledger row then costs some thirty bytes.
servers = Table(
    "aforo_servers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("server_id", key(KEY_LENGTH), nullable=False),
)

sources = Table(
    "aforo_sources",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("camera_id", key(KEY_LENGTH), nullable=False, index=True),
    Column("name", Unicode(NAME_LENGTH), nullable=False),
    Column("area", Unicode(NAME_LENGTH), nullable=False),
    Column("activity", Unicode(NAME_LENGTH), nullable=False),
)

# The ledger: each camera event once, for ever. In time order: new events go to its end, an event is one range of it.
# The source is in its key because two cameras of a server may have one thisId in the same millisecond.
events = Table(
    "aforo_events",
    metadata,
    Column("occurred_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("server", Integer, primary_key=True, autoincrement=False),
    Column("this_id", key(KEY_LENGTH), primary_key=True),
    Column("source", Integer, primary_key=True, autoincrement=False),
    Column("show_id", Integer, nullable=False),
    Column("history", SmallInteger, nullable=False),  # 0 not for the history, 1 written there, 2 quarantined
    Column("seen_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# One OccupancyDelta per minute of a zone, and the last instant that is in it.
minutes = Table(
    "aforo_minutes",
    metadata,
    Column("show_id", Integer, primary_key=True, autoincrement=False),
    Column("zone", key(ZONE_LENGTH), primary_key=True),
    Column("minute_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("entries", Integer, nullable=False),
    Column("exits", Integer, nullable=False),
    Column("net", Integer, nullable=False),
    Column("floor", Integer, nullable=False),
    Column("peak_net", Integer, nullable=False),
    Column("peak_floor", Integer, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What each total of the settings adds up, when the event was last opened.
totals = Table(
    "aforo_totals",
    metadata,
    Column("show_id", Integer, primary_key=True, autoincrement=False),
    Column("total", key(ZONE_LENGTH), primary_key=True),
    Column("zone", key(ZONE_LENGTH), primary_key=True),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "aforo_checkpoints",
    metadata,
    Column("show_id", Integer, primary_key=True, autoincrement=False),
    Column("server_id", key(KEY_LENGTH), primary_key=True),
    Column("camera_id", key(KEY_LENGTH), primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

corrections = Table(
    "aforo_corrections",
    metadata,
    Column("id", key(KEY_LENGTH), primary_key=True),
    Column("show_id", Integer, nullable=False),
    Column("zone", key(ZONE_LENGTH), nullable=False),
    Column("delta", Integer, nullable=False),
    Column("reason", Unicode(NAME_LENGTH), nullable=False),
    Column("author", Unicode(NAME_LENGTH), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What happened during an event: outages, gaps, alerts, rejected rows.
journal = Table(
    "aforo_journal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("show_id", Integer),
    Column("kind", String(40), nullable=False),
    Column("subject", Unicode(NAME_LENGTH), nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("detail", long_text(), nullable=False),
)

# The processes that receive ACC's pushes at an address, with the webhook's token; one of them keeps the webhook.
push = Table(
    "aforo_push",
    metadata,
    Column("url", key(URL_LENGTH), primary_key=True),
    Column("instance", key(KEY_LENGTH), primary_key=True),
    Column("token", String(64), nullable=False),
    Column("keeps", SmallInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Sessions of the page that were logged out before they expired.
ended_sessions = Table(
    "aforo_ended_sessions",
    metadata,
    Column("session_key", key(KEY_LENGTH), primary_key=True),
    Column("expires_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
