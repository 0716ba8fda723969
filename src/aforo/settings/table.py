"""The table of settings as rows: for the sentences about bad settings, for ``docs/ajustes.md`` and for the help."""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from aforo.settings.models import Settings, ZoneSettings

PREFIX = "AFORO_"


class Row(NamedTuple):
    """One setting. ``text`` and ``allowed`` are Spanish; a ``secret`` one is never shown nor taken from a flag."""

    name: str
    default: Any
    text: str
    allowed: str
    secret: bool
    from_file: bool
    is_list: bool

    @property
    def env(self) -> str:
        """Its environment variable."""
        return env_name(self.name)


def env_name(name: str) -> str:
    """The environment variable of a setting: ``acc.timeout`` → ``AFORO_ACC__TIMEOUT``."""
    return PREFIX + name.replace(".", "__").upper()


def _row(prefix: str, name: str, field: FieldInfo) -> Row:
    extra = cast("dict[str, Any]", field.json_schema_extra)
    secret = field.annotation is SecretStr or bool(extra.get("secret"))
    is_list = getattr(field.annotation, "__origin__", None) is list
    return Row(
        prefix + name, field.default, field.description or "", extra["allowed"], secret, extra["from_file"], is_list
    )


def _rows(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _rows(field.annotation, f"{prefix}{name}.")
        else:
            yield _row(prefix, name, field)


@cache
def rows() -> dict[str, Row]:
    """Every setting by its name, in the order of the table."""
    return {row.name: row for row in _rows(Settings)}


@cache
def zone_rows() -> dict[str, Row]:
    """What a ``[[zones]]`` table may hold, by name."""
    return {row.name: row for row in _rows(ZoneSettings)}


@cache
def known_names() -> frozenset[str]:
    """Every name that may be written: the settings, and ``…_file`` where there is such a twin."""
    twins = (f"{row.name}_file" for row in rows().values() if row.from_file)
    return frozenset((*rows(), *twins))


def nearest(name: str, known: Iterator[str] | frozenset[str] | dict[str, Any]) -> str:
    """A sentence's end that suggests the known name most like this one; "" when none is."""
    found = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" ¿Quiso decir {found[0]}?" if found else ""
