"""Secrets from the system's store, through the real library with a store of the test's own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from aforo.errors import BadSetting
from aforo.settings import load


class Drawer(KeyringBackend):
    """A store in memory."""

    priority = 1
    locked = False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture(autouse=True)
def drawer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drawer]:
    monkeypatch.chdir(tmp_path)
    before, one = keyring.get_keyring(), Drawer()
    keyring.set_keyring(one)
    yield one
    keyring.set_keyring(before)


def test_a_secret_is_read_from_the_store() -> None:
    keyring.set_password("aforo", "acc.password", "guardada")
    keyring.set_password("sala", "acc.user_key", "otra")
    settings = load({"AFORO_ACC__PASSWORD": "keyring:", "AFORO_ACC__USER_KEY": "keyring:sala"})
    assert settings.acc.password.get_secret_value() == "guardada"
    assert settings.acc.user_key.get_secret_value() == "otra"
    assert settings.origin("acc.password").startswith("almacén de credenciales, servicio aforo")


def test_only_secrets_come_from_the_keyring() -> None:
    assert load({"AFORO_ACC__CLIENT_NAME": "keyring:"}).acc.client_name == "keyring:"


def test_a_missing_secret_a_locked_store_and_a_missing_library(drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        BadSetting, match=r"no tiene «acc\.password» del servicio «aforo».*keyring set aforo acc\.password"
    ):
        load({"AFORO_ACC__PASSWORD": "keyring:"})
    drawer.locked = True
    with pytest.raises(BadSetting, match=r"no da acc\.password"):
        load({"AFORO_ACC__PASSWORD": "keyring:"})
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(BadSetting, match=r"keyring\) con «python3 dev\.py install --extras»"):
        load({"AFORO_ACC__PASSWORD": "keyring:"})
