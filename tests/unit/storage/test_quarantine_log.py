"""What is logged of rejected rows."""

from datetime import timedelta

import pytest
from tests.contract.storage.databases import PUERTA, START, at

from aforo.storage.quarantine import QuarantinedEvents, QuarantineLog


def _refused(reason: str, number: int = 1) -> QuarantinedEvents:
    return QuarantinedEvents(reason, number, at(10, "7", PUERTA, camera="MALA"))


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_the_first_of_a_reason_is_logged_at_once_the_others_every_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    log = QuarantineLog()
    assert "MALA" in str(log.add(_refused("CHECK «a» con valor 'x1'"), START))
    for minute in range(1, 10):
        assert log.add(_refused(f"CHECK «b» con valor 'x{minute}'", 5), START + timedelta(minutes=minute)) is None
    assert log.add(_refused("CHECK «a» con valor 'y'"), START + timedelta(minutes=10)) is not None
    first, later = _messages(caplog)
    assert "no admite este evento" in first
    assert "no admite 46 eventos" in later


def test_another_reason_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    log = QuarantineLog()
    for reason in ("demasiado largo", "clave repetida"):
        assert log.add(_refused(reason, 3), START) is not None
    assert ["demasiado largo" in text for text in _messages(caplog)] == [True, False]


def test_reasons_beyond_the_limit_are_logged_together(caplog: pytest.LogCaptureFixture) -> None:
    log = QuarantineLog()
    for number in range(500):
        letters = "".join(chr(97 + int(digit)) for digit in str(number))
        log.add(_refused(f"motivo {letters}"), START)
    assert len(caplog.records) == 51
