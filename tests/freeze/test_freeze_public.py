"""What else is public: the settings, ``aforo check --json``, and ``aforo cameras``."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.freeze.golden import check, masked
from tests.freeze.harness import settings_page
from tests.freeze.processes import aforo, settings_of, simulated, transcript, write_files

VARYING = (
    (r"[0-9A-F]{2}(:[0-9A-F]{2}){31}|[0-9a-f]{64}", "<fingerprint>"),
    (r"(127\.0\.0\.1|localhost):\d+", r"\1:<port>"),
    (r"\d{4}-\d\d-\d\d", "<date>"),
    (r"\d\d:\d\d(:\d\d)?", "<time>"),
    (r"[\d.,]+ (KB|MB|GB|KiB|MiB|GiB|TB|TiB)\b", "<size>"),
    (r"[-+−]?[\d.,]+ (ms|s)\b", "<seconds>"),
    (r"SQLite \d+\.\d+(\.\d+)?", "SQLite <number>"),
)


def test_settings() -> None:
    """Every setting with its default, its variable, its text and what it takes."""
    check("public/settings.md", settings_page())


def test_cameras_and_check(tmp_path: Path) -> None:
    """``aforo cameras`` and ``aforo check`` against a site with two servers whose event is over."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    span = ["--start", f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", "--end", f"{end:%Y-%m-%dT%H:%M:%SZ}"]
    with simulated(tmp_path, *span, "--cameras=9", "--events=300", "--servers=2", "--seed=4") as site:
        write_files(tmp_path, {"cameras": site["cameras"][:7]}, "2099-01-20", "Concierto A", "16:00", "23:00")
        settings = settings_of(site)
        parts = []
        for line in ("cameras", "cameras --counting", "cameras --json", "check", "check --json", "cameras --write"):
            done = aforo(tmp_path, *line.split(), settings=settings)
            parts.append(transcript(done, line))
        parts.append((tmp_path / "ids_camaras_permitidas.json").read_text(encoding="utf-8"))
    check("public/cameras_and_check.txt", masked("\n".join(parts), [(tmp_path, "<folder>")], VARYING))
    (document,) = [one for one in parts if one.startswith("$ aforo check --json")]
    shown = json.loads(document.partition("[stdout]")[2].partition("[stderr]")[0])
    topics = sorted({(line["topic"], line["state"]) for line in shown["lines"]})
    check("public/check_topics.txt", "\n".join(f"{topic} {state}" for topic, state in topics))
