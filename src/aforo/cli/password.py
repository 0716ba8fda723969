"""``aforo password``: what to write into ``password_hash`` for an operator of the page."""

import getpass
import sys

from aforo.errors import BadCommand
from aforo.web.auth import MIN_PASSWORD_LENGTH, hash_password


def main() -> int:
    """Ask twice where there is a terminal, else read a line; write the hash. Raises BadCommand."""
    if sys.stdin.isatty():
        password, again = getpass.getpass("Contraseña: "), getpass.getpass("Otra vez: ")
    else:
        password = again = sys.stdin.readline().rstrip("\r\n")
    if password != again:
        raise BadCommand("Las dos no son iguales.", remedy="Repita.")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise BadCommand(
            f"Es demasiado corta: se admiten {MIN_PASSWORD_LENGTH} caracteres o más.", remedy="Use una frase."
        )
    sys.stdout.write(f"{hash_password(password)}\n")
    return 0
