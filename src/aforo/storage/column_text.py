"""Text as the database's columns can hold it. Lengths are UTF-16 units, as SQL Server counts them."""

import hashlib
from collections.abc import Sequence

BINARY = "Latin1_General_100_BIN2"  # on SQL Server: "a" and "A" are two ids, whatever the database's collation
KEY_LENGTH = 128  # characters of an id; three of them stay below the 900 bytes of a SQL Server key
ZONE_LENGTH = 100
URL_LENGTH = 300  # characters of push.url
NAME_LENGTH = 1000  # characters of a name, a reason, a subject


def fit_key(text: str, length: int = KEY_LENGTH) -> str:
    """The id itself, or, where no key can hold it, its beginning and a hash of the whole."""
    fitted = fit(text, length)
    if fitted == text and not text.endswith(" "):  # SQL Server ignores a blank at the end of a key
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{fit(text, length - 33)}~{digest}"


def are_keys(texts: Sequence[str]) -> bool:
    """Whether ``fit_key`` leaves all of these ids unchanged, found out in one go: there are many."""
    together = "|".join(texts) + "|"
    plain = together.isascii() and " |" not in together and "\0" not in together
    return plain and max(map(len, texts), default=0) <= KEY_LENGTH


def fit(text: str, length: int = NAME_LENGTH) -> str:
    """Text as any of our columns holds it: no half characters, no NUL, at most so many UTF-16 units."""
    if text.isascii() and len(text) <= length and "\0" not in text:
        return text
    clean = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")


def fit_bytes(text: str, length: int) -> str:
    """Text as a column of that many bytes in UTF-8 holds it."""
    return fit(text, length).encode()[:length].decode("utf-8", "ignore")
