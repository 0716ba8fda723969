"""The generated page of settings is true."""

from pathlib import Path

from aforo.settings import Settings
from aforo.settings.reference import page, rows, table_rows

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "ajustes.md").read_text(encoding="utf-8")


def test_the_page_is_as_the_table_of_settings_has_it() -> None:
    assert page() == PAGE, "run: python3 dev.py docs"


def test_every_setting_is_documented() -> None:
    for row in (*rows().values(), *table_rows("zones").values(), *table_rows("totals").values()):
        assert f"| `{row.name}`" in PAGE or row.name in {"zones", "totals"}
        assert row.text
        assert row.allowed
        assert row.text[0].isupper()
        assert row.text.endswith(".")
    assert "`AFORO_ACC__USER_KEY`" in PAGE
    assert "`AFORO_ZONES`" in PAGE


def test_no_default_breaks_its_own_rule() -> None:
    defaults = Settings().model_dump()
    assert Settings.model_validate(defaults).model_dump() == defaults
