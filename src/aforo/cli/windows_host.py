"""The process of the Windows service: ``python -m aforo.cli.windows_host NAME FOLDER [CONFIG]``.

It answers the service manager and runs ``aforo run --continuous``. Installed services call it under this name. Only
this module needs pywin32, and it only runs on Windows, where no test of ours runs: so it is as short as possible.
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
from aforo.cli.run_logged import run_logged
from aforo.errors import AforoError
from aforo.os_service.shutdown import ShutdownRequest
from aforo.settings import load


class Host(win32serviceutil.ServiceFramework):  # type: ignore[misc]  # pywin32 has no types here
    """The service that Windows starts and stops."""

    _svc_name_ = "aforo"
    config: Path | None = None

    def __init__(self, args: Sequence[str]) -> None:
        super().__init__(args)
        self._shutdown = ShutdownRequest()

    def SvcStop(self) -> None:  # noqa: N802 -- pywin32's name
        """End the job after storing what was read."""
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, waitHint=60_000)
        self._shutdown.stop()

    def SvcDoRun(self) -> None:  # noqa: N802
        """Run until stopped. Any other end is a failure, after which Windows restarts the service."""
        self.ReportServiceStatus(win32service.SERVICE_RUNNING)
        try:
            settings = load(os.environ, config=self.config)
            settings.require_acc()
            code = run_logged(settings, lambda mask: job(settings, continuous=True, stopper=self._shutdown, mask=mask))
            reason = "mire el registro"
        except AforoError as exc:
            code, reason = exc.exit_code, str(exc)
        if not self._shutdown.stopped.is_set():
            servicemanager.LogErrorMsg(f"aforo terminó con el código {code}: {reason}")
            os._exit(code or 1)  # the failure actions start when a service ends without SERVICE_STOPPED


def main(name: str, folder: str, config: str = "") -> None:
    """Hand over to the service manager; returns when the service has ended."""
    os.chdir(folder)  # a service starts in System32, and all paths are relative to the working folder
    Host._svc_name_ = name
    Host.config = Path(config) if config else None
    host: Any = servicemanager
    host.Initialize()
    host.PrepareToHostSingle(Host)
    host.StartServiceCtrlDispatcher()


if __name__ == "__main__":
    main(*sys.argv[1:])
