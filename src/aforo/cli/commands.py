"""The table of commands. A new one needs a function that runs it, one that adds its arguments, and a row."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aforo import __version__
from aforo.cli import arguments
from aforo.cli.argparse_es import Parser, did_you_mean
from aforo.cli.console import Output
from aforo.cli.hangup import survive_hangup
from aforo.errors import BadCommand
from aforo.redaction import Mask

if TYPE_CHECKING:
    from aforo.settings import Settings

Arguments = argparse.Namespace


class Command(NamedTuple):
    """A command: its name, its Spanish description, what runs it, and what adds its arguments to a parser."""

    name: str
    description: str
    run: Callable[[Arguments], int]
    add_arguments: Callable[[Parser], None]


def _load_settings(arguments: Arguments, *, acc: bool = False, print_doubts: bool = True) -> "Settings":
    """Return the settings that the arguments name; ``print_doubts``: print on stderr which may not be as meant."""
    from aforo.settings import Given, load  # noqa: PLC0415 - pydantic takes longer to import than --help may take

    named = {"log.level": Given("DEBUG", "--verbose")} if arguments.verbose else {}
    settings = load(os.environ, config=arguments.config, flags=arguments.set, named=named)
    if print_doubts:
        Output(Mask(settings.secrets())).notes(*(f"aforo: {doubt}" for doubt in settings.doubts))
    if acc:
        settings.require_acc()
    return settings


def _run(arguments: Arguments) -> int:
    return _job(arguments, no_wait=arguments.no_wait, continuous=arguments.continuous)


def _backfill(arguments: Arguments) -> int:
    return _job(arguments, backfill=arguments.date)


def _job(arguments: Arguments, *, no_wait: bool = False, backfill: date | None = None, continuous: bool = False) -> int:
    survive_hangup()
    settings = _load_settings(arguments, acc=True, print_doubts=False)
    from aforo.app import main  # noqa: PLC0415
    from aforo.cli.run_logged import run_logged  # noqa: PLC0415

    def job(mask: Mask) -> int:
        return main(settings, no_wait=no_wait, backfill=backfill, continuous=continuous, mask=mask)

    return run_logged(settings, job)


def _demo(arguments: Arguments) -> int:
    from aforo.cli.demo import main  # noqa: PLC0415

    return main(seconds=arguments.seconds, port=arguments.port, seed=arguments.seed)


def _check(arguments: Arguments) -> int:
    from aforo.cli.check import main  # noqa: PLC0415

    return main(lambda: _load_settings(arguments, print_doubts=False), as_json=arguments.json, days=arguments.days)


def _cameras(arguments: Arguments) -> int:
    settings = _load_settings(arguments, acc=True)
    from aforo.cli.cameras import main  # noqa: PLC0415

    return main(settings, write=arguments.write, counting=arguments.counting, as_json=arguments.json)


def _report(arguments: Arguments) -> int:
    settings = _load_settings(arguments)
    from aforo.reporting import make_reports  # noqa: PLC0415

    folder = arguments.folder or settings.report.folder or Path("informes")
    Output().lines(map(str, make_reports(settings, arguments.date, folder)))
    return 0


def _count(arguments: Arguments) -> int:
    settings = _load_settings(arguments)
    from aforo.cli.count import CountOrder, main  # noqa: PLC0415
    from aforo.clock import SystemClock  # noqa: PLC0415

    order = CountOrder(
        zone=arguments.zone,
        people=arguments.people,
        scans=arguments.scans,
        error=arguments.error,
        at=arguments.at,
        day=arguments.date,
    )
    Output().lines(main(settings, order, SystemClock().now()))
    return 0


def _init(arguments: Arguments) -> int:
    from aforo.cli.init import SECRETS, InitOptions, main  # noqa: PLC0415

    variables = {name: f"AFORO_{name.replace('.', '__').upper()}" for name in SECRETS}
    options = InitOptions(
        url=arguments.url,
        username=arguments.username,
        fingerprint=arguments.fingerprint,
        database=arguments.database,
        event=tuple(arguments.event) if arguments.event else None,
        force=arguments.force,
        secrets={name: os.environ[variable] for name, variable in variables.items() if os.environ.get(variable)},
    )
    return main(options, interactive=not arguments.yes)


def _status(arguments: Arguments) -> int:
    settings = _load_settings(arguments)
    from aforo.cli.status import main  # noqa: PLC0415

    return main(settings, once=arguments.once)


def _service(arguments: Arguments) -> int:
    from aforo.os_service import ServiceOptions, main  # noqa: PLC0415

    options = ServiceOptions(
        action=arguments.action,
        name=arguments.name,
        user=arguments.user,
        credentials=arguments.credentials,
        config=arguments.config,
        only_print=arguments.print,
    )
    return main(options)


def _schema(arguments: Arguments) -> int:
    settings = _load_settings(arguments)
    from aforo.settings import zones_from  # noqa: PLC0415
    from aforo.storage import Store, schema_back, schema_sql  # noqa: PLC0415

    zones = zones_from(settings.zones)
    if arguments.apply and arguments.back is None:
        raise BadCommand("--apply es de --back: sin él no hay nada que hacer.", remedy="Escriba «--back 0001 --apply».")
    if arguments.back is None:
        print(schema_sql(zones, arguments.account, arguments.since))  # noqa: T201
    elif not arguments.apply:
        print(schema_back(arguments.back))  # noqa: T201
    else:
        schema_back(arguments.back)  # raises BadCommand for a version that there never was
        store = Store(settings.database.address(), zones, settings.monitor.timezone)
        try:
            found = store.revert(arguments.back)
        finally:
            store.close()
        what = f"eran de la versión {found} y ahora son de la {arguments.back}" if found else "no están"
        print(f"{store.name}: las tablas aforo_… {what}.")  # noqa: T201
    return 0


def _password(_arguments: Arguments) -> int:
    import getpass  # noqa: PLC0415

    from aforo.web.auth import MIN_PASSWORD_LENGTH, hash_password  # noqa: PLC0415

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
    print(hash_password(password))  # noqa: T201
    return 0


def _simulate(arguments: Arguments) -> int:
    from aforo.simulator import options_from, run  # noqa: PLC0415

    run(options_from(arguments))
    return 0


COMMANDS = (
    Command("run", "El trabajo: vigila el evento de hoy hasta que acaba.", _run, arguments.run),
    Command("demo", "Un partido entero en un minuto, contra el simulador; no necesita nada.", _demo, arguments.demo),
    Command("init", "Pregunta lo justo y escribe los archivos de ajustes.", _init, arguments.init),
    Command("check", "Comprueba ajustes, archivos, servidor, cámaras y base de datos.", _check, arguments.check),
    Command("cameras", "Las cámaras que el servidor conoce.", _cameras, arguments.cameras),
    Command("backfill", "El mismo trabajo sobre un evento pasado; se puede repetir.", _backfill, arguments.backfill),
    Command("status", "Cómo va un servicio en marcha, visto desde esta consola.", _status, arguments.status),
    Command("service", "El trabajo como servicio de esta máquina: systemd o Windows.", _service, arguments.service),
    Command("count", "Anota cuántas personas hay en una zona, contadas a mano o por boletas.", _count, arguments.count),
    Command("report", "Hace de nuevo el acta de un evento pasado.", _report, arguments.report),
    Command(
        "schema", "El T-SQL de las tablas y los permisos, para quien administra la base.", _schema, arguments.schema
    ),
    Command("password", "La huella de la contraseña de un operador de la página.", _password, arguments.password),
    Command("simulate", "El simulador solo, para probar un cliente.", _simulate, arguments.simulate),
)


def dispatch(argv: Sequence[str], commands: Sequence[Command] = COMMANDS) -> int:
    """Run the command that the arguments name and return its exit code.

    Raises BadCommand for arguments that do not fit, and what the command raises.
    """
    if not argv or argv[0] in {"-h", "--help"}:
        print(_overview(commands))  # noqa: T201
        return 0 if argv else BadCommand.exit_code
    if argv[0] == "--version":
        print(f"aforo {__version__}")  # noqa: T201
        return 0
    command = next((command for command in commands if command.name == argv[0]), None)
    if command is None:
        suggestion = did_you_mean(argv[0], [command.name for command in commands])
        raise BadCommand(f"No existe el comando «{argv[0]}».", remedy=f"{suggestion}La lista: aforo --help")
    try:
        arguments = _parser(command).parse(argv[1:])
    except SystemExit:  # argparse has printed the help
        return 0
    return command.run(arguments)


def _overview(commands: Sequence[Command]) -> str:
    width = max(len(command.name) for command in commands)
    listed = "\n".join(f"  {command.name:{width}}  {command.description}" for command in commands)
    return (
        "Uso: aforo COMANDO [opciones]\n\n"
        "El aforo en vivo de un estadio a partir de sus cámaras Avigilon.\n\n"
        f"Comandos:\n{listed}\n\n"
        "Opciones:\n  -h, --help  muestra esta ayuda y termina\n  --version   muestra la versión y termina\n\n"
        "La ayuda de cada comando: aforo COMANDO --help"
    )


def _parser(command: Command) -> Parser:
    parser = Parser(f"aforo {command.name}", command.description)
    command.add_arguments(parser)
    return parser
