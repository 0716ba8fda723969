"""The cursor of the stored events is a text that anybody may send."""

import json
from base64 import urlsafe_b64encode
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from aforo.storage import Cursor
from aforo.web.routes.read import cursor_of
from aforo.web.security import RequestRejected

NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text())
JSON = st.recursive(NUMBERS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.one_of(st.text(), st.binary().map(lambda raw: urlsafe_b64encode(raw).decode())))
def test_any_text_is_a_cursor_or_is_rejected(text: str) -> None:
    check(text)


@given(st.one_of(JSON, st.lists(NUMBERS, min_size=3, max_size=5)))
@example([float("inf"), 1, "x", 1])
@example([1, 1, "\ud800", 1])
@example([2**70, 1, "x", 1])
def test_any_json_is_a_cursor_or_is_rejected(value: Any) -> None:
    check(urlsafe_b64encode(json.dumps(value).encode()).decode())


def check(text: str) -> None:
    try:
        cursor = cursor_of(text)
    except RequestRejected:
        return
    if cursor is not None:
        occurred_ms, server, this_id, source = cursor
        assert 0 <= occurred_ms < 2**53
        assert 0 <= server < 2**31
        assert 0 <= source < 2**31
        this_id.encode()
        assert cursor == Cursor(occurred_ms, server, this_id, source)
