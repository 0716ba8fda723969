"""The redaction: known secrets in every quoting, and what looks like a secret."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.logging_setup.redaction import Mask


@given(st.text(min_size=4).filter(lambda text: text.strip("*.: -") == text), st.text(), st.text())
def test_a_known_secret_never_passes(secret: str, before: str, after: str) -> None:
    masked = Mask([secret])(f"{before} {secret} {after}")
    assert secret not in masked.replace("***", "") or secret in before + after + "***"


@pytest.mark.parametrize("secret", ["pa ss/w+rd&ñ", "c:\\new\\table", 'com"illas'])
def test_a_secret_in_other_writing_is_masked(secret: str) -> None:
    mask = Mask([secret])
    for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert mask(f"<{form}>") == "<***>"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("x-avg-session: abc123 sigue", "x-avg-session: *** sigue"),
        ("{'x-avg-session': 'abc'}", "{'x-avg-session': '***'}"),
        ('{"session": "abc", "a": 1}', '{"session": "***", "a": 1}'),
        ("GET /events?session=abc&from=1", "GET /events?session=***&from=1"),
        ('"authorizationToken":"n:1:abc"', '"authorizationToken":"***"'),
        ("DRIVER={x};UID=u;PWD=abc;X=1", "DRIVER={x};UID=u;PWD=***;X=1"),
        ("PWD={a;b}}c};X=1", "PWD=***;X=1"),
        ("odbc_connect=UID%3Du%3BPWD%3Dabc", "odbc_connect=UID%3Du%3BPWD%3D***"),
        ("mssql://u:abc@host/db", "mssql://u:***@host/db"),
        ("password=abc user_key: abc", "password=*** user_key: ***"),
        ("La sesión se renovó: 3 esperaban.", "La sesión se renovó: 3 esperaban."),
        ("https://host:8443/mt/api", "https://host:8443/mt/api"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    assert Mask([])(text) == masked
