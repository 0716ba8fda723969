"""What a newcomer and CI run, with nothing but Python: ``python3 dev.py demo``, ``python3 dev.py test``.

    demo [flags]    the demo (``aforo demo``); needs only the program's own packages
    install         the program into .venv, so that .venv/bin/aforo is there; --extras: with what the Windows service,
                    the system's store of secrets and alerts by e-mail and others need
    wheel           build the wheel, and write dist/aforo.txt: what pip checks it against
    test [args]     every check and every test, with coverage; arguments go to pytest, without coverage
    test --fast     unit tests, and contract tests on SQLite: under a minute
    fuzz [seconds]  random answers of the camera server and random settings, for ten minutes or so many seconds
    docs            write the generated pages, and build the documentation site into site/
    pin             pin all packages anew, after a change of dependencies in pyproject.toml
    sbom            write the bill of materials of what runs at the stadium (dist/aforo.cdx.json)
    audit           look the pinned packages up among the known vulnerabilities
    release         build wheel, sdist and bill of materials of a version that the changelog describes (dist/)

Packages come from requirements*.txt, each with its hash, into ``.venv``; a second run finds them there.
"""

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
SETTINGS_PAGE = HERE / "docs" / "ajustes.md"
RUN, EXTRAS = "requirements.txt", "requirements-extras.txt"  # what runs at the stadium; EXTRAS has all of RUN
BUILD, DEV = "requirements-build.txt", "requirements-dev.txt"
# What each file is compiled from. The others take their versions from DEV, which comes first.
SOURCES = {
    DEV: ["--group", "dev", "--all-extras", "pyproject.toml"],
    RUN: ["pyproject.toml"],
    EXTRAS: ["--all-extras", "pyproject.toml"],
    BUILD: ["--group", "build"],
}
DIST = HERE / "dist"
BILL = DIST / "aforo.cdx.json"
WHEEL = "dist/aforo.txt"  # the wheel and its hash, as a file of requirements

# Two workers more than processors: tests that kill and restart programs wait longer than they compute.
WORKERS = ["-n", str((os.cpu_count() or 1) + 2), "--dist", "worksteal"]
# Both go to pytest. Coverage is of code that runs in the tests' own processes; pyproject.toml has its limit.
ALL_TESTS = [*WORKERS, "--cov", "--cov-report=term:skip-covered"]
FAST_TESTS = [*WORKERS, "tests/unit", "tests/contract"]

FUZZ_RUNS = 4  # runs of examples in tests/fuzz

CHECKS = (
    ("ruff check", ["-m", "ruff", "check", "."]),
    ("ruff format", ["-m", "ruff", "format", "--check", "."]),
    ("mypy", ["-m", "mypy"]),
    ("lint-imports", ["-c", "from importlinter.cli import lint_imports_command as main; main()"]),
)


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; returns its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python is what this is for
        return fail(f"Hace falta Python 3.11 o posterior; este es {sys.version.split()[0]}.")
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is None:
        return fail((__doc__ or "").strip())
    return command(arguments[1:])


def demo(arguments: Sequence[str]) -> int:
    """Run the demo."""
    return prepare(RUN) or inside(["-m", "aforo", "demo", *arguments])


def wheel(_arguments: Sequence[str] = ()) -> int:
    """Build the wheel with the pinned build back end, and write its hash beside it."""
    if code := prepare(BUILD):
        return code
    for old in DIST.glob("aforo-*.whl"):
        old.unlink()
    if code := inside(["-m", "hatchling", "build", "--target", "wheel", "--directory", str(DIST)]):
        return code
    (built,) = DIST.glob("aforo-*.whl")
    line = f"./dist/{built.name} --hash=sha256:{hashlib.sha256(built.read_bytes()).hexdigest()}\n"
    (HERE / WHEEL).write_text(line, encoding="utf-8")
    return say(f"dist/{built.name}: escrito, y su huella en {WHEEL}.")


def program(arguments: Sequence[str]) -> int:
    """Install the program and its packages into ``.venv``, each checked against its hash, the wheel's included."""
    unknown = set(arguments) - {"--extras"}
    if unknown:
        return fail(f"«install» solo admite --extras; sobra {' '.join(sorted(unknown))}.")
    if code := wheel():
        return code
    packages = EXTRAS if "--extras" in arguments else RUN
    flags = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--force-reinstall"]
    # The packages first: nothing of them is installed again where they are there.
    if code := prepare(packages) or pip(["install", *flags, "--no-deps", "-r", WHEEL]):
        return fail("No se pudo instalar el programa: mire arriba qué falta.", code)
    return say(f"Instalado: {PYTHON.with_name('aforo').relative_to(HERE)}")


def test(arguments: Sequence[str]) -> int:
    """Run every check and every test, also those after one that fails; 0 when all passed."""
    if code := prepare(RUN, DEV):
        return code
    if list(arguments) == ["--fast"]:
        os.environ.pop("AFORO_TEST_MSSQL_URL", None)  # names the database servers that contract tests also run on
        return inside(["-m", "pytest", *FAST_TESTS])
    failed = [name for name, check in CHECKS if inside(check)]
    if code := inside(["-m", "pytest", *(arguments or ALL_TESTS)]):
        failed.append("pytest")
    for name in failed:
        print(f"No pasó: {name}", file=sys.stderr)
    return code or int(bool(failed))


def fuzz(arguments: Sequence[str]) -> int:
    """Try random input for ten minutes, or for so many seconds, spread over the tests."""
    if code := prepare(RUN, DEV):
        return code
    os.environ["AFORO_FUZZ_SECONDS"] = str(float(arguments[0] if arguments else 600) / FUZZ_RUNS)
    return inside(["-m", "pytest", "tests/fuzz"])


def docs(_arguments: Sequence[str]) -> int:
    """Write docs/ajustes.md and docs/referencia/ from the code, and build the site; a dead link fails it."""
    if code := prepare(RUN, DEV):
        return code
    page = subprocess.run(
        [PYTHON, "-m", "aforo.settings"], env=environment(), cwd=HERE, check=True, capture_output=True
    )
    SETTINGS_PAGE.write_bytes(page.stdout)
    return inside(["-m", "tools.reference"]) or inside(["-m", "zensical", "build", "--strict", "--clean"])


def pin(_arguments: Sequence[str]) -> int:
    """Write the requirements files from pyproject.toml: universal, with hashes, without addresses."""
    if code := prepare() or pip(["install", "--quiet", "uv"]):
        return code
    for target, sources in SOURCES.items():
        flags = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]
        flags += ["--no-annotate", "--no-config", "--quiet", "--output-file", target]
        flags += ["--upgrade"] if target == DEV else ["--constraint", DEV]
        if code := inside(["-m", "uv", "pip", "compile", *flags, *sources]):
            return code
        if "://" in (HERE / target).read_text(encoding="utf-8"):
            return fail(f"{target} contiene una dirección: revise la configuración de uv en este equipo.")
    return 0


def sbom(_arguments: Sequence[str]) -> int:
    """Write the software bill of materials, CycloneDX 1.6: the pinned packages, their hashes and their licences."""
    if code := prepare(EXTRAS, DEV):
        return code
    DIST.mkdir(exist_ok=True)
    flags = ["--pyproject", "pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", str(BILL)]
    code = inside(["-m", "cyclonedx_py", "requirements", *flags, EXTRAS])
    code = code or inside(["-m", "tools.licences", str(BILL)])
    return code or say(f"{BILL.relative_to(HERE)}: escrito.")


def release(_arguments: Sequence[str]) -> int:
    """Build what a release consists of into dist/; 2 when the changelog lacks the version."""
    if code := prepare(RUN, DEV):
        return code
    source = (HERE / "src" / "aforo" / "__init__.py").read_text(encoding="utf-8")
    version = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)[0]
    if f"\n## {version}\n" not in (HERE / "CHANGELOG.md").read_text(encoding="utf-8"):
        return fail(f"CHANGELOG.md no tiene la sección «## {version}».")
    if code := wheel() or inside(["-m", "build", "--sdist", "--no-isolation", "--outdir", "dist"]) or sbom([]):
        return code
    for path in (*sorted(DIST.glob(f"aforo-{version}*")), BILL):
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}")
    return 0


def audit(_arguments: Sequence[str]) -> int:
    """Look the pinned packages up among the known vulnerabilities; 1 where there is one.

    Where the advisory service does not answer, nothing is known: a message says so, and the code is 0.
    """
    if code := prepare(EXTRAS, DEV):
        return code
    return max(audited(name) for name in (EXTRAS, DEV))


def audited(requirements: str) -> int:
    """Audit one file of requirements."""
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch) / "audit.json"
        flags = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "-f", "json", "-o", str(found)]
        done = subprocess.run(
            [PYTHON, "-m", "pip_audit", *flags, "-r", requirements],
            cwd=HERE, env=environment(), check=False, capture_output=True, text=True,
        )  # fmt: skip
        if not found.exists():
            reason = (done.stderr.strip().splitlines() or ["sin respuesta"])[-1]
            return say(f"{requirements}: no se pudo preguntar por vulnerabilidades conocidas ({reason}).")
        packages = json.loads(found.read_text(encoding="utf-8"))["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    bad = [
        f"{package['name']} {package['version']}: {flaw['id']}, arreglado en {', '.join(flaw['fix_versions']) or '…'}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    if len(skipped) == len(packages):
        return say(f"{requirements}: el servicio de avisos no dio datos de ningún paquete; no se pudo comprobar.")
    say(f"{requirements}: {len(packages) - len(skipped)} paquetes, {len(bad)} vulnerabilidades conocidas.")
    if skipped:
        say(f"Sin datos de: {', '.join(skipped)}.")
    return fail("\n".join(bad), 1) if bad else 0


def prepare(*requirements: str) -> int:
    """Make ``.venv`` and bring in the pinned packages, where that has not been done; 0 when all is there."""
    if not PYTHON.exists() and (code := make_venv()):
        return code
    return next((code for name in requirements if (code := install(name))), 0)


def install(requirements: str) -> int:
    """Install the packages of that file into ``.venv``, unless they are those it already has."""
    wanted = hashlib.sha256((HERE / requirements).read_bytes()).hexdigest()
    stamp = VENV / f"{requirements}.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    print(f"Instalando los paquetes de {requirements} en .venv (solo esta vez)…", file=sys.stderr, flush=True)
    # What runs at the stadium is never built here; one of the tests' packages exists only as a source.
    sources = [] if requirements == DEV else ["--only-binary", ":all:"]
    if code := pip(["install", "--quiet", "--require-hashes", *sources, "-r", requirements]):
        return fail("No se pudieron instalar los paquetes: mire arriba qué falta.", code)
    stamp.write_text(wanted)
    return 0


def make_venv() -> int:
    """Make ``.venv``; with its own pip, or run by ours where this Python lacks ensurepip, as on Debian."""
    own_pip = has("ensurepip")
    if not own_pip and not has("pip"):
        return fail("A este Python le faltan pip y venv: en Debian o Ubuntu, «apt install python3-pip python3-venv».")
    try:
        venv.create(VENV, clear=True, with_pip=own_pip)
    except subprocess.CalledProcessError:  # Debian leaves ensurepip there, without what it installs
        venv.create(VENV, clear=True, with_pip=False)
    return 0


def pip(arguments: Sequence[str]) -> int:
    """Run pip on ``.venv``: its own, or this Python's where it has none."""
    common = ["--disable-pip-version-check", "--no-input"]
    if any(VENV.glob("[Ll]ib*/**/site-packages/pip/__init__.py")):
        return inside(["-m", "pip", *common, *arguments])
    return run([sys.executable, "-m", "pip", "--python", str(PYTHON), *common, *arguments])


def inside(arguments: Sequence[str]) -> int:
    """Run ``.venv``'s Python with the sources at hand."""
    return run([str(PYTHON), *arguments])


def run(command: Sequence[str]) -> int:
    """Run a command from the repository's root; returns its exit code, 130 after Ctrl-C."""
    try:
        return subprocess.run(command, cwd=HERE, env=environment(), check=False).returncode
    except KeyboardInterrupt:
        return 130


def environment() -> dict[str, str]:
    """This process's environment with the sources on the path."""
    return os.environ | {"PYTHONPATH": str(HERE / "src"), "PYTHONUTF8": "1"}


def has(module: str) -> bool:
    """Return whether this Python has a module."""
    return importlib.util.find_spec(module) is not None


def say(message: str) -> int:
    """Print a message on stderr; returns 0."""
    print(message, file=sys.stderr)
    return 0


def fail(message: str, code: int = 2) -> int:
    """Print the reason on stderr; returns the exit code."""
    print(message, file=sys.stderr)
    return code


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "demo": demo,
    "install": program,
    "wheel": wheel,
    "test": test,
    "docs": docs,
    "pin": pin,
    "sbom": sbom,
    "audit": audit,
    "fuzz": fuzz,
    "release": release,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
