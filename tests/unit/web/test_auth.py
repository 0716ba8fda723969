import itertools
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr, ValidationError

from aforo.settings import OperatorSettings, WebSettings
from aforo.web.auth import Sessions, decoy_hashes, hash_password, session_cookie, set_cookie, verify_password

HASH = hash_password("correcta")
SETTINGS = WebSettings(
    operators=[OperatorSettings(name="Ana", password_hash=SecretStr(HASH))], read_token=SecretStr("0123456789abcdef")
)
NOW = datetime(2026, 11, 24, tzinfo=UTC).timestamp()


def test_a_hash_matches_its_password_and_no_other() -> None:
    assert verify_password("correcta", HASH)
    assert not verify_password("Correcta", HASH)
    assert not verify_password("x" * 5000, HASH)
    assert hash_password("correcta") != HASH
    assert OperatorSettings(name="a", password_hash=SecretStr(HASH)).password_hash.get_secret_value() == HASH


def test_every_hash_that_is_written_is_taken() -> None:
    for number in range(30):
        OperatorSettings(name="a", password_hash=SecretStr(hash_password(str(number), n=2**14)))


SALT, DIGEST = HASH.split("$")[4:]


@pytest.mark.parametrize(
    "malformed",
    [
        "", "correcta", "scrypt", HASH[:-1], HASH + "A", HASH + "$", HASH.replace("scrypt", "bcrypt"), HASH + "\n\n$",
        f"scrypt$32767$8$1${SALT}${DIGEST}", f"scrypt$0$8$1${SALT}${DIGEST}", f"scrypt$32768$0$1${SALT}${DIGEST}",
        f"scrypt$32768$8$0${SALT}${DIGEST}", f"scrypt$32768$8$9${SALT}${DIGEST}", f"scrypt$524288$8$1${SALT}${DIGEST}",
        f"scrypt$32768$99$1${SALT}${DIGEST}", f"scrypt$32768$8$1$${DIGEST}", f"scrypt$32768$8$1${SALT}$",
        f"scrypt$32768$8$1${SALT[:-1]}${DIGEST}", f"scrypt$32768$8$1${SALT}A${DIGEST}",
        f"scrypt$32768$8$1${SALT}${DIGEST[:-1]}é", f"scrypt$-32768$8$1${SALT}${DIGEST}",
        f"scrypt$٣٢٧٦٨$8$1${SALT}${DIGEST}",
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_a_hash_that_cannot_be_computed_stops_the_start(malformed: str) -> None:
    with pytest.raises(ValidationError):
        OperatorSettings(name="a", password_hash=SecretStr(malformed))


def test_a_session_belongs_to_its_operator_until_it_ends() -> None:
    sessions = Sessions(SETTINGS)
    cookie, max_age = sessions.begin("Ana", NOW)
    visitor = sessions.visitor(cookie, NOW + max_age - 1)
    assert (visitor.name, visitor.may_read, visitor.may_correct) == ("Ana", True, True)
    assert not sessions.visitor(cookie, NOW + max_age).may_read
    assert Sessions(SETTINGS).visitor(cookie, NOW).name == "Ana", "it outlives a restart"
    sessions.end(visitor, NOW)
    assert not sessions.visitor(cookie, NOW).may_read


def test_after_a_restart_no_session_of_before_is_accepted_until_the_logouts_are_known() -> None:
    before, after = Sessions(SETTINGS), Sessions(SETTINGS)
    cookie, other = (before.begin("Ana", NOW - 3600)[0] for _ in range(2))
    after.await_restoring(NOW)
    assert not after.visitor(cookie, NOW).may_read
    assert after.visitor(after.begin("Ana", NOW)[0], NOW).may_read, "begun since the start"
    after.restore({before.visitor(cookie, NOW).session}, NOW)
    assert not after.visitor(cookie, NOW).may_read, "a logout outlives a restart"
    assert after.visitor(other, NOW).may_read


def test_a_logout_is_kept_until_its_session_would_have_ended() -> None:
    sessions = Sessions(SETTINGS)
    cookies = [sessions.begin("Ana", NOW)[0] for _ in range(1_500)]
    for cookie in cookies:
        sessions.end(sessions.visitor(cookie, NOW), NOW)
    assert not any(sessions.visitor(cookie, NOW).may_read for cookie in cookies)


def test_a_forged_or_foreign_cookie_gives_no_rights() -> None:
    sessions = Sessions(SETTINGS)
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
        update={"operators": [OperatorSettings(name="Ana", password_hash=SecretStr(hash_password("otra")))]}
    )
    assert not Sessions(other).visitor(cookie, NOW).may_read, "a changed password ends sessions"


def test_without_accounts_there_are_no_sessions() -> None:
    sessions = Sessions(WebSettings())
    cookie, _ = sessions.begin("Ana", NOW)
    assert not sessions.visitor(cookie, NOW).may_read
    assert not sessions.is_read_token("")


def test_an_unknown_name_takes_as_long_as_a_known_one() -> None:
    sessions = Sessions(SETTINGS)
    assert sessions.credential("nadie") == (None, *decoy_hashes([HASH]))
    assert sessions.credential(" ana ") == ("Ana", HASH)


def test_unknown_names_cost_what_the_accounts_cost_that_there_are() -> None:
    cheaper = hash_password("otra", n=2**14)
    settings = WebSettings(
        operators=[
            OperatorSettings(name="Ana", password_hash=SecretStr(HASH)),
            OperatorSettings(name="Luis", password_hash=SecretStr(cheaper)),
        ]
    )
    sessions = Sessions(settings)
    unknown = [sessions.credential(f"nadie {number}").password_hash for number in range(100)]
    assert {cost(stored) for stored in unknown} == {cost(HASH), cost(cheaper)}
    assert sessions.credential("nadie 1") == sessions.credential("Nadie 1"), "a name has always the same cost"


def cost(stored: str) -> str:
    return "$".join(stored.split("$")[1:4])


def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    header = set_cookie("x.y", 60, secure=True)
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(header.split("; "))
    assert session_cookie([(b"cookie", b"a=b; aforo_session=x.y; c=d")]) == "x.y"
    assert session_cookie([(b"host", b"x")]) == ""
