"""Every message of the program has its cure in docs/solucion-de-problemas.md, and every cure its message."""

import re
from pathlib import Path

from tests.messages import Message, messages, normal

PAGE = Path(__file__).resolve().parents[3] / "docs" / "solucion-de-problemas.md"
ENTRY = re.compile(r"^- `(.+)`$", re.MULTILINE)
# Lines of the log about one camera, with nothing to cure.
ACCOUNT = {"…Cámara …."}
# Messages that the code puts together from pieces.
PIECED = {
    "…: se cruzan.",
    "En … no llegó ninguna notificación de ACC a …",
    "No se pudo pedir a ACC que notifique cada paso. …",
    "Las notificaciones de ACC necesitan las tablas aforo_… de la versión 0002, y son de una anterior.",
}


def fragments(text: str) -> list[str]:
    """What of a message never changes."""
    return [part.strip(" .,;:()«»") for part in normal(text).split("…") if len(part.strip(" .,;:()«»")) > 3]


def matches(entry: str, message: str) -> bool:
    """All of a message's fixed parts, in their order."""
    return re.search(".*".join(map(re.escape, fragments(message))), normal(entry)) is not None


def entries() -> list[str]:
    return ENTRY.findall(PAGE.read_text(encoding="utf-8"))


def test_there_are_messages_to_look_for() -> None:
    texts = {message.text for message in messages()}
    assert len(texts) > 120
    for known in ("El servidor de cámaras no acepta el usuario o la contraseña (401…).", "Aviso: …"):
        assert known in texts


def test_every_message_has_its_cure() -> None:
    known = entries()
    missing = [one for one in messages() if one.text not in ACCOUNT and not any(matches(k, one.text) for k in known)]
    assert missing == [], "add to docs/solucion-de-problemas.md: " + "\n".join(
        f"{one.place}: {one.text}" for one in missing
    )


def test_a_message_that_is_not_there_is_found_missing() -> None:
    invented = Message("El reloj de … se paró a las ….", "x.py:1")
    assert not any(matches(entry, invented.text) for entry in entries())


def test_every_cure_has_a_message() -> None:
    texts = [message.text for message in messages()]
    stale = [entry for entry in entries() if entry not in PIECED and not any(matches(entry, text) for text in texts)]
    assert stale == []


def test_every_entry_is_followed_by_a_cure() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith("- `"):
            rest = lines[number + 1 :]
            after = next((one for one in rest if not one.startswith("- `")), "")
            section_cured = any(one.startswith("  ") for one in _section(lines, number))
            assert after.startswith("  ") or section_cured, line


def _section(lines: list[str], number: int) -> list[str]:
    """The lines of the section that a line is in."""
    first = max(place for place in range(number) if lines[place].startswith("#"))
    last = next((place for place in range(number, len(lines)) if lines[place].startswith("#")), len(lines))
    return lines[first:last]
