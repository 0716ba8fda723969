"""Our own tables, as the newest migration leaves them. Times are epoch ms, UTC; keys compare byte by byte."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Integer, MetaData, SmallInteger, String, Table, Unicode, UnicodeText
from sqlalchemy.dialects import mssql
from sqlalchemy.types import TypeEngine

BINARY = "Latin1_General_100_BIN2"  # on SQL Server: "a" and "A" are two ids, whatever the database's collation
KEY_LENGTH = 128  # characters of an id; three of them stay below the 900 bytes of a SQL Server key
ZONE_LENGTH = 100
NAME_LENGTH = 1000  # characters of a name, a reason, a subject


def key(length: int) -> TypeEngine[str]:
    """Text that takes part in a key."""
    return Unicode(length).with_variant(mssql.NVARCHAR(length, collation=BINARY), "mssql")


def long_text() -> TypeEngine[str]:
    """Text of any length."""
    return UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")


def fit_key(text: str, length: int = KEY_LENGTH) -> str:
    """The id itself, or, where no key can hold it, its beginning and a hash of the whole."""
    fitted = fit(text, length)
    if fitted == text and not text.endswith(" "):  # SQL Server's keys do not see a blank at the end
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{fit(text, length - 33)}~{digest}"


def are_keys(texts: Sequence[str]) -> bool:
    """Whether ``fit_key`` surely leaves all of these ids as they are: looked at in one go, for there are many."""
    together = "|".join(texts) + "|"
    usual = together.isascii() and " |" not in together and "\0" not in together
    return usual and max(map(len, texts), default=0) <= KEY_LENGTH


def fit(text: str, length: int = NAME_LENGTH) -> str:
    """Text as any of our columns holds it: no half characters, no NUL, at most so many UTF-16 units."""
    if text.isascii() and len(text) <= length and "\0" not in text:
        return text
    clean = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")


def fit_bytes(text: str, length: int) -> str:
    """Text as a column of that many bytes in UTF-8 holds it."""
    return fit(text, length).encode()[:length].decode("utf-8", "ignore")


metadata = MetaData()

shows = Table(
    "aforo_shows",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("day", String(10), nullable=False),
    Column("name", Unicode(NAME_LENGTH), nullable=False),
    Column("starts_ms", BigInteger, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Column("rules", long_text(), nullable=False),
    # Grows with every transaction that changes anything of the show: what is remembered is valid while it stands still.
    Column("revision", BigInteger, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger),
)

# Who says what: the texts that events share, once each. A ledger row then costs some thirty bytes.
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

# The ledger: each event once, for ever. In time order, so that new events go to its end and a show is one range of it.
events = Table(
    "aforo_events",
    metadata,
    Column("occurred_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("server", Integer, primary_key=True, autoincrement=False),
    Column("this_id", key(KEY_LENGTH), primary_key=True),
    Column("source", Integer, nullable=False),
    Column("show_id", Integer, nullable=False),
    Column("history", SmallInteger, nullable=False),  # 0 not for the history, 1 written there, 2 refused by that table
    Column("seen_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# One occupancy.Stretch per minute of a zone, and the last instant that is in it.
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

# What an evening lived through: outages, gaps, alerts, refused rows.
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
