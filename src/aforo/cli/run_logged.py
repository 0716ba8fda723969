"""Running a job with its log: the last lines of the log say why it ended."""

import logging
import sys
from collections.abc import Callable

from aforo.errors import AforoError
from aforo.logging_setup import logging_to
from aforo.redaction import Mask
from aforo.settings import Settings

_log = logging.getLogger(__name__)


def run_logged(settings: Settings, job: Callable[[Mask], int]) -> int:
    """Run the job with its log set up, and return its exit code. The job gets the mask of the log.

    An AforoError is logged, and its exit code returned; anything else is logged and raised. Raises LogUnwritable before
    the job when the log cannot be opened.
    """
    mask = Mask(settings.secrets())
    with logging_to(settings.log, settings.monitor.timezone, mask, console=sys.stderr):
        for doubt in settings.doubts:
            _log.warning("%s", doubt)
        try:
            return job(mask)
        except AforoError as exc:
            return _ended(exc)
        except ExceptionGroup as group:
            if (error := _first_error(group)) is None:
                _log.critical("Error inesperado: es un fallo del programa.", exc_info=True)
                raise
            return _ended(error)
        except Exception:  # only to have it in the log file as well: a service has no console
            _log.critical("Error inesperado: es un fallo del programa.", exc_info=True)
            raise


def _ended(exc: AforoError) -> int:
    _log.error("%s", exc, exc_info=exc if _log.isEnabledFor(logging.DEBUG) else None)
    return exc.exit_code


def _first_error(group: BaseExceptionGroup[BaseException]) -> AforoError | None:
    """Return the first AforoError of a group, or None if the group has an error of another kind."""
    ours, others = group.split(AforoError)
    if ours is None or others is not None:
        return None
    first = ours.exceptions[0]
    return _first_error(first) if isinstance(first, BaseExceptionGroup) else first
