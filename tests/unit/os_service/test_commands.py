"""``aforo service`` on Linux: install, status, uninstall."""

import getpass
import os
from pathlib import Path

import pytest

from aforo import os_service
from aforo.errors import BadCommand
from aforo.os_service import ServiceOptions
from aforo.os_service.systemd import Systemd

pytestmark = pytest.mark.skipif(os.name == "nt", reason="systemd is Linux's; there, this would make a real service")


def test_install_can_only_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFORO_DATABASE__URL", "sqlite:////srv/datos/aforo.db")
    assert os_service.main(ServiceOptions("install", only_print=True, user="aforo"), Systemd(tmp_path / "units")) == 0
    shown = capsys.readouterr().out
    assert f"WorkingDirectory={tmp_path}" in shown
    assert f"ReadWritePaths={tmp_path} /srv/datos\n" in shown
    assert not (tmp_path / "units").exists()


def test_install_status_and_uninstall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Use a systemctl that records its arguments, since no systemd runs where tests run."""
    calls = tmp_path / "calls"
    systemctl = tmp_path / "systemctl"
    properties = "LoadState=loaded\\nActiveState=active\\nStatusText=Esperando el próximo evento\\nNRestarts=2\\n"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\n[ "$1" = show ] && printf "{properties}"\nexit 0\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    systemd = Systemd(units=tmp_path, booted=tmp_path)
    with pytest.raises(BadCommand, match="La cuenta «nadie-la-hizo» no existe"):
        os_service.main(ServiceOptions("install", user="nadie-la-hizo"), systemd)
    assert not calls.exists(), "nothing was begun"
    assert os_service.main(ServiceOptions("install", user=getpass.getuser()), systemd) == 0
    assert "Atención" not in capsys.readouterr().out
    assert (tmp_path / "aforo.service").read_text(encoding="utf-8").startswith("[Unit]")
    assert os_service.main(ServiceOptions("status"), systemd) == 0
    assert "aforo: en marcha. Esperando el próximo evento. reinicios: 2." in capsys.readouterr().out
    assert os_service.main(ServiceOptions("uninstall"), systemd) == 0
    assert not (tmp_path / "aforo.service").exists()
    assert calls.read_text().splitlines()[:4] == [
        "daemon-reload",
        "enable aforo.service",
        "restart --no-block aforo.service",
        "show aforo --property=LoadState,ActiveState,StatusText,NRestarts,Result",
    ]
    with pytest.raises(BadCommand, match="No hay ningún servicio aforo"):
        os_service.main(ServiceOptions("uninstall"), systemd)


def test_where_systemd_does_not_run_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    systemd = Systemd(units=tmp_path, booted=tmp_path / "no")
    with pytest.raises(BadCommand, match="no corre systemd"):
        os_service.main(ServiceOptions("install", user=getpass.getuser()), systemd)
    assert not (tmp_path / "aforo.service").exists()
