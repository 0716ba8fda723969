"""Bring a branch from before the new layout to today's modules and names: ``python3 tools/renames.py FOLDER...``.

Two tables: ``MODULES`` maps each module of release 1.0 to its place, ``NAMES`` each public name to the field's word.
Run it on a branch that was begun at 1.0, after merging the commits that move the files. It rewrites imports, module
names in string literals, and identifiers, in the Python files of the folders given; it is safe to run twice. It goes
with the next release.
"""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

# Modules of ``aforo`` at 1.0 and where they are now; a package's own line is its ``__init__``.
MODULES: dict[str, str] = {
    "agenda": "ingestion.schedule_queue",
    "alerts": "alerting.engine",
    "board": "live.state",
    "cameras": "inputs.camera_list",
    "census": "ingestion.census",
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
    "outlook": "observers",
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
    "acc.auth": "avigilon.auth",
    "acc.client": "avigilon.client",
    "acc.habits": "avigilon.server_quirks",
    "acc.identity": "avigilon.identity",
    "acc.link": "avigilon.connectivity",
    "acc.payloads": "avigilon.payloads",
    "acc.problems": "avigilon.errors",
    "acc.retry": "avigilon.retry",
    "acc.rights": "avigilon.rights",
    "acc.search": "avigilon.pagination",
    "acc.session": "avigilon.session",
    "acc.spans": "avigilon.spans",
    "acc.together": "avigilon.batching_proof",
    "acc.trust": "avigilon.tls",
    "acc.wire": "avigilon.transport",
    "store": "storage",
    "store.account": "storage.account",
    "store.apart": "storage.apart",
    "store.books": "storage.record_cache",
    "store.border": "storage.backends.errors",
    "store.complaints": "storage.complaints",
    "store.connect": "storage.backends.drivers",
    "store.corrections": "storage.corrections",
    "store.curve": "storage.curve",
    "store.dialects": "storage.backends.backend",
    "store.directory": "storage.lookup_tables",
    "store.found": "storage.site_tables.reflection",
    "store.journal": "storage.journal",
    "store.ledger": "storage.event_ledger",
    "store.legacy": "storage.site_tables.tables",
    "store.link": "storage.backends.connection",
    "store.local": "storage.site_tables.local_time",
    "store.migrations": "storage.schema.migrations",
    "store.migrations.env": "storage.schema.migrations.env",
    "store.migrations.versions": "storage.schema.migrations.versions",
    "store.migrations.versions.v0001_ledger": "storage.schema.migrations.versions.v0001_ledger",
    "store.minutes": "storage.minute_totals",
    "store.names": "storage.site_tables.names",
    "store.odbc": "storage.backends.odbc",
    "store.owed": "storage.quarantine",
    "store.reading": "storage.queries",
    "store.refusals": "storage.backends.refusals",
    "store.rehearsal": "storage.schema.preflight",
    "store.rights": "storage.schema.rights",
    "store.schema": "storage.schema.migrate",
    "store.script": "storage.schema.grants",
    "store.shows": "storage.records",
    "store.sqlite": "storage.backends.sqlite",
    "store.sqlserver": "storage.backends.sqlserver",
    "store.store": "storage.store",
    "store.tables": "storage.schema.tables",
    "store.tsql": "storage.backends.tsql",
    "store.writer": "storage.writer",
    "store.zones": "storage.site_tables.row_sync",
    "web.assets": "web.static_files",
    "web.desk": "web.corrections",
    "web.gate": "web.security",
    "web.guard": "web.connection_guard",
    "web.limits": "web.rate_limits",
    "web.loopback": "web.loopback",
    "web.pages": "web.pages",
    "web.passwords": "web.auth",
    "web.picture": "web.serializers",
    "web.reading": "web.reading",
    "web.rooms": "web.dependencies",
    "web.serving": "web.serving",
    "web.sessions": "web.sessions",
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
    "report.gather": "reporting.collect",
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

# Identifiers of 1.0 and today's, in all Python files.
NAMES: dict[str, str] = {}


def main(folders: list[str]) -> int:
    """Rewrite the Python files of those folders; returns 0."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    for path in files:
        if path.resolve() == Path(__file__).resolve():
            continue
        before = path.read_text(encoding="utf-8")
        after = renamed(with_new_imports(before))
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
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        old = ".".join(parts[:end])
        if old in MODULES:
            return ".".join([MODULES[old], *parts[end:]])
    return name


def _import(node: ast.Import | ast.ImportFrom, aliases: dict[str, str]) -> list[str] | None:
    if isinstance(node, ast.Import) or node.level or not (node.module or "").split(".")[0] == "aforo":
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


def renamed(source: str) -> str:
    """The source with today's identifiers."""
    if not NAMES:
        return source
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, NAMES)) + r")\b")
    return pattern.sub(lambda found: NAMES[found[1]], source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["src", "tests", "bench"]))
