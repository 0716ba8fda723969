"""Bring a branch from before the new layout to today's modules and names: ``python3 tools/renames.py FOLDER...``.

Three tables: ``MODULES`` maps each module of release 1.0 to its place, ``CLASSES`` each class, by the place of its
module, and ``MEMBERS`` methods, attributes and arguments whose old name meant one thing only. Run it, with Python
3.12 or later, on a branch that was begun at 1.0, after merging the commits that move the files. It rewrites imports,
module names in string literals, and identifiers, in the Python files of the folders given; it is safe to run twice.
It goes with the next release. Of the 543 names that the tests of 1.0 import from ``aforo``, 482 are found
after it; functions that were renamed are not in the tables, mypy finds them.
"""

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from pathlib import Path

# Modules of ``aforo`` at 1.0 and where they are now; a package's own line is its ``__init__``.
MODULES: dict[str, str] = {
    "agenda": "ingestion.schedule_queue",
    "alerts": "alerting.engine",
    "board": "live.state",
    "cameras": "inputs.camera_list",
    "census": "ingestion.source_count",
    "chronicle": "alerting.incidents",
    "closing": "ingestion.reconciliation",
    "conditions": "alerting.rules",
    "coverage": "ingestion.fetch_planner",
    "demo": "cli.demo",
    "evening": "ingestion.event_runner",
    "files": "inputs.watched_file",
    "heartbeat": "alerting.heartbeat",
    "model": "models",
    "monitor": "app",
    "morning": "reporting.after_close",
    "notices": "alerting.notifier",
    "occupancy": "counting.occupancy",
    "outlook": "app",
    "pending": "live.uncommitted",
    "rooms": "ingestion.context",
    "rules": "counting.rules",
    "schedule": "inputs.schedule",
    "series": "counting.zone_series",
    "standing": "ingestion.feed_state",
    "status": "cli.status",
    "stopping": "os_service.shutdown",
    "tally": "ingestion.cycle_stats",
    "terminal": "cli.tui",
    "together": "avigilon.query_batching",
    "turn": "ingestion.poller",
    "webhook": "alerting.webhook",
    "wizard": "cli.init",
    "acc": "avigilon",
    "acc.auth": "avigilon.session",
    "acc.client": "avigilon.client",
    "acc.habits": "avigilon.server_quirks",
    "acc.identity": "avigilon.payloads",
    "acc.link": "avigilon.connectivity",
    "acc.payloads": "avigilon.payloads",
    "acc.problems": "avigilon.errors",
    "acc.retry": "background",
    "acc.rights": "avigilon.session",
    "acc.search": "avigilon.pagination",
    "acc.session": "avigilon.session",
    "acc.spans": "avigilon.pagination",
    "acc.together": "avigilon.query_batching",
    "acc.trust": "avigilon.tls",
    "acc.wire": "avigilon.transport",
    "store": "storage",
    "store.account": "storage.queries",
    "store.apart": "storage.quarantine",
    "store.books": "storage.record_cache",
    "store.border": "storage.backends.errors",
    "store.complaints": "storage.quarantine",
    "store.connect": "storage.backends.drivers",
    "store.corrections": "storage.corrections",
    "store.curve": "counting.zone_series",
    "store.dialects": "storage.backends.backend",
    "store.directory": "storage.lookup_tables",
    "store.found": "storage.site_tables.reflection",
    "store.journal": "storage.journal",
    "store.ledger": "storage.event_ledger",
    "store.legacy": "storage.site_tables.tables",
    "store.link": "storage.backends.connection",
    "store.local": "storage.site_tables.tables",
    "store.migrations": "storage.schema.migrations",
    "store.migrations.env": "storage.schema.migrations.env",
    "store.migrations.versions": "storage.schema.migrations.versions",
    "store.migrations.versions.v0001_ledger": "storage.schema.migrations.versions.v0001_ledger",
    "store.minutes": "storage.minute_totals",
    "store.names": "storage.site_tables.row_sync",
    "store.odbc": "storage.backends.drivers",
    "store.owed": "storage.quarantine",
    "store.reading": "storage.queries",
    "store.refusals": "storage.backends.errors",
    "store.rehearsal": "storage.preflight",
    "store.rights": "storage.schema.grants",
    "store.schema": "storage.schema.migrate",
    "store.script": "storage.schema.grants",
    "store.shows": "storage.records",
    "store.sqlite": "storage.backends.sqlite",
    "store.sqlserver": "storage.backends.sqlserver",
    "store.store": "storage.store",
    "store.tables": "storage.schema.tables",
    "store.tsql": "storage.backends.tsql",
    "store.writer": "storage.database",
    "store.zones": "storage.site_tables.row_sync",
    "web.assets": "web.static_files",
    "web.desk": "web.corrections",
    "web.gate": "web.security",
    "web.guard": "http_server.connection_guard",
    "web.limits": "web.rate_limits",
    "web.loopback": "web.security",
    "web.pages": "web.static_files",
    "web.passwords": "web.auth",
    "web.picture": "web.serializers",
    "web.reading": "web.routes.read",
    "web.rooms": "web.context",
    "web.serving": "web.server",
    "web.sessions": "web.auth",
    "web.stream": "web.sse",
    "check": "cli.check",
    "check.database": "cli.check.database",
    "check.ground": "cli.check.local",
    "check.lines": "cli.check.results",
    "check.names": "cli.check.rule_coverage",
    "check.site": "cli.check.avigilon",
    "report": "reporting",
    "report.__main__": "reporting.__main__",
    "report.act": "reporting.data",
    "report.files": "reporting.writers",
    "report.gather": "reporting.compute",
    "report.making": "reporting.renderer_process",
    "report.page": "reporting.page",
    "report.pictures": "reporting.charts",
    "service": "os_service",
    "service.account": "os_service.os_account",
    "service.notify": "os_service.sd_notify",
    "service.systemd": "os_service.systemd",
    "service.windows": "os_service.windows",
    "logs": "logging_setup",
    "logs.formats": "logging_setup.formatters",
    "logs.handlers": "logging_setup.handlers",
    "cli.flags": "cli.arguments",
    "cli.logged": "cli.run_logged",
    "cli.spanish": "cli.argparse_es",
    "settings.base": "settings.value_types",
    "settings.docs": "settings.reference",
    "settings.kinds": "settings.value_types",
    "settings.loading": "settings.loader",
    "settings.page": "settings.models",
    "settings.sources": "settings.loader",
    "settings.table": "settings.reference",
    "settings.vault": "settings.loader",
    "simulator.behaviour": "simulator.server_profile",
    "simulator.control": "simulator.control_api",
    "simulator.crowd": "simulator.scenario",
    "simulator.login": "simulator.auth",
    "simulator.process": "simulator.runner",
    "simulator.recording": "simulator.event_log",
    "simulator.search": "simulator.search_endpoint",
    "simulator.trouble": "simulator.fault_middleware",
    "simulator.truth": "simulator.oracle",
    "simulator.wire": "simulator.serialization",
}

# Classes and functions of 1.0, by the place that MODULES gives to the module which defined them at 1.0.
CLASSES: dict[str, str] = {
    "models.AccEvent": "CameraEvent",
    "models.Refusal": "ExclusionReason",
    "models.Verdict": "Classification",
    "models.Stored": "CommitResult",
    "errors.AccEndless": "AccWindowTooLarge",
    "counting.occupancy.Stretch": "OccupancyDelta",
    "avigilon.client.Acc": "AvigilonClient",
    "avigilon.request_pipeline._Question": "Request",
    "avigilon.session.Rights": "RenewalPolicy",
    "avigilon.payloads.Answer": "SearchAnswer",
    "avigilon.payloads.numbered": "assign_ids",
    "avigilon.payloads.page_print": "page_fingerprint",
    "avigilon.errors.refusal": "parse_error",
    "avigilon.pagination.Search": "EventSearch",
    "avigilon.pagination.Span": "WindowPart",
    "background.RetryPolicy": "Backoff",
    "avigilon.server_quirks.Habits": "ServerQuirks",
    "avigilon.connectivity.Link": "ConnectionMonitor",
    "avigilon.errors.Refusal": "ApiError",
    "avigilon.errors.told": "to_acc_error",
    "avigilon.pagination._Hunt": "_WindowFetch",
    "avigilon.pagination._Chain": "_TokenChain",
    "avigilon.transport.Reply": "Response",
    "avigilon.transport.Wire": "Transport",
    "avigilon.query_batching.Together": "QueryBatching",
    "storage.database.Writer": "Database",
    "storage.records.Show": "EventRecord",
    "storage.records.Shows": "EventRecords",
    "storage.record_cache.Book": "CachedRecord",
    "storage.record_cache.Books": "RecordCache",
    "storage.event_ledger.Ledger": "EventLedger",
    "storage.lookup_tables.Directory": "LookupTables",
    "storage.minute_totals.Minutes": "MinuteTotals",
    "storage.quarantine.Owed": "Quarantine",
    "storage.quarantine.RefusedEvents": "QuarantinedEvents",
    "storage.journal.Note": "JournalEntry",
    "storage.site_tables.tables.Legacy": "SiteTables",
    "storage.site_tables.reflection.Found": "ReflectedTable",
    "storage.backends.errors.Allows": "Recovery",
    "storage.backends.backend.Dialect": "Backend",
    "storage.backends.dialect_for": "backend_for",
    "storage.backends.connection.Link": "DatabaseConnection",
    "storage.backends.drivers.Way": "DriverChoice",
    "storage.backends.drivers.way": "choose_driver",
    "storage.preflight.Rehearsal": "Preflight",
    "storage.preflight.rehearse": "dry_run",
    "ingestion.schedule_queue.Agenda": "ScheduleQueue",
    "ingestion.source_count.Heard": "WindowCount",
    "ingestion.source_count.Census": "SourceCount",
    "ingestion.reconciliation.Closing": "Reconciler",
    "ingestion.fetch_planner.Ask": "PlannedFetch",
    "ingestion.fetch_planner.Coverage": "FetchPlanner",
    "ingestion.event_runner.Evening": "EventRunner",
    "ingestion.context.Rooms": "RunContext",
    "ingestion.cycle_stats.CameraTally": "CameraStats",
    "ingestion.cycle_stats.Tally": "CycleStats",
    "ingestion.fetch.Errand": "PollCycle",
    "ingestion.poller.Turns": "Poller",
    "models.Phase": "EventPhase",
    "live.state.Signs": "HealthProbes",
    "storage.queries.Past": "StoredHistory",
    "live.state.Board": "LiveState",
    "live.uncommitted.Pending": "UncommittedEvents",
    "models.Kind": "AlertKind",
    "models.Level": "ZoneLevel",
    "alerting.engine.Levels": "ZoneLevels",
    "alerting.engine.Notice": "AlertTransition",
    "alerting.engine.Watch": "AlertTracker",
    "alerting.notifier.Watchman": "AlertNotifier",
    "alerting.incidents.Chronicle": "IncidentRecorder",
    "reporting.data.Act": "EventReport",
    "reporting.compute.gather": "compute_report",
    "web.corrections.Desk": "CorrectionService",
    "web.context.Rooms": "WebContext",
    "web.schemas.Told": "ApiModel",
    "web.sse.Hub": "Broadcaster",
    "web.security.Gate": "SecurityMiddleware",
    "web.security.Refused": "RequestRejected",
    "http_server.rate_limits.Buckets": "TokenBuckets",
    "web.rate_limits.Limits": "RateLimits",
    "os_service.commands.Wish": "ServiceOptions",
    "os_service.shutdown.Stopper": "ShutdownRequest",
    "logging_setup.handlers.Queueing": "DeferredHandler",
    "cli.check.avigilon.Visit": "AvigilonCheck",
    "cli.init.Asker": "Prompt",
    "cli.init.Console": "ConsolePrompt",
    "cli.init.Nobody": "DefaultAnswers",
    "cli.init.Wish": "InitOptions",
    "cli.run_logged.logged": "run_logged",
    "cli.status.Told": "ServiceState",
    "cli.tui.LastNews": "LastRecords",
    "settings.reference.nearest": "suggestion",
    "simulator.server_profile.Behaviour": "ServerProfile",
    "simulator.scenario.Crowd": "Scenario",
    "simulator.scenario.Plan": "ScenarioPlan",
    "simulator.auth.Doorman": "SessionStore",
    "simulator.event_log.Recording": "EventLog",
    "simulator.event_log.Passage": "Crossing",
    "simulator.fault_middleware.Asked": "ApiRequest",
    "simulator.fault_middleware.Trouble": "FaultMiddleware",
    "simulator.search_endpoint.SearchDesk": "SearchEndpoint",
    "simulator.oracle.Truth": "Oracle",
}

# Methods, attributes and arguments whose name meant one thing only.
MEMBERS: dict[str, str] = {
    "open_show": "open_record",
    "close_show": "close_record",
    "last_open_show": "last_open_event",
    "shows_on": "records_on",
    "turn_page": "bump_revision",
    "begin_note": "begin_entry",
    "end_note": "end_entry",
    "sift": "classify_page",
    "begin_turn": "begin_cycle",
    "rehearse": "dry_run",
    "verdict_of": "classify",
    "verdicts": "classifications",
}


def main(folders: list[str]) -> int:
    """Rewrite the Python files of those folders; returns 0."""
    exports = exported(Path("src/aforo"))
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    for path in files:
        if path.resolve() == Path(__file__).resolve():
            continue
        before = path.read_text(encoding="utf-8")
        after = renamed(with_new_imports(before), path, exports)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(path)
    return 0


def with_new_imports(source: str) -> str:
    """The source with its imports of ``aforo`` pointing to today's modules."""
    lines = source.splitlines(keepends=True)
    aliases: dict[str, str] = {}
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in sorted(nodes, key=lambda node: node.lineno, reverse=True):
        new = _import(node, aliases)
        if new is not None:
            indent = " " * node.col_offset
            comment = re.search(r"\)?\s*(  # noqa.*)$", lines[(node.end_lineno or node.lineno) - 1].rstrip("\n"))
            tail = comment.group(1) if comment else ""
            lines[node.lineno - 1 : node.end_lineno] = [f"{indent}{line}{tail}\n" for line in new]
    text = "".join(lines)
    for old, leaf in aliases.items():
        text = re.sub(rf"(?<![\w.\"'/]){old}(?=\.\w)", leaf, text)
        text = re.sub(rf"(?<=setattr\(){old}(?=,)", leaf, text)
    return re.sub(r"([\"'`])aforo\.([a-z_.]+)", lambda found: f"{found[1]}aforo.{_in_text(found[2])}", text)


def _in_text(name: str) -> str:
    """A dotted name in a string: the longest part of it that is a module of 1.0 is replaced."""
    if name == "service":  # the unit's file, aforo.service
        return name
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        old = ".".join(parts[:end])
        if old in MODULES:
            return ".".join([MODULES[old], *parts[end:]])
    return name


def _import(node: ast.Import | ast.ImportFrom, aliases: dict[str, str]) -> list[str] | None:
    if isinstance(node, ast.Import) or node.level or (node.module or "").split(".")[0] != "aforo":
        return None
    module = (node.module or "").removeprefix("aforo").removeprefix(".")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in node.names:
        full = f"{module}.{name.name}".removeprefix(".")
        if full in MODULES:
            parent, _, leaf = f"aforo.{MODULES[full]}".rpartition(".")
            if name.asname is None and leaf != name.name:
                aliases[name.name] = leaf
            found[parent].append(leaf + (f" as {name.asname}" if name.asname else ""))
        else:
            target = f"aforo.{MODULES.get(module, module)}".removesuffix(".")
            found[target].append(name.name + (f" as {name.asname}" if name.asname else ""))
    return [f"from {target} import {', '.join(names)}" for target, names in found.items()]


def renamed(source: str, path: Path, exports: dict[str, str]) -> str:
    """The source with today's identifiers."""
    words = dict(MEMBERS)
    qualified: dict[tuple[str, str], str] = {}
    module = ".".join(path.with_suffix("").parts).partition("aforo.")[2].removesuffix(".__init__")
    for name, new in CLASSES.items():
        home, _, old = name.rpartition(".")
        if home == module:
            words[old] = new
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aforo":
            home = (node.module or "").removeprefix("aforo").removeprefix(".")
            for alias in node.names:
                full = f"{home}.{alias.name}".removeprefix(".")
                origin = exports.get(full, full)
                offered = [
                    new for name, new in CLASSES.items() if full not in exports and _offers(home, name, alias.name)
                ]
                if origin in CLASSES or offered:
                    words[alias.name] = CLASSES.get(origin) or offered[0]
                for name, new in CLASSES.items():
                    if exports.get(f"{full}.{name.rpartition('.')[2]}", "") == name or name.rpartition(".")[0] == full:
                        qualified[alias.asname or alias.name, name.rpartition(".")[2]] = new
    return _with_words(source, words, qualified)


def _offers(package: str, name: str, old: str) -> bool:
    """Whether a package offered at 1.0 the class ``old`` that one of its modules defines as ``name``."""
    return name.startswith(f"{package}.") and name.rpartition(".")[2] == old


def _with_words(source: str, words: dict[str, str], qualified: dict[tuple[str, str], str]) -> str:
    lines = source.splitlines(keepends=True)
    changes: list[tuple[int, int, int, str]] = []
    before: list[str] = ["", ""]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, column), text = token.start, token.string
        if token.type == tokenize.NAME:
            if before[1] == "." and (before[0], text) in qualified:
                changes.append((row, column, len(text), qualified[before[0], text]))
            elif text in words and (before[1] != "." or text in MEMBERS):
                changes.append((row, column, len(text), words[text]))
        elif token.type == tokenize.STRING and text.strip("\"'") in words and text[0] in "\"'":
            inner = text.strip("\"'")
            if inner not in MEMBERS:
                changes.append((row, column + 1, len(inner), words[inner]))
        if token.type not in {tokenize.NL, tokenize.COMMENT}:
            before = [before[1], text]
    for row, column, length, new in reversed(changes):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + new + line[column + length :]
    text = "".join(lines)
    for old, new in words.items():
        text = text.replace(f"``{old}``", f"``{new}``")
        if re.fullmatch(r"[A-Z][a-z]+[A-Z]\w+", old):  # two capitals: no word of a sentence
            text = re.sub(rf"\b{old}\b", new, text)
    return text


def exported(source: Path) -> dict[str, str]:
    """Each name that a package's ``__init__`` offers, with the module that defines it."""
    found = {}
    for path in source.rglob("__init__.py"):
        package = ".".join(path.parent.parts).partition("aforo.")[2]
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aforo."):
                for alias in node.names:
                    found[f"{package}.{alias.name}"] = f"{(node.module or '').removeprefix('aforo.')}.{alias.name}"
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["src", "tests", "bench"]))
