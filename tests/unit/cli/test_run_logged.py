"""A job and its log: exit codes, and the last lines of the log."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aforo.cli.run_logged import run_logged
from aforo.errors import BadSetting, StoreUnavailable
from aforo.settings import LogSettings, Settings


def in_log(job: Callable[[], int], level: str = "INFO") -> tuple[int, str]:
    code = run_logged(Settings(log=LogSettings.model_validate({"file": "job.log", "level": level})), lambda _: job())
    return code, Path("job.log").read_text(encoding="utf-8")


def raising(error: BaseException) -> Callable[[], int]:
    def job() -> int:
        raise error

    return job


def test_the_exit_code_of_a_job() -> None:
    assert in_log(lambda: 5) == (5, "")


def test_the_error_that_ends_a_job_is_logged_with_a_traceback_only_at_debug() -> None:
    error = StoreUnavailable("La base de datos no contesta.", remedy="Avise al DBA.")
    code, text = in_log(raising(error))
    assert code == 4
    assert text.endswith("ERROR   La base de datos no contesta. Avise al DBA.\n")
    code, text = in_log(raising(error), "DEBUG")
    assert "Traceback" in text


def test_a_failure_inside_a_task_group_is_logged_like_any_other() -> None:
    group = ExceptionGroup("", [ExceptionGroup("", [BadSetting("Falta algo.")]), BadSetting("Y más.")])
    code, text = in_log(raising(group))
    assert code == 2
    assert text.endswith("ERROR   Falta algo.\n")


@pytest.mark.parametrize("error", [ZeroDivisionError(), ExceptionGroup("", [BadSetting("x"), ZeroDivisionError()])])
def test_a_fault_of_the_program_is_in_the_log_and_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        in_log(raising(error))
    text = Path("job.log").read_text()
    assert "GRAVE   Error inesperado: es un fallo del programa." in text
    assert "ZeroDivisionError" in text


def test_a_doubtful_value_is_in_the_log() -> None:
    settings = Settings(log=LogSettings(file=Path("job.log")))
    settings.set_doubts([".env:1: el valor acaba donde empieza « #»."])
    assert run_logged(settings, lambda _: 0) == 0
    assert "AVISO   .env:1: el valor acaba donde empieza « #».\n" in Path("job.log").read_text(encoding="utf-8")
