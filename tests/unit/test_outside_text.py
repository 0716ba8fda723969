"""Texts from outside: what is shown has no character that acts or hides, what is kept stays distinct."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.outside_text import LONGEST_TEXT, bounded, json_text, visible, well_formed
from aforo.storage.column_text import NAME_LENGTH, fit

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # halves of surrogate pairs too


def test_every_character_of_unicode_is_shown_or_escaped() -> None:
    for code in range(0x110000):
        character = chr(code)
        shown = visible(character)
        if unicodedata.category(character)[0] == "C" or unicodedata.category(character) in {"Zl", "Zp"}:
            assert shown.startswith("\\"), hex(code)
            assert shown.isascii()
        elif shown != character:
            assert shown == character.encode("unicode_escape").decode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("PUERTA 12 – Ñandú «sur» 東門 😀", "PUERTA 12 – Ñandú «sur» 東門 😀"),
        ("a\x1b]0;t\x07b\x9b31m", r"a\x1b]0;t\x07b\x9b31m"),
        ("a\r\n\tb\x00\x7f", r"a\r\n\tb\x00\x7f"),
        ("\u202ea\u2066\u200e\u061c\u200b\ufeff\u2028\u2029", r"\u202ea\u2066\u200e\u061c\u200b\ufeff\u2028\u2029"),
        ("\ud800\uffff\U000e0041\ue000", r"\ud800\uffff\U000e0041\ue000"),
        ("a\u3164b\u115fc\ufe0f", r"a\u3164b\u115fc\ufe0f"),
        ("a\u00a0b\u3000c", "a\u00a0b\u3000c"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_json_keeps_the_value_and_shows_no_character_that_acts(text: str) -> None:
    written = json_text({"name": text, text: [text]}, indent=2)
    assert json.loads(written) == {"name": text, text: [text]}
    assert all(visible(line) == line or _blanks_only(line) for line in written.split("\n"))
    written.encode()


def _blanks_only(line: str) -> bool:
    return all(visible(one) == one or unicodedata.category(one) == "Zs" for one in line)


def test_what_is_kept_is_as_long_as_the_columns_hold() -> None:
    assert LONGEST_TEXT == NAME_LENGTH


@given(st.text(), st.integers(0, 1200))
def test_a_long_text_is_kept_with_a_hash_that_tells_it_from_others(end: str, length: int) -> None:
    text = "é" * length + end
    kept = bounded(text)
    assert fit(kept) == fit(kept, 10**6), "no column cuts it again"
    if len(text.encode("utf-16-le")) <= 2 * LONGEST_TEXT:
        assert kept == text
    else:
        assert kept[:900] == text[:900]
        assert bounded(f"{text}x") != kept
    assert bounded(kept) == kept


@given(ANY_TEXT)
def test_a_well_formed_text_can_be_written(text: str) -> None:
    well_formed(text).encode()
