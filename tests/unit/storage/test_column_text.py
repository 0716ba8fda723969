"""Ids in keys: ids that no key can hold are found in one go as they are one by one."""

from hypothesis import given
from hypothesis import strategies as st

from aforo.storage.column_text import KEY_LENGTH, are_keys, fit_key

ids = st.text(st.sampled_from("1añ |\0~😀\ud800"), max_size=4) | st.text(
    "9", min_size=KEY_LENGTH - 1, max_size=KEY_LENGTH + 1
)


@given(st.lists(ids))
def test_ids_that_are_keys_are_left_as_they_are(texts: list[str]) -> None:
    if are_keys(texts):
        assert [fit_key(text) for text in texts] == texts


def test_usual_ids_are_keys() -> None:
    assert are_keys([])
    assert are_keys(["32732", "~0123456789abcdef.0", "x" * KEY_LENGTH, "a b", ""])
    for odd in ("x" * (KEY_LENGTH + 1), "1 ", "1\0", "ñ", "\ud800"):
        assert not are_keys(["32732", odd, "32733"])
