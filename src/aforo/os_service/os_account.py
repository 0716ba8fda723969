"""The account of a Linux service, and its permissions."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aforo.errors import BadCommand

_READ, _WRITE, _ENTER = 4, 2, 1  # as in a mode's digits


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine, with its groups."""

    name: str
    uid: int
    groups: frozenset[int]

    @classmethod
    def named(cls, name: str, folder: Path) -> "Account":
        """Return the account of that name. Raises BadCommand if there is none."""
        import pwd  # noqa: PLC0415 -- not on Windows, where this is never called

        try:
            found = pwd.getpwnam(name)
        except KeyError as exc:
            raise BadCommand(
                f"La cuenta «{name}» no existe en esta máquina, y el servicio no podría arrancar con ella.",
                remedy=f"Créela (sudo useradd --system --home-dir '{folder}' {name}) o dé otra con --user.",
            ) from exc
        return cls(name, found.pw_uid, frozenset(os.getgrouplist(name, found.pw_gid)))

    def lacks(self, read: Iterable[Path], write: Sequence[Path]) -> list[str]:
        """Return in Spanish what the account may not do with these files and folders.

        Only mode bits are checked, no access lists.
        """
        if self.uid == 0:
            return []
        lacking = [f"leer {path}" for path in dict.fromkeys(read) if path.exists() and not self._may(path, _READ)]
        written = [path for path in dict.fromkeys(write) if path.exists()]
        return lacking + [f"escribir en {path}" for path in written if not self._may(path, _WRITE)]

    def _may(self, path: Path, right: int) -> bool:
        resolved = path.resolve()
        right |= _ENTER if resolved.is_dir() else 0
        return self._has(resolved, right) and all(self._has(parent, _ENTER) for parent in resolved.parents)

    def _has(self, path: Path, rights: int) -> bool:
        found = path.stat()
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid in self.groups else 0
        return (found.st_mode >> shift) & rights == rights
