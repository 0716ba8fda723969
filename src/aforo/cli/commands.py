"""The table of commands. A new one: a function that runs it, one for its flags, and a row."""

import argparse
import os
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aforo import __version__
from aforo.cli.spanish import (
    Parser,
    day,
    did_you_mean,
    existing_file,
    existing_folder,
    no_password,
    port,
    positive,
    service_name,
    whole,
)
from aforo.errors import BadCommand

if TYPE_CHECKING:
    from aforo.settings import Settings

Arguments = argparse.Namespace


class Command(NamedTuple):
    """A command: what it is for, in Spanish, how it runs, and the flags it takes."""

    name: str
    text: str
    run: Callable[[Arguments], int]
    flags: Callable[[Parser], None]


def _settings(arguments: Arguments, *, acc: bool = False) -> "Settings":
    from aforo.settings import Given, load  # noqa: PLC0415 - pydantic takes longer to import than --help may take

    named = {"log.level": Given("DEBUG", "--verbose")} if arguments.verbose else {}
    settings = load(os.environ, config=arguments.config, flags=arguments.set, named=named)
    if acc:
        settings.require_acc()
    return settings


def _run(arguments: Arguments) -> int:
    return _job(arguments, no_wait=arguments.no_wait, continuous=arguments.continuous)


def _backfill(arguments: Arguments) -> int:
    return _job(arguments, backfill=arguments.date)


def _job(arguments: Arguments, *, no_wait: bool = False, backfill: date | None = None, continuous: bool = False) -> int:
    settings = _settings(arguments, acc=True)
    from aforo.cli.logged import logged  # noqa: PLC0415
    from aforo.monitor import main  # noqa: PLC0415

    return logged(settings, lambda: main(settings, no_wait=no_wait, backfill=backfill, continuous=continuous))


def _demo(arguments: Arguments) -> int:
    from aforo.demo import main  # noqa: PLC0415

    return main(seconds=arguments.seconds, port=arguments.port, seed=arguments.seed)


def _check(arguments: Arguments) -> int:
    from aforo.check import main  # noqa: PLC0415

    return main(lambda: _settings(arguments), as_program=arguments.json, days=arguments.days)


def _cameras(arguments: Arguments) -> int:
    settings = _settings(arguments, acc=True)
    from aforo.cli.cameras import main  # noqa: PLC0415

    return main(settings, write=arguments.write, counting=arguments.counting, as_program=arguments.json)


def _report(arguments: Arguments) -> int:
    settings = _settings(arguments)
    from aforo.cli.report import main  # noqa: PLC0415

    return main(settings, arguments.date, arguments.folder)


def _init(arguments: Arguments) -> int:
    from aforo.wizard import SECRETS, Wish, main  # noqa: PLC0415

    variables = {name: f"AFORO_{name.replace('.', '__').upper()}" for name in SECRETS}
    wish = Wish(
        url=arguments.url,
        username=arguments.username,
        pinned=arguments.fingerprint,
        database=arguments.database,
        event=tuple(arguments.event) if arguments.event else None,
        force=arguments.force,
        secrets={name: os.environ[variable] for name, variable in variables.items() if os.environ.get(variable)},
    )
    return main(wish, ask=not arguments.yes)


def _status(arguments: Arguments) -> int:
    settings = _settings(arguments)
    from aforo.status import main  # noqa: PLC0415

    return main(settings, once=arguments.once)


def _service(arguments: Arguments) -> int:
    from aforo.service import Wish, main  # noqa: PLC0415

    wish = Wish(
        action=arguments.action,
        name=arguments.name,
        user=arguments.user,
        credentials=arguments.credentials,
        config=arguments.config,
        only_print=arguments.print,
    )
    return main(wish)


def _simulate(arguments: Arguments) -> int:
    from aforo.cli.simulate import main  # noqa: PLC0415
    from aforo.simulator import options_from  # noqa: PLC0415

    return main(options_from(arguments))


def _run_flags(parser: Parser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--no-wait", action="store_true", help="si ahora no hay evento, termina en lugar de esperarlo")
    how.add_argument("--continuous", action="store_true", help="de evento en evento, día tras día, hasta que se pare")
    _settings_flags(parser)


def _demo_flags(parser: Parser) -> None:
    parser.add_argument("--seconds", type=positive, default=60.0, metavar="S", help="cuánto dura (60)")
    parser.add_argument("--port", type=port, default=8080, metavar="P", help="puerto de la página (8080; 0: ninguna)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="semilla del público simulado (1)")


def _check_flags(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="para programas: un objeto JSON")
    days_help = "cuántos días atrás se leen los nombres que enviaron las cámaras (3)"
    parser.add_argument("--days", type=whole, default=3, metavar="N", help=days_help)
    _settings_flags(parser)


def _cameras_flags(parser: Parser) -> None:
    parser.add_argument("--write", action="store_true", help="las escribe como cámaras permitidas")
    counting_help = "solo las que en los últimos días enviaron algo que una regla cuenta"
    parser.add_argument("--counting", action="store_true", help=counting_help)
    parser.add_argument("--json", action="store_true", help="para programas: una lista JSON")
    _settings_flags(parser)


def _backfill_flags(parser: Parser) -> None:
    parser.add_argument("date", type=day, metavar="FECHA", help="la fecha del evento, como 2025-01-20")
    _settings_flags(parser)


def _report_flags(parser: Parser) -> None:
    parser.add_argument("date", type=day, metavar="FECHA", help="la fecha del evento, como 2025-01-20")
    folder_help = "dónde se escribe; si no, donde dice report.folder"
    parser.add_argument("--folder", type=Path, metavar="CARPETA", help=folder_help)
    _settings_flags(parser)


def _init_flags(parser: Parser) -> None:
    parser.add_argument(
        "--url", default="", metavar="URL", help="dirección de ACC, como https://acc.estadio.local:8443"
    )
    parser.add_argument("--username", default="", metavar="USUARIO", help="usuario de ACC")
    parser.add_argument("--fingerprint", default="", metavar="HUELLA", help="huella SHA-256 de su certificado")
    database_help = "sqlite, o una URL sin contraseña; la cadena ODBC se pregunta"
    parser.add_argument("--database", type=no_password, default="", metavar="BASE", help=database_help)
    event_help = "el próximo evento"
    parser.add_argument("--event", nargs=4, metavar=("FECHA", "NOMBRE", "INICIO", "FIN"), help=event_help)
    parser.add_argument("--force", action="store_true", help="sobrescribe los archivos que ya existan")
    yes_help = "no pregunta nada: los secretos, de las variables AFORO_ACC__PASSWORD, …"
    parser.add_argument("--yes", action="store_true", help=yes_help)


def _status_flags(parser: Parser) -> None:
    parser.add_argument("--once", action="store_true", help="una vez, como texto")
    _settings_flags(parser)


def _service_flags(parser: Parser) -> None:
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


def _simulate_flags(parser: Parser) -> None:
    from aforo.simulator import add_arguments  # noqa: PLC0415

    add_arguments(parser)


def _settings_flags(parser: Parser) -> None:
    group = parser.add_argument_group("Ajustes")
    group.add_argument("--config", type=existing_file, metavar="ARCHIVO", help="archivo de ajustes (aforo.toml)")
    set_help = "un ajuste, como --set acc.timeout=20; se puede repetir. La lista: docs/ajustes.md"
    group.add_argument("--set", action="append", default=[], metavar="AJUSTE=VALOR", help=set_help)
    group.add_argument("-v", "--verbose", action="store_true", help="registro con todo detalle")


COMMANDS = (
    Command("run", "El trabajo: vigila el evento de hoy hasta que acaba.", _run, _run_flags),
    Command("demo", "Un partido entero en un minuto, contra el simulador; no necesita nada.", _demo, _demo_flags),
    Command("init", "Pregunta lo justo y escribe los archivos de ajustes.", _init, _init_flags),
    Command("check", "Comprueba ajustes, archivos, servidor, cámaras y base de datos.", _check, _check_flags),
    Command("cameras", "Las cámaras que el servidor conoce.", _cameras, _cameras_flags),
    Command("backfill", "El mismo trabajo sobre un evento pasado; se puede repetir.", _backfill, _backfill_flags),
    Command("status", "Cómo va un servicio en marcha, visto desde esta consola.", _status, _status_flags),
    Command("service", "El trabajo como servicio de esta máquina: systemd o Windows.", _service, _service_flags),
    Command("report", "Hace de nuevo el acta de un evento pasado.", _report, _report_flags),
    Command("simulate", "El simulador solo, para probar un cliente.", _simulate, _simulate_flags),
)


def dispatch(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; returns its exit code. Raises BadCommand, or what the command raises."""
    if not argv or argv[0] in {"-h", "--help"}:
        print(_overview())  # noqa: T201
        return 0 if argv else BadCommand.exit_code
    if argv[0] == "--version":
        print(f"aforo {__version__}")  # noqa: T201
        return 0
    command = next((command for command in COMMANDS if command.name == argv[0]), None)
    if command is None:
        suggestion = did_you_mean(argv[0], [command.name for command in COMMANDS])
        raise BadCommand(f"No existe el comando «{argv[0]}».", remedy=f"{suggestion}La lista: aforo --help")
    try:
        arguments = _parser(command).parse_args(argv[1:])
    except SystemExit:  # argparse has shown the help
        return 0
    return command.run(arguments)


def _overview() -> str:
    width = max(len(command.name) for command in COMMANDS)
    listed = "\n".join(f"  {command.name:{width}}  {command.text}" for command in COMMANDS)
    return (
        "Uso: aforo COMANDO [opciones]\n\n"
        "El aforo en vivo de un estadio a partir de sus cámaras Avigilon.\n\n"
        f"Comandos:\n{listed}\n\n"
        "Opciones:\n  -h, --help  muestra esta ayuda y termina\n  --version   muestra la versión y termina\n\n"
        "La ayuda de cada comando: aforo COMANDO --help"
    )


def _parser(command: Command) -> Parser:
    parser = Parser(f"aforo {command.name}", command.text)
    command.flags(parser)
    return parser
