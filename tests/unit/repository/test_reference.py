"""The generated pages of the reference are those that the code gives now."""

import pytest
from tools import reference


@pytest.mark.parametrize("name", list(reference.pages()))
def test_the_page_is_as_the_code_has_it(name: str) -> None:
    text = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert reference.pages()[name] == text, "run: python3 dev.py docs"


def test_every_command_table_and_address_has_its_place() -> None:
    pages = reference.pages()
    assert "## `aforo backfill`\n" in pages["comandos.md"]
    assert "| `FECHA` |" in pages["comandos.md"]
    assert "### `aforo_events`\n" in pages["tablas.md"]
    assert "| `GET /api/v1/state` |" in pages["api-http.md"]
    assert "[`ZoneState`](#zonestate)" in pages["api-http.md"]
