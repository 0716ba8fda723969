"""What every section of the settings is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

SECONDS = "un número de segundos, 0 o mayor"
TEXT = "un texto"
PERCENT = "un porcentaje mayor que 0"


def setting(
    default: Any, text: str, allowed: str, *, from_file: bool = False, secret: bool = False, **limits: Any
) -> Any:
    """One row of the table. ``text`` and ``allowed`` are Spanish; ``from_file`` gives it a ``…_file`` twin.

    ``secret`` marks what holds secrets inside; a SecretStr is one by itself.
    """
    extra: JsonDict = {"allowed": allowed, "from_file": from_file, "secret": secret}
    return Field(default, description=text, json_schema_extra=extra, validate_default=False, **limits)


class Section(BaseModel):
    """What all sections share: frozen, strict about names, silent about values in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
