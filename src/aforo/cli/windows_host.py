"""The process of the Windows service: ``python -m aforo.cli.windows_host NAME FOLDER [CONFIG]``.

It answers the service manager and runs ``aforo run --continuous`` beside it. Only this file needs pywin32. It has never
run outside Windows, and is kept as short as it can be for that reason.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import servicemanager
import win32service
import win32serviceutil

from aforo.app import main as job
from aforo.cli.run_logged import logged
from aforo.errors import AforoError
from aforo.os_service.shutdown import ShutdownRequest
from aforo.settings import load


class Host(win32serviceutil.ServiceFramework):  # type: ignore[misc]  # pywin32 has no types here
    """What Windows starts and stops."""

    _svc_name_ = "aforo"
    config: Path | None = None

    def __init__(self, args: Sequence[str]) -> None:
        super().__init__(args)
        self._stopper = ShutdownRequest()

    def SvcStop(self) -> None:  # noqa: N802 -- pywin32's name
        """Windows wants it to end: what was read is stored first."""
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=60_000)
        self._stopper.stop()

    def SvcDoRun(self) -> None:  # noqa: N802
        """Run until stopped. Any other end is a failure, after which Windows starts it again."""
        self.ReportServiceStatus(win32service.SERVICE_RUNNING)
        try:
            settings = load(os.environ, config=self.config)
            settings.require_acc()
            code = logged(settings, lambda: job(settings, continuous=True, stopper=self._stopper))
            why = "mire el registro"
        except AforoError as exc:
            code, why = exc.exit_code, str(exc)
        if not self._stopper.stopped.is_set():
            servicemanager.LogErrorMsg(f"aforo terminó con el código {code}: {why}")
            os._exit(code or 1)  # an end without SERVICE_STOPPED is what the failure actions answer to


def main(name: str, folder: str, config: str = "") -> None:
    """Hand over to the service manager; returns when the service has ended."""
    os.chdir(folder)  # a service starts in System32, and all paths count from the working folder
    Host._svc_name_ = name
    Host.config = Path(config) if config else None
    host: Any = servicemanager
    host.Initialize()
    host.PrepareToHostSingle(Host)
    host.StartServiceCtrlDispatcher()


if __name__ == "__main__":
    main(*sys.argv[1:])
