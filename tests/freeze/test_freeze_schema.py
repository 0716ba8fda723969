"""``aforo schema``: the T-SQL for the administrator of the database."""

import json
from pathlib import Path

import pytest
from tests.freeze.golden import check
from tests.freeze.processes import aforo

ZONES = [
    {"name": "Norte", "table": "estadio.Norte", "entries": ["contains:ENTRADA"], "exits": ["contains:SALIDA"]},
    {"name": "Sur", "table": "Sur", "entries": ["equals:A"], "exits": ["equals:B"], "capacity": 10},
]
CASES: dict[str, tuple[list[str], dict[str, str]]] = {
    "whole": ([], {}),
    "since-0001": (["--since", "0001"], {}),
    "back-0001": (["--back", "0001"], {}),
    "account": (["--account", "DOMINIO\\aforo"], {}),
    "zones": ([], {"AFORO_ZONES": json.dumps(ZONES)}),
}


@pytest.mark.parametrize("name", CASES)
def test_schema(name: str, tmp_path: Path) -> None:
    """The script, to the letter."""
    arguments, settings = CASES[name]
    done = aforo(tmp_path, "schema", *arguments, settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    check(f"schema/{name}.sql", done.stdout)
