import asyncio
import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from aforo.errors import BadSetting
from aforo.settings import AlertsSettings, OperatorSettings, WebSettings
from aforo.web import check
from aforo.web.auth import NOBODY, hashed, matches
from aforo.web.rate_limits import Buckets, Budget, Limits
from aforo.web.sessions import Sessions, cookie_header, cookie_in
from aforo.web.sse import Client
from aforo.web.static_files import asset, names

HASH = hashed("correcta")
SETTINGS = WebSettings(
    operators=[OperatorSettings(name="Ana", password_hash=SecretStr(HASH))], read_token=SecretStr("0123456789abcdef")
)
NOW = datetime(2026, 11, 24, tzinfo=UTC).timestamp()


def test_a_hash_fits_its_password_and_no_other() -> None:
    assert matches("correcta", HASH)
    assert not matches("Correcta", HASH)
    assert not matches("x" * 5000, HASH)
    assert hashed("correcta") != HASH
    assert OperatorSettings(name="a", password_hash=SecretStr(HASH)).password_hash.get_secret_value() == HASH


def test_a_session_is_its_owner_s_until_it_ends() -> None:
    sessions = Sessions(SETTINGS, NOBODY)
    cookie, lives = sessions.begin("Ana", NOW)
    found = sessions.visitor(cookie, NOW + lives - 1)
    assert (found.name, found.may_read, found.may_correct) == ("Ana", True, True)
    assert not sessions.visitor(cookie, NOW + lives).may_read
    assert Sessions(SETTINGS, NOBODY).visitor(cookie, NOW).name == "Ana", "it outlives a restart"
    sessions.end(found.session)
    assert not sessions.visitor(cookie, NOW).may_read


def test_a_forged_or_foreign_cookie_is_worth_nothing() -> None:
    sessions = Sessions(SETTINGS, NOBODY)
    cookie, _ = sessions.begin("", NOW)
    payload, _, signature = cookie.partition(".")
    for wrong in (
        "",
        ".",
        "x",
        payload,
        f"{payload}.",
        f"{payload}A.{signature}",
        f"{payload}.{signature[:-1]}x",
        "é.é",
    ):
        assert not sessions.visitor(wrong, NOW).may_read
    other = SETTINGS.model_copy(
        update={"operators": [OperatorSettings(name="Ana", password_hash=SecretStr(hashed("otra")))]}
    )
    assert not Sessions(other, NOBODY).visitor(cookie, NOW).may_read, "a changed password ends sessions"


def test_without_accounts_there_are_no_sessions() -> None:
    sessions = Sessions(WebSettings(), NOBODY)
    cookie, _ = sessions.begin("Ana", NOW)
    assert not sessions.visitor(cookie, NOW).may_read
    assert not sessions.is_read_token("")


def test_a_name_that_nobody_has_takes_as_long_as_another() -> None:
    sessions = Sessions(SETTINGS, NOBODY)
    assert sessions.attempt("nadie") == (None, NOBODY)
    assert sessions.attempt(" ana ") == ("Ana", HASH)


def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    header = cookie_header("x.y", 60, secure=True)
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(header.split("; "))
    assert cookie_in([(b"cookie", b"a=b; aforo_session=x.y; c=d")]) == "x.y"
    assert cookie_in([(b"host", b"x")]) == ""


def test_a_bucket_empties_fills_with_time_and_is_each_one_s_own() -> None:
    bucket = Buckets(Budget(burst=3, rate=2))
    assert [bucket.take("a", 0.0) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert bucket.take("b", 0.0) == 0
    assert bucket.take("a", 0.5) == 0
    assert bucket.take("a", 0.5) > 0


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    bucket = Buckets(Budget(1, 1))
    for number in range(20_000):
        bucket.take(str(number), 0.0)
    assert len(bucket._levels) <= 4_096


def test_one_address_does_not_take_all_connections() -> None:
    limits = Limits()
    assert sum(limits.admit("10.0.0.1", 0.0) for _ in range(500)) == limits.most_of_one
    assert limits.admit("10.0.0.2", 0.0)
    limits.leave("10.0.0.1")
    assert limits.open["10.0.0.1"] == limits.most_of_one - 1


async def test_a_client_that_does_not_read_loses_frames_and_gets_a_full_state() -> None:
    client = Client()
    client.lost = False
    for number in range(1000):
        client.offer(str(number).encode())
    assert client.lost
    assert len(client._frames) <= 16
    assert await asyncio.wait_for(client.next(), 1) is None
    client.close()
    assert await asyncio.wait_for(client.next(), 1) is None


@pytest.mark.parametrize(
    ("settings", "fine"),
    [
        (WebSettings(), True),
        (WebSettings(host="localhost"), True),
        (WebSettings(host="::1"), True),
        (WebSettings(host="0.0.0.0"), False),
        (WebSettings(host="sala-de-control"), False),
        (SETTINGS.model_copy(update={"host": "0.0.0.0"}), True),
    ],
)
def test_a_page_open_to_the_network_wants_a_password(settings: WebSettings, fine: bool) -> None:
    if fine:
        check(settings)
    else:
        with pytest.raises(BadSetting, match=r"web\.host"):
            check(settings)


def test_everything_the_page_asks_for_is_here_and_nothing_is_from_elsewhere() -> None:
    everything = {name: asset(name) for name in names()}
    assert {"index.html", "plotly.min.js", "swagger-ui-bundle.js", "app.css"} <= set(everything)
    own = [
        one.body.decode()
        for name, one in everything.items()
        if one and name.split(".")[0] not in {"plotly", "swagger-ui", "swagger-ui-bundle"}
    ]
    for text in own:
        for scheme in ("http://", "https://", "//cdn"):
            assert scheme not in text.replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in text
    for text in own:
        for name in [part.split('"')[0] for part in text.split('"/static/')[1:]]:
            assert name in everything
    assert asset("../serving.py") is None
    assert asset("nada.js") is None


def test_swagger_ui_speaks_the_openapi_that_fastapi_writes() -> None:
    bundle = asset("swagger-ui-bundle.js")
    assert bundle is not None
    assert b"3.1.0" in bundle.body
    json.dumps(names())


@pytest.mark.parametrize("url", ["ftp://x/y", "avisos", "https://", "javascript:alert(1)"])
def test_a_webhook_is_an_http_address_and_a_wrong_one_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"alerts\.webhook_url") as caught:
        AlertsSettings(webhook_url=SecretStr(url))
    assert url not in str(caught.value)
