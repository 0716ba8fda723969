"""A closed terminal: the job goes on without it."""

import logging
import os
import signal

_log = logging.getLogger(__name__)


def survive_hangup() -> None:
    """Let the job go on when its terminal is closed: nothing is read from it or written to it any more.

    Windows has no such signal: it ends every program of a closed console. With ``nohup`` the signal is ignored already.
    """
    if not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]  # after the hang-up none is

    def hung_up(_number: int, _frame: object) -> None:
        if not terminals:
            _log.info("Se recibió SIGHUP: el trabajo sigue, con los mismos ajustes.")
            return
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in terminals:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        terminals.clear()
        _log.warning("La consola se cerró. El trabajo sigue sin ella; lo que hace, en el archivo de registro.")

    signal.signal(signal.SIGHUP, hung_up)
