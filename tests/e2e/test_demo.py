"""``aforo demo`` to its proof: every event of the simulated match is in the database exactly once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aforo

pytestmark = pytest.mark.e2e

CROWD = re.compile(
    r"Personas en el estadio, al final: las cámaras dan ([\d.]+) y de verdad quedan ([\d.]+); según el acta,"
    r" entre ([\d.]+) y ([\d.]+)\. .* la verdad estuvo en el intervalo (\d+) de (\d+) veces\."
)


def test_the_demo_proves_that_nothing_was_lost_or_repeated(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(aforo.__file__).parents[1]), "PYTHONUTF8": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "aforo", "demo", "--seconds", "30", "--port", "0"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    proof = done.stdout[done.stdout.index("La prueba:") :].splitlines()
    rows = [[cell.strip() for cell in line.strip("│ ").split("│")] for line in proof if line.startswith("│")]
    assert [name for name, *_ in rows] == [
        "eventos_Analisis, filas",
        "Aforo_parqueadero, aforo",
        "Aforo_parqueadero_campinsito, aforo",
        "Aforo_parqueadero_SUR, aforo",
        "Personas en el estadio, aforo",
        "Vehículos, aforo",
    ]
    for name, expected, stored, difference in rows:
        assert expected == stored != "0", name
        assert difference == "0", name
    assert "Perdidos: 0. Repetidos: 0. Todo coincide." in proof
    crowd = CROWD.search(done.stdout)
    assert crowd is not None
    counted, inside, low, high, held, times = (int(number.replace(".", "")) for number in crowd.groups())
    assert counted == int(rows[-2][1].replace(".", "")) > inside
    assert low <= inside <= high
    assert times == 29  # seven hours
    assert held >= 0.9 * times
    files = {re.sub(r"\d{4}-\d\d-\d\d", "<día>", str(path.relative_to(tmp_path))) for path in tmp_path.rglob("*")}
    report = "aforo-demo-acta/<día>-Partido-de-demostración"
    assert files == {
        "aforo-demo.db",
        "aforo-demo.log",
        "aforo-demo-acta",
        *(f"{report}.{suffix}" for suffix in ("html", "csv", "json")),
    }
    assert proof[-3:-1] == [f"Base de datos: {tmp_path}/aforo-demo.db", f"Registro: {tmp_path}/aforo-demo.log"]
