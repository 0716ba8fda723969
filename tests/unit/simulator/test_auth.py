from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from aforo.simulator import Credentials, ServerProfile, TokenHash
from aforo.simulator.auth import SessionStore
from aforo.simulator.serialization import AnswerError

NOW = datetime(2026, 11, 20, 23, tzinfo=UTC)
WHO = Credentials("ana", "secreta", "nonce", "llave", "integracion")


def token(at: datetime = NOW, before: str = "", nonce: str = "nonce", integration: str = ":integracion") -> str:
    stamp = str(int(at.timestamp()))
    return f"{nonce}:{stamp}:{sha256(f'{before}{stamp}llave'.encode()).hexdigest()}{integration}"


def body(**changes: object) -> dict[str, object]:
    usual = {"username": "ana", "password": "secreta", "clientName": "aforo", "authorizationToken": token()}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def sessions(profile: ServerProfile | None = None, who: Credentials = WHO) -> SessionStore:
    return SessionStore(who, profile or ServerProfile(), seed=1)


def test_a_right_login_opens_a_session() -> None:
    door = sessions()
    session = door.login(body(), NOW)
    door.check(session, NOW)
    assert session != door.login(body(), NOW)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"username": "eva"}, 401),
        ({"password": "otra"}, 401),
        ({"username": ""}, 400),
        ({"password": None}, 400),
        ({"clientName": ""}, 400),
        ({"authorizationToken": ""}, 400),
        ({"clientName": 7}, 400),
        ({"clientVersion": "9.9"}, 500),
        ({"authorizationToken": "x"}, 403),
        ({"authorizationToken": token(nonce="otro")}, 403),
        ({"authorizationToken": token().upper()}, 403),
        ({"authorizationToken": token(integration="")}, 403),
        ({"authorizationToken": token(integration=":otra")}, 403),
        ({"authorizationToken": token(before="nonce")}, 403),
        ({"authorizationToken": token(NOW - timedelta(seconds=301))}, 403),
        ({"authorizationToken": token(NOW + timedelta(seconds=301))}, 403),
    ],
)
def test_each_wrong_login_has_its_error(changes: dict[str, object], status: int) -> None:
    with pytest.raises(AnswerError) as caught:
        sessions().login(body(**changes), NOW)
    assert caught.value.status == status


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_clocks_may_be_five_minutes_apart(seconds: int) -> None:
    assert sessions().login(body(authorizationToken=token(NOW + timedelta(seconds=seconds))), NOW)


def test_the_other_form_of_the_hash() -> None:
    door = sessions(ServerProfile(token_hash=TokenHash.NONCE_TIMESTAMP_KEY))
    assert door.login(body(authorizationToken=token(before="nonce")), NOW)
    with pytest.raises(AnswerError):
        door.login(body(), NOW)


def test_without_an_integration_there_is_no_trailing_colon() -> None:
    door = sessions(who=Credentials("ana", "secreta", "nonce", "llave"))
    assert door.login(body(authorizationToken=token(integration="")), NOW)
    for more in (":", ":integracion"):
        with pytest.raises(AnswerError):
            door.login(body(authorizationToken=token(integration=more)), NOW)


def test_a_session_dies_after_an_hour_without_use_a_logout_and_a_restart() -> None:
    door = sessions()
    session = door.login(body(), NOW)
    for minutes in (59, 118):
        door.check(session, NOW + timedelta(minutes=minutes))
    idle, logged_out, restarted = (door.login(body(), NOW) for _ in range(3))
    door.forget(logged_out)
    refused = [(idle, NOW + timedelta(hours=1)), (logged_out, NOW), ("unknown", NOW), (None, NOW)]
    for gone, at in refused:
        with pytest.raises(AnswerError) as answer:
            door.check(gone, at)
        assert answer.value.status == 401
    door.forget_all()
    with pytest.raises(AnswerError):
        door.check(restarted, NOW)


def test_secrets_are_not_in_the_repr() -> None:
    assert not any(secret in repr(WHO) for secret in ("secreta", "nonce=", "llave", "integracion"))
