"""The help of every command, and what each prints and returns for what the operator wrote wrong."""

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.freeze.golden import check, masked
from tests.freeze.processes import aforo, aforo_many, transcript

ACC = {
    "AFORO_ACC__URL": "https://127.0.0.1:9",
    "AFORO_ACC__USERNAME": "u",
    "AFORO_ACC__PASSWORD": "hush-hush",
    "AFORO_ACC__USER_NONCE": "nonce",
    "AFORO_ACC__USER_KEY": "clave",
    "AFORO_WEB__PORT": "0",
    "AFORO_LOG__FILE": "",
    "AFORO_MONITOR__START_PATIENCE": "0",
}
SCHEDULE, CAMERAS = "eventos_programados.json", "ids_camaras_permitidas.json"
EVENT = '{"nombre": "Concierto A", "hora_inicio": "16:00", "hora_fin": "23:00"}'
GOOD = {SCHEDULE: f'{{"2025-01-20": {EVENT}}}', CAMERAS: '["CAM123"]'}
TIMES = (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "<time>")
VARYING = (
    TIMES,
    (r"scrypt\$\S+", "scrypt$<hash>"),
    (r"[\d.,]+ (KB|MB|GB|KiB|MiB|GiB|TB|TiB)\b", "<size>"),
    (r"se esperan [\d.]+ s", "se esperan <seconds> s"),
)


@dataclass(frozen=True)
class Case:
    """A command line, the files of its folder, the settings of its environment."""

    line: str
    files: dict[str, str | bytes] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    stdin: str = ""


def with_schedule(text: str | bytes) -> Case:
    return Case("run --no-wait", {**GOOD, SCHEDULE: text}, ACC)


def with_cameras(text: str | bytes) -> Case:
    return Case("run --no-wait", {**GOOD, CAMERAS: text}, ACC)


def with_toml(text: str, line: str = "run --no-wait") -> Case:
    return Case(line, {**GOOD, "aforo.toml": text}, ACC)


def with_set(*settings: str) -> Case:
    return Case("run --no-wait " + " ".join(f"--set {shlex.quote(one)}" for one in settings), dict(GOOD), ACC)


COMMANDS = (
    "run",
    "demo",
    "init",
    "check",
    "cameras",
    "backfill",
    "status",
    "service",
    "report",
    "schema",
    "password",
    "simulate",
)
CASES: dict[str, list[Case]] = {
    "run": [
        Case("run"),
        Case("run --no-wait --continuous"),
        Case("run --config no-hay.toml"),
        Case("run --verbos"),
        Case("run", settings=ACC),
        Case("run --no-wait", dict(GOOD), ACC),
        Case("run --no-wait", dict(GOOD), {**ACC, "AFORO_LOG__FORMAT": "xml"}),
        Case("run --no-wait", {**GOOD, ".env": "AFORO_ACC__TIMEOUT=nunca\n"}, ACC),
        Case("run --no-wait", dict(GOOD), {**ACC, "AFORO_ACC__NADA": "1"}),
        Case("run", dict(GOOD), {**ACC, "AFORO_LOG__FILE": "no/hay/carpeta/aforo.log"}),
    ],
    "settings": [
        with_set("acc.timeout=0"),
        with_set("acc.timeout=mucho"),
        with_set("acc.timeout"),
        with_set("acc.tiempo=3"),
        with_set("nada=3"),
        with_set("acc.password=secreto-1"),
        with_set("acc.url=http://acc.invalid"),
        with_set("acc.fingerprint=12"),
        with_set("acc.token_hash=md5"),
        with_set("monitor.timezone=Marte/Base"),
        with_set("monitor.interval=-1"),
        with_set("web.port=99999"),
        with_set("database.url=esto no es"),
        with_set("alerts.webhook_url=ftp://x"),
        with_set("zones=[]"),
        with_set("events.stored=PUERTA"),
        with_toml("[acc]\ntimeout = 0\n"),
        with_toml("[acc\n"),
        with_toml("[accc]\ntimeout = 3\n"),
        with_toml("[acc]\ntimeot = 3\n"),
        with_toml('[[zones]]\nname = "A"\n'),
        with_toml('[[zones]]\nname = "A"\ntable = "T"\nentries = ["PUERTA"]\nexits = ["equals:B"]\n'),
        with_toml('[acc]\npassword_file = "no-hay"\n'),
    ],
    "schedule": [
        with_schedule("{"),
        with_schedule("[]"),
        with_schedule(b"\xff\xfe\x00"),
        with_schedule(f'{{"20-01-2025": {EVENT}}}'),
        with_schedule(f'{{"2025-02-30": {EVENT}}}'),
        with_schedule(f'{{"2025-01-20": {EVENT},\n "2025-01-20": {EVENT}}}'),
        with_schedule(f'{{"2025-01-20": [{EVENT}, {EVENT}]}}'),
        with_schedule('{"2025-01-20": {"hora_inicio": "16:00", "hora_fin": "23:00"}}'),
        with_schedule('{"2025-01-20": {"nombre": "A", "hora_fin": "23:00"}}'),
        with_schedule('{"2025-01-20": {"nombre": "A", "hora_inicio": "4 pm", "hora_fin": "23:00"}}'),
        with_schedule('{"2025-01-20": "Concierto A"}'),
        with_schedule('{"2025-01-20": {"nombre": "A",}}'),
    ],
    "allow_list": [
        with_cameras("["),
        with_cameras("{}"),
        with_cameras("[]"),
        with_cameras('["CAM1", 7]'),
        with_cameras('["CAM1" "CAM2"]'),
        with_cameras('["CAM1", "CAM1"]'),
        Case("run --no-wait", {SCHEDULE: GOOD[SCHEDULE]}, ACC),
    ],
    "demo": [Case("demo --seconds 0"), Case("demo --seconds x"), Case("demo --port 99999"), Case("demo --seed a")],
    "init": [
        Case("init --yes"),
        Case("init --yes --url http://127.0.0.1:9 --username u"),
        Case("init --database mssql+pyodbc://u:clave@h/d"),
        Case("init --event 2025-01-20 A 16:00"),
        Case("init --yes --url https://127.0.0.1:9 --username u --event 2025-13-01 A 16:00 23:00", settings=ACC),
    ],
    "check": [
        Case("check --days x"),
        Case("check --days -1"),
        Case("check --json", {"aforo.toml": "[acc\n"}),
        Case("check", {"aforo.toml": "[acc]\ntimeout = 0\n"}),
    ],
    "cameras": [Case("cameras"), Case("cameras --json", settings={**ACC, "AFORO_ACC__TIMEOUT": "1"})],
    "backfill": [
        Case("backfill"),
        Case("backfill ayer", dict(GOOD), ACC),
        Case("backfill 2025-02-30", dict(GOOD), ACC),
        Case("backfill 2025-01-21", dict(GOOD), ACC),
        Case("backfill 2099-01-20", {**GOOD, SCHEDULE: f'{{"2099-01-20": {EVENT}}}'}, ACC),
        Case("backfill 2025-01-20 2025-01-21", dict(GOOD), ACC),
    ],
    "status": [
        Case("status --once", settings={"AFORO_WEB__PORT": "9"}),
        Case("status --once", settings={"AFORO_WEB__PORT": "0"}),
    ],
    "service": [
        Case("service"),
        Case("service instal"),
        Case("service install --name 'a b'"),
        Case("service install --credentials no-hay"),
        Case("service install --config no-hay.toml"),
        Case("service install --print --credentials ."),
        Case("service uninstall --name aforo-que-no-hay"),
    ],
    "report": [Case("report"), Case("report 20/01/2025"), Case("report 2025-01-20")],
    "schema": [Case("schema --since 9999"), Case("schema --account")],
    "password": [Case("password", stdin="corta\n"), Case("password", stdin="una clave bastante larga\n")],
    "simulate": [
        Case("simulate --faults nada"),
        Case("simulate --faults error_500=2"),
        Case("simulate --behaviour nada=1"),
        Case("simulate --servers 3"),
        Case("simulate --start ayer"),
        Case("simulate --start 2025-01-20T16:00:00Z --end 2025-01-20T15:00:00Z"),
        Case("simulate --speed 0"),
    ],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, tmp_path: Path) -> None:
    """The help of each command."""
    check(f"help/{command}.txt", transcript(aforo(tmp_path, command, "--help"), f"{command} --help"))


def test_overview(tmp_path: Path) -> None:
    """The list of commands, the version, and commands that do not exist."""
    lines = ("", "--help", "-h", "--version", "rum", "xyz", "--nada", "help")
    parts = [transcript(aforo(tmp_path, *line.split()), line) for line in lines]
    check("help/overview.txt", masked("\n".join(parts)))


@pytest.mark.skipif(sys.platform == "win32", reason="the messages of the system differ there")
@pytest.mark.parametrize("group", CASES)
def test_errors(group: str, tmp_path: Path) -> None:
    """What is printed, and the exit code."""
    cases = CASES[group]
    if group in COMMANDS:
        cases = [Case(f"{group} --nada"), Case(f"{group} de más"), *cases]
    commands = []
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in case.files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        commands.append((folder, shlex.split(case.line), case.settings, case.stdin))
    parts = []
    for case, command, done in zip(cases, commands, aforo_many(commands), strict=True):
        files = "".join(f"[{name}] {content!r}\n" for name, content in case.files.items() if content != GOOD.get(name))
        extra = {name: value for name, value in case.settings.items() if value != ACC.get(name)}
        settings = "".join(f"[{name}] {value!r}\n" for name, value in extra.items())
        parts.append(files + settings + masked(transcript(done, case.line), [(command[0], "<folder>")], VARYING))
    check(f"errors/{group}.txt", "\n".join(parts))
