"""The redaction: known secrets in every spelling, and what looks like a secret."""

import base64
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.redaction import Mask


@given(st.text(min_size=4).filter(lambda text: text.strip("*.: -") == text), st.text(), st.text())
def test_a_known_secret_never_passes(secret: str, before: str, after: str) -> None:
    masked = Mask([secret])(f"{before} {secret} {after}")
    assert secret not in masked.replace("***", "") or secret in before + after + "***"


@pytest.mark.parametrize("secret", ["pa ss/w+rd&ñ", "c:\\new\\table", 'com"illas'])
def test_a_secret_in_other_writing_is_masked(secret: str) -> None:
    mask = Mask([secret])
    for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert mask(f"<{form}>") == "<***>"


SECRETS = ["pa ss/w+rd&ñ", "Clave\u202e#1😀", 'com"illas\\', "<b>'x'</b>", "simple-secret", "0123456789abcdef"]
SPELLINGS: list[Callable[[str], str]] = [
    lambda text: "".join(f"\\u{unit:04x}" for unit in _units(text)),
    lambda text: "".join(f"\\u{unit:04X}" for unit in _units(text)),
    lambda text: json.dumps(text).replace("/", "\\/")[1:-1],
    lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: quote(text, safe="/!'()*~"),
    lambda text: quote(text, safe="", encoding="latin-1" if "ñ" in text else "utf-8"),
    lambda text: re.sub(r"[!-/:-@[-`{-~]", r"\\\g<0>", text),
    html.escape,
    lambda text: "".join(f"&#{ord(one)};" for one in text),
    lambda text: "".join(f"&#x{ord(one):X};" for one in text),
    lambda text: html.escape(html.escape(text)),
    lambda text: json.dumps(html.escape(text))[1:-1],
    lambda text: text.encode().hex(),
    lambda text: text.encode().hex().upper(),
]


def _units(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[place : place + 2], "big") for place in range(0, len(raw), 2)]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_that_a_server_echoes_in_any_spelling_is_masked(secret: str, spelling: Callable[[str], str]) -> None:
    masked = Mask(["other-secret", secret])(f"antes 100% «{spelling(secret)}» \\d después &c.")
    assert masked == "antes 100% «***» \\d después &c."


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "a", "ab", "operador:"])
@pytest.mark.parametrize("after", ["", "!", "&x=1"])
def test_a_secret_within_base64_is_masked(
    secret: str, encode: Callable[[bytes], bytes], before: str, after: str
) -> None:
    masked = Mask([secret])(encode(f"{before}{secret}{after}".encode()).decode())
    left = masked.replace("***", "").rstrip("=")
    assert "***" in masked
    assert len(left) <= len(f"{before}{after}") * 8 / 6 + 2  # and a character that holds some of its bits, at each end


def test_a_session_that_began_later_is_masked_too() -> None:
    mask = Mask(["first-secret"])
    assert mask("first-secret later-session") == "*** later-session"
    mask.add("later-session")
    assert mask("first-secret later-session") == "*** ***"
    for number in range(100):
        mask.add(f"session-{number}")
    assert mask("first-secret session-99") == "*** ***"


@given(st.text(), st.lists(st.text(min_size=4), max_size=3))
def test_no_text_and_no_secret_make_it_fail(text: str, secrets: list[str]) -> None:
    Mask(secrets)(text)


@given(st.lists(st.sampled_from(["%", "\\", "u", "&", "#", "x", ";", "2", "f", "c3", "ud83d", "&amp;", "%25", " "])))
def test_no_broken_escapes_make_it_fail(parts: list[str]) -> None:
    text = "".join(parts)
    assert Mask(["secret-1"])(f"{text}secret-1").endswith("***")


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
