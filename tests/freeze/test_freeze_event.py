"""One event of a fixed seed with a few faults, by the fake clock: its log, its page, its report, its database."""

import asyncio
import json
import re
import sqlite3
from contextlib import closing

import pytest
from tests.freeze.golden import check, masked
from tests.freeze.harness import FixedEvent, fixed_event, get_text
from tests.freeze.processes import aforo, transcript

PORTS = (r"(127\.0\.0\.1|localhost):\d+", r"\1:<port>")
VARYING = (
    PORTS,
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
    (r'"series": \d+', '"series": <number>'),
    (r"\('?connect[^)]*\)|\((ServerDisconnectedError|ClientOSError|ClientConnectionResetError)[^)]*\)", "(<reason>)"),
    (r"\((ServerDisconnectedError|ClientOSError|ConnectionResetError)\)", "(<reason>)"),
)
ESTIMATES = ("interval", "bands")
ESTIMATED = re.compile(r"^(aforo_(?:estimate_(?:low|high)|door_expected_per_minute)\{.*\}) .*$", re.MULTILINE)
PATHS = ("/api/v1/state", "/api/v1/zones", "/api/v1/doors", "/api/v1/series", "/metrics", "/ready", "/health")
# Metrics of the process: memory, open files, times.
OF_THE_PROCESS = re.compile(r"^(# (HELP|TYPE) )?process_.*\n", re.MULTILINE)


async def look(event: FixedEvent, url: str) -> None:
    """Fetch from the page all that machines read, and ``aforo status`` as a process."""
    for path in PATHS:
        event.pages[path] = await get_text(url, path)
    settings = {"AFORO_WEB__PORT": url.rpartition(":")[2]}
    done = await asyncio.to_thread(aforo, event.folder, "status", "--once", settings=settings)
    event.status = transcript(done, "status --once")


@pytest.fixture(scope="module")
def event(tmp_path_factory: pytest.TempPathFactory) -> FixedEvent:
    """The event, run once for all tests of this module."""
    return fixed_event(tmp_path_factory.mktemp("event"), look)


def without_estimates(value: object) -> object:
    """A JSON value with each interval by its names only: estimates are made anew every so many real seconds."""
    if isinstance(value, list):
        return [without_estimates(one) for one in value]
    if not isinstance(value, dict):
        return value
    names = {name: sorted(one) for name, one in value.items() if name in ESTIMATES and isinstance(one, dict)}
    return {name: names.get(name) or without_estimates(one) for name, one in value.items()}


def plain(event: FixedEvent, text: str) -> str:
    return masked(text, [(event.folder, "<folder>")], VARYING)


def in_order(text: str) -> str:
    """A log with the page's line behind that of the next event: the page opens in real time, beside the login.

    Cameras that answer again at one instant of the event's clock are sorted: their order is a matter of chance.
    """
    lines = text.splitlines(keepends=True)
    (page,) = [line for line in lines if "La página está en" in line]
    lines.remove(page)
    place = next(number for number, line in enumerate(lines) if "Próximo evento" in line)
    lines.insert(place + 1, page)
    recovered = [line for line in lines if "vuelve a contestar; lo que faltaba" in line]
    recovered.sort(reverse=True)
    return "".join(recovered.pop() if "vuelve a contestar; lo que faltaba" in line else line for line in lines)


def test_exit_code(event: FixedEvent) -> None:
    """An event with late and unreadable events is compared and ends well."""
    check("event/exit_code.txt", str(event.exit_code))


def test_text_log(event: FixedEvent) -> None:
    """The log for persons."""
    check("event/log.txt", plain(event, in_order(event.logs["text"])))


def test_json_log(event: FixedEvent) -> None:
    """The log for programs; the loggers' names are not frozen."""
    lines = [json.loads(line) for line in in_order(event.logs["json"]).splitlines()]
    for line in lines:
        assert line["logger"].split(".")[0] == "aforo"
        line["logger"] = "<logger>"
    check("event/log.jsonl", plain(event, "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)))


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("/api")])
def test_json_answers(event: FixedEvent, path: str) -> None:
    """The page's JSON at 16:40."""
    found = json.loads(event.pages[path])
    doors = found if path.endswith("/doors") else found.get("doors") if isinstance(found, dict) else None
    if isinstance(doors, list):  # doors come in the order of their first event, which is a matter of chance
        doors.sort(key=lambda door: str(door["name"]))
    elif isinstance(doors, dict):
        found["doors"] = dict(sorted(doors.items()))
    answer = json.dumps(without_estimates(found), ensure_ascii=False, indent=1)
    check(f"event/{path.rpartition('/')[2]}.json", plain(event, answer))


def test_health(event: FixedEvent) -> None:
    """The answers of the two addresses for a supervisor."""
    check("event/health.txt", "\n".join([event.pages["/health"], event.pages["/ready"]]))


def test_metrics(event: FixedEvent) -> None:
    """Every metric with its help, its type and its value at 16:40; the process's own by name only."""
    text = ESTIMATED.sub(r"\1 <estimate>", event.pages["/metrics"])
    names = sorted(set(re.findall(r"^# TYPE (process_\S+ \S+)$", text, re.MULTILINE)))
    families = [sorted(one.splitlines()) for one in re.split(r"^(?=# HELP)", OF_THE_PROCESS.sub("", text), flags=re.M)]
    check("event/metrics.txt", plain(event, "\n".join([line for one in families for line in one] + names)))


def test_status_command(event: FixedEvent) -> None:
    """``aforo status --once`` beside the running job."""
    status = re.sub(r"entre [\d.]+ y [\d.]+", "entre <number> y <number>", event.status)  # made every few real seconds
    check("event/status.txt", plain(event, status))


def report(event: FixedEvent, kind: str) -> str:
    (path,) = event.reports.glob(f"*.{kind}")
    return f"[{path.name}]\n{path.read_text(encoding='utf-8')}"


def without_pictures(html: str) -> str:
    """The page with each image as its kind and a rough size: how it is drawn belongs to a library."""

    def short(found: re.Match[str]) -> str:
        kind = "svg" if found[0].startswith("<svg") else found[0][5:20].partition(";")[0]
        return f"<picture {kind}, 2^{len(found[0]).bit_length()} characters at most>"

    return re.sub(r"<svg\b.*?</svg>|data:image/[^\"')]+", short, html, flags=re.DOTALL)


def test_report_page(event: FixedEvent) -> None:
    """The event report as HTML."""
    check("event/report.html", plain(event, without_pictures(report(event, "html"))))


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_report_figures(event: FixedEvent, kind: str) -> None:
    """The event report as a table and as JSON."""
    check(f"event/report.{kind}.txt", plain(event, report(event, kind)))


def test_schema(event: FixedEvent) -> None:
    """The SQLite schema that the program makes, and the version of its tables."""
    with closing(sqlite3.connect(event.database)) as database:
        made = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        version = database.execute("SELECT * FROM aforo_version").fetchall()
        pragmas = [
            f"{name} {database.execute(f'PRAGMA {name}').fetchone()[0]}"
            for name in ("user_version", "application_id", "journal_mode", "encoding", "auto_vacuum", "page_size")
        ]
    parts = [f"-- {kind} {name} on {table}\n{sql or ''}" for kind, name, table, sql in made]
    check("event/schema.sql", "\n".join([*parts, f"-- aforo_version: {version}", *(f"-- {one}" for one in pragmas)]))


def test_rows(event: FixedEvent) -> None:
    """Every row at the event's end; the numbers of servers and sources, which depend on chance, as what they name."""
    parts = []
    with closing(sqlite3.connect(event.database)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        servers = dict(database.execute("SELECT id, server_id FROM aforo_servers"))
        sources = {number: f"{camera[:8]} {name}" for number, camera, name in database.execute(
            "SELECT id, camera_id, name FROM aforo_sources"
        )}  # fmt: skip
        for table in sorted(tables):
            cursor = database.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            rows = []
            for values in cursor:
                row = dict(zip(columns, values, strict=True))
                if table in {"aforo_servers", "aforo_sources", "aforo_journal"}:
                    row["id"] = "<number>"
                row |= {"server": servers[row["server"]]} if "server" in row else {}
                row |= {"source": sources[row["source"]]} if "source" in row else {}
                if row.get("kind") in {"instance", "camera"}:  # looked at from time to time: when is a matter of chance
                    row["ended_ms"] = "<time>" if row["ended_ms"] else row["ended_ms"]
                if "revision" in row:  # grows with each transaction; how many batches share one is a matter of chance
                    row["revision"] = "<number>"
                rows.append(" | ".join(str(value) for value in row.values()))
            parts += [f"[{table}] {' | '.join(columns)}", *sorted(rows), ""]
    check("event/rows.txt", plain(event, "\n".join(parts)))
