"""The licences of the packages that run at the stadium: their page, and their place in the bill of materials.

``python -m tools.licences FILE`` adds them to a CycloneDX file. They are read from the metadata of the installed
packages; a package that this platform does not need has its licence in ``ELSEWHERE``, as its page on PyPI states it.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parents[1]
PINNED = HERE / "requirements-extras.txt"
ELSEWHERE = {
    "colorama": "BSD-3-Clause",
    "jeepney": "MIT",
    "pywin32": "PSF-2.0",
    "pywin32-ctypes": "BSD-3-Clause",
    "secretstorage": "BSD-3-Clause",
}
# Names in classifiers and free texts, and the SPDX identifier that the package's own licence file shows.
_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Other/Proprietary License": "propietaria, de Microsoft",
}
# The metadata of this one name no licence; its licence file is MIT's.
_BY_FILE = {"mssql-python": "MIT"}
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


class Licensed(NamedTuple):
    """A pinned package and its licence: an SPDX expression, or a name."""

    name: str
    version: str
    licence: str

    @property
    def is_proprietary(self) -> bool:
        """Whether it is not free software."""
        return " de " in self.licence


def packages() -> list[Licensed]:
    """Every pinned package that runs at the stadium. Raises LookupError where a licence is not known."""
    return [Licensed(name, version, licence(name)) for name, version in _pinned()]


def licence(name: str) -> str:
    """The licence of a package. Raises LookupError where it is not known."""
    try:
        found: Any = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ELSEWHERE[name]
    classifiers = [text.rsplit(" :: ")[-1] for text in found.get_all("Classifier", []) if text.startswith("License")]
    for text in (found.get("License-Expression"), found.get("License"), *classifiers, _BY_FILE.get(name)):
        spdx = _SPDX.get(text or "", text or "")
        if spdx in _SPDX.values() or _EXPRESSION.fullmatch(spdx):
            return spdx
    raise LookupError(f"the licence of {name} is not known")


def page(mark: str) -> str:
    """The page of third-party licences, with the mark of generated pages."""
    rows = "".join(f"| `{one.name}` | {one.version} | `{one.licence}` |\n" for one in packages())
    proprietary = ", ".join(f"`{one.name}`" for one in packages() if one.is_proprietary)
    return f"""# Licencias de terceros

{mark}

Aforo se distribuye con licencia MIT. Estos son los paquetes con los que funciona en el estadio, con la licencia que
declara cada uno; los textos completos vienen dentro de cada paquete (`.venv/…/*.dist-info/licenses`). La misma lista,
con las huellas, está en la lista de componentes que escribe `python3 dev.py sbom`.

## El controlador de Microsoft

Todo es software libre salvo {proprietary}: es el controlador ODBC de Microsoft para SQL Server, que `mssql-python` trae
consigo. Su licencia permite usarlo y distribuirlo con una aplicación; no es software libre. Para no tenerlo:

```sh
.venv/bin/pip uninstall mssql-python mssql-python-odbc mssql-python-rs
```

Aforo usa entonces, con `pyodbc`, el *ODBC Driver 17* o *18* que el equipo ya tenga (también es de Microsoft, y lo cubre
la licencia con que se instaló). Sin ninguno de los dos no hay SQL Server; SQLite funciona siempre.

## Todos

| paquete | versión | licencia |
|---|---|---|
{rows}"""


def add_to(bill: Path) -> None:
    """Write the licence of each component into a CycloneDX file in JSON."""
    content: dict[str, Any] = json.loads(bill.read_text(encoding="utf-8"))
    by_name = {one.name: one for one in packages()}
    for component in content["components"]:
        one = by_name[str(component["name"]).lower().replace("_", "-").replace(".", "-")]
        named = {"license": {"name": one.licence}}
        component["licenses"] = [named if one.is_proprietary else {"expression": one.licence}]
    bill.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _pinned() -> Iterator[tuple[str, str]]:
    for line in PINNED.read_text(encoding="utf-8").splitlines():
        found = re.match(r"([a-z0-9.-]+)==([^ ;]+)", line)
        if found:
            yield found[1], found[2]


if __name__ == "__main__":
    add_to(Path(sys.argv[1]))
