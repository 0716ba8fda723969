"""The arguments of each command, with Spanish help. A secret is never one: every user can read arguments."""

from pathlib import Path

from aforo.cli.argparse_es import Parser
from aforo.cli.argument_types import (
    database_without_password,
    day,
    days,
    existing_file,
    existing_folder,
    people,
    port,
    positive_number,
    service_name,
    time_of_day,
)


def run(parser: Parser) -> None:
    """Add the arguments of ``aforo run``."""
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--no-wait", action="store_true", help="si ahora no hay evento, termina en lugar de esperarlo")
    mode.add_argument("--continuous", action="store_true", help="de evento en evento, día tras día, hasta que se pare")
    _settings(parser)


def demo(parser: Parser) -> None:
    """Add the arguments of ``aforo demo``."""
    parser.add_argument("--seconds", type=positive_number, default=60.0, metavar="S", help="cuánto dura (60)")
    parser.add_argument("--port", type=port, default=8080, metavar="P", help="puerto de la página (8080; 0: ninguna)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="semilla del público simulado (1)")


def check(parser: Parser) -> None:
    """Add the arguments of ``aforo check``."""
    parser.add_argument("--json", action="store_true", help="para programas: un objeto JSON")
    days_help = "cuántos días atrás se leen los nombres que enviaron las cámaras (3)"
    parser.add_argument("--days", type=days, default=3, metavar="N", help=days_help)
    _settings(parser)


def cameras(parser: Parser) -> None:
    """Add the arguments of ``aforo cameras``."""
    parser.add_argument("--write", action="store_true", help="las escribe como cámaras permitidas")
    counting_help = "solo las que en los últimos días enviaron algo que una regla cuenta"
    parser.add_argument("--counting", action="store_true", help=counting_help)
    parser.add_argument("--json", action="store_true", help="para programas: una lista JSON")
    _settings(parser)


def backfill(parser: Parser) -> None:
    """Add the arguments of ``aforo backfill``."""
    parser.add_argument("date", type=day, metavar="FECHA", help="la fecha del evento, como 2025-01-20")
    _settings(parser)


def report(parser: Parser) -> None:
    """Add the arguments of ``aforo report``."""
    parser.add_argument("date", type=day, metavar="FECHA", help="la fecha del evento, como 2025-01-20")
    folder_help = "dónde se escribe; si no, donde dice report.folder"
    parser.add_argument("--folder", type=Path, metavar="CARPETA", help=folder_help)
    _settings(parser)


def count(parser: Parser) -> None:
    """Add the arguments of ``aforo count``."""
    parser.add_argument("zone", metavar="ZONA", help="la zona, como la llaman los ajustes")
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument("people", nargs="?", type=people, metavar="N", help="cuántas personas (o carros) hay dentro")
    scans_help = "en lugar de N: un CSV con una fila por boleta leída (su hora), o por hora con cuántas"
    known.add_argument("--scans", type=existing_file, metavar="ARCHIVO", help=scans_help)
    parser.add_argument("--at", type=time_of_day, metavar="HH:MM", help="a qué hora se contó (ahora)")
    parser.add_argument("--error", type=people, metavar="N", help="cuánto puede fallar el conteo (un 3 %%)")
    parser.add_argument("--date", type=day, metavar="FECHA", help="de un evento de otra fecha, como 2025-01-20")
    _settings(parser)


def init(parser: Parser) -> None:
    """Add the arguments of ``aforo init``."""
    parser.add_argument(
        "--url", default="", metavar="URL", help="dirección de ACC, como https://acc.estadio.local:8443"
    )
    parser.add_argument("--username", default="", metavar="USUARIO", help="usuario de ACC")
    parser.add_argument("--fingerprint", default="", metavar="HUELLA", help="huella SHA-256 de su certificado")
    database_help = "sqlite, o una URL sin contraseña; la cadena ODBC se pregunta"
    parser.add_argument("--database", type=database_without_password, default="", metavar="BASE", help=database_help)
    event_help = "el próximo evento"
    parser.add_argument("--event", nargs=4, metavar=("FECHA", "NOMBRE", "INICIO", "FIN"), help=event_help)
    parser.add_argument("--force", action="store_true", help="sobrescribe los archivos que ya existan")
    yes_help = "no pregunta nada: los secretos, de las variables AFORO_ACC__PASSWORD, …"
    parser.add_argument("--yes", action="store_true", help=yes_help)


def status(parser: Parser) -> None:
    """Add the arguments of ``aforo status``."""
    parser.add_argument("--once", action="store_true", help="una vez, como texto")
    _settings(parser)


def service(parser: Parser) -> None:
    """Add the arguments of ``aforo service``."""
    actions = {"install": "la hace y la arranca", "uninstall": "la quita", "status": "cómo está"}
    action_help = "; ".join(f"{name}: {text}" for name, text in actions.items())
    parser.add_argument("action", choices=list(actions), metavar="QUÉ", help=action_help)
    parser.add_argument("--name", type=service_name, default="aforo", metavar="NOMBRE", help="su nombre (aforo)")
    user_help = "con qué cuenta corre; si no, el dueño de esta carpeta (Windows: LocalService)"
    parser.add_argument("--user", default="", metavar="CUENTA", help=user_help)
    credentials_help = "carpeta con un archivo por secreto, como acc.password (systemd)"
    parser.add_argument("--credentials", type=existing_folder, metavar="CARPETA", help=credentials_help)
    parser.add_argument("--config", type=existing_file, metavar="ARCHIVO", help="archivo de ajustes (aforo.toml)")
    parser.add_argument("--print", action="store_true", help="solo lo escribe aquí, sin cambiar nada")


def schema(parser: Parser) -> None:
    """Add the arguments of ``aforo schema``."""
    account_help = "la cuenta del servicio en SQL Server, a la que se dan los permisos (aforo)"
    parser.add_argument("--account", default="aforo", metavar="CUENTA", help=account_help)
    since_help = "solo los cambios desde esa versión de las tablas aforo_…, la que dice «aforo check»"
    parser.add_argument("--since", metavar="VERSIÓN", help=since_help)
    back_help = "el camino de vuelta: de las tablas de este programa a las de esa versión"
    parser.add_argument("--back", metavar="VERSIÓN", help=back_help)
    apply_help = "con --back: no lo imprime, lo hace en la base de datos de los ajustes; no se pierde ningún evento"
    parser.add_argument("--apply", action="store_true", help=apply_help)
    _settings(parser)


def password(parser: Parser) -> None:
    """Add the arguments of ``aforo password``: none, since a password is no argument."""


def simulate(parser: Parser) -> None:
    """Add the arguments of ``aforo simulate``."""
    from aforo.simulator import add_arguments  # noqa: PLC0415

    add_arguments(parser)


def _settings(parser: Parser) -> None:
    group = parser.add_argument_group("Ajustes")
    group.add_argument("--config", type=existing_file, metavar="ARCHIVO", help="archivo de ajustes (aforo.toml)")
    set_help = "un ajuste, como --set acc.timeout=20; se puede repetir. La lista: docs/ajustes.md"
    group.add_argument("--set", action="append", default=[], metavar="AJUSTE=VALOR", help=set_help)
    group.add_argument("-v", "--verbose", action="store_true", help="registro con todo detalle")
