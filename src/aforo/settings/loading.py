"""Many sources → one Settings, and one Spanish sentence for whatever cannot be used.

Later ones win: the table's defaults, ``aforo.toml``, ``.env``, systemd's credentials, the environment, flags. All paths
count from the working folder.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aforo.errors import BadSetting
from aforo.settings.models import Settings
from aforo.settings.sources import (
    Given,
    Layer,
    from_credentials,
    from_dotenv,
    from_environment,
    from_flags,
    from_toml,
    with_secrets_read,
)
from aforo.settings.table import nearest, rows, zone_rows
from aforo.settings.vault import with_vault_read

SHOWN = 80  # characters of a refused value in a sentence


def load(
    environ: Mapping[str, str],
    *,
    config: Path | None = None,
    flags: Sequence[str] = (),
    named: Mapping[str, Given] | None = None,
) -> Settings:
    """Read all sources. ``flags`` are ``section.name=value``; ``named`` come last, with their own origins.

    Raises BadSetting, one Spanish sentence, for the first thing that cannot be used.
    """
    merged: Layer = {}
    for layer in _layers(environ, config, flags):
        merged |= with_secrets_read(layer)
    return validated(with_vault_read(merged) | dict(named or {}))


def _layers(environ: Mapping[str, str], config: Path | None, flags: Sequence[str]) -> list[Layer]:
    toml, dotenv = config or Path("aforo.toml"), Path(".env")
    layers = [from_toml(toml)] if config or toml.exists() else []
    if dotenv.exists():
        layers.append(from_dotenv(dotenv))
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        layers.append(from_credentials(Path(folder)))
    return [*layers, from_environment(environ), from_flags(flags)]


def validated(given: Layer) -> Settings:
    """Settings from one layer; raises BadSetting where a value is not allowed."""
    tree: dict[str, Any] = {}
    for name, one in given.items():
        section, _, key = name.partition(".")
        if key:
            tree.setdefault(section, {})[key] = one.value
        else:
            tree[section] = one.value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as exc:
        raise BadSetting(_sentence(exc, given)) from None  # the cause holds the value, which may be a secret
    settings._origins.update((name, one.origin) for name, one in given.items())
    return settings


def _sentence(failure: ValidationError, given: Layer) -> str:
    fault = failure.errors(include_url=False)[0]
    loc = fault["loc"]
    if fault["type"] == "aforo":
        return _of_several(fault["msg"], loc, given)
    if loc[0] == "zones" and len(loc) > 1:
        return _in_zone(fault, loc, given["zones"])
    name = ".".join(str(part) for part in loc[:2])
    if loc[0] == "zones":
        name = "zones"
    return _refused(name, given[name], rows()[name].allowed, secret=rows()[name].secret)


def _of_several(message: str, loc: tuple[int | str, ...], given: Layer) -> str:
    section = str(loc[0]) if loc else "zones"
    origins = (one.origin for name, one in given.items() if name.partition(".")[0] == section)
    return f"{message[0].upper()}{message[1:]} ({', '.join(dict.fromkeys(origins)) or 'valor de fábrica'})."


def _in_zone(fault: Any, loc: tuple[int | str, ...], zones: Given) -> str:
    number = int(loc[1])
    key = str(loc[2]) if len(loc) > 2 else ""
    place = f"zones.{number}.{key}" if key else f"zones.{number}"
    origin = zones.places.get(place) or zones.places.get(f"zones.{number}") or zones.origin
    name = f"zones.{key or '…'} de la zona {number + 1}"
    if fault["type"] == "missing":
        return f"Falta el ajuste {name} ({origin}): se admite {zone_rows()[key].allowed}."
    if fault["type"] == "extra_forbidden":
        return f"Ajuste desconocido: {name} ({origin}).{nearest(key, zone_rows())}"
    allowed = zone_rows()[key].allowed if key else rows()["zones"].allowed
    return _refused(name, Given(fault["input"], origin), allowed, secret=False)


def _refused(name: str, one: Given, allowed: str, *, secret: bool) -> str:
    if secret:
        return f"El valor del ajuste {name} ({one.origin}; no se muestra) no sirve: se admite {allowed}."
    shown = re.sub(r"//[^/@]*@", "//***@", str(one.value))
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"
    return f"El ajuste {name} no admite «{shown}» ({one.origin}): se admite {allowed}."
