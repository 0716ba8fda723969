"""The checkup's lines about a database that cannot be used, before any connection is tried."""

from pathlib import Path

from pydantic import SecretStr

from aforo.cli.check.database import database_lines
from aforo.cli.check.results import State
from aforo.settings import DatabaseSettings, MonitorSettings, Settings


def test_a_connection_that_names_freetds_is_a_failure_with_its_remedy(tmp_path: Path) -> None:
    odbc = "DRIVER={FreeTDS};SERVER=sql.ejemplo;PORT=1433;DATABASE=AVIGILON;UID=aforo;PWD=secreto"
    files = MonitorSettings(schedule_file=tmp_path / "eventos.json", cameras_file=tmp_path / "camaras.json")
    (line,) = database_lines(Settings(database=DatabaseSettings(odbc=SecretStr(odbc)), monitor=files))
    assert line.state is State.FAILURE
    assert "FreeTDS" in line.what
    assert "Quite DRIVER=" in line.remedy
    assert "secreto" not in f"{line.what} {line.remedy}"
