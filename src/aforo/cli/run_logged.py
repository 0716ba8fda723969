"""A job with its log around it: whatever ends it is in the log's last lines too, for the morning after."""

import logging
import sys
from collections.abc import Callable

from aforo.errors import AforoError
from aforo.logging_setup import logging_to
from aforo.settings import Settings

_log = logging.getLogger(__name__)


def logged(settings: Settings, job: Callable[[], int]) -> int:
    """Run the job with its log set up; an AforoError is logged and gives the exit code, anything else is raised again.

    Raises LogUnwritable before the job when the log cannot be opened.
    """
    with logging_to(settings.log, settings.monitor.timezone, settings.secrets(), console=sys.stderr):
        try:
            return job()
        except AforoError as exc:
            return _ended(exc)
        except ExceptionGroup as group:
            if (found := _foremost(group)) is None:
                _log.critical("Error inesperado: es un fallo del programa.", exc_info=True)
                raise
            return _ended(found)
        except Exception:
            _log.critical("Error inesperado: es un fallo del programa.", exc_info=True)
            raise


def _ended(exc: AforoError) -> int:
    _log.error("%s", exc, exc_info=exc if _log.isEnabledFor(logging.DEBUG) else None)
    return exc.exit_code


def _foremost(group: BaseExceptionGroup[BaseException]) -> AforoError | None:
    """The first AforoError of a group that holds nothing else; None where there is a fault of the program in it."""
    ours, others = group.split(AforoError)
    if ours is None or others is not None:
        return None
    first = ours.exceptions[0]
    return _foremost(first) if isinstance(first, BaseExceptionGroup) else first
