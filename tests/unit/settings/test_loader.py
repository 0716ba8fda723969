"""Settings: where they come from, which one wins, and one sentence for each fault."""

import json
from argparse import ArgumentTypeError
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aforo.cli.argument_types import database_without_password
from aforo.errors import BadSetting
from aforo.settings import AccSettings, DatabaseSettings, Given, Settings, environment_for_child, load
from aforo.settings.reference import known_names, rows


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def error_sentence(toml: str = "", *flags: str, **environ: str) -> str:
    """Return the sentence of the BadSetting that these settings raise."""
    Path("aforo.toml").write_text(toml, encoding="utf-8")
    with pytest.raises(BadSetting) as caught:
        load(environ, flags=flags)
    assert not caught.value.meaning
    assert not caught.value.remedy
    assert "\n" not in caught.value.what
    return caught.value.what


# Defaults


def test_without_any_source_the_defaults_hold() -> None:
    loaded = load({})
    assert loaded == Settings()
    assert loaded.monitor.timezone == ZoneInfo("America/Bogota")
    assert (loaded.acc.timeout, loaded.acc.concurrency) == (30, 8)
    assert (loaded.monitor.interval, loaded.monitor.overlap, loaded.monitor.grace) == (60, 120, 60)
    assert loaded.database.address() == "sqlite:///aforo.db"
    assert str(loaded.log.file) == "Monitoreo nemesio camacho.log"
    assert (loaded.log.max_bytes, loaded.log.backups) == (10 * 1024 * 1024, 5)
    assert (loaded.web.host, loaded.web.port) == ("127.0.0.1", 8080)


def test_the_stadium_is_the_default() -> None:
    zones = {zone.table: (zone.name, zone.entries, zone.exits) for zone in Settings().zones}
    assert zones == {
        "Aforo_parqueadero": (
            "Parqueadero Norte",
            ["contains:AFORO ENTRADA PARQUEADERO NORTE"],
            ["contains:AFORO SALIDA PARQUEADERO NORTE"],
        ),
        "Aforo_parqueadero_campinsito": (
            "Campinsito",
            ["contains:ENTRADA VEHICULAR CAMPINSITO"],
            ["contains:SALIDA VEHICULAR CAMPINSITO"],
        ),
        "Aforo_parqueadero_SUR": (
            "Zona Sur",
            ["contains:INGRESO PARQUEADERO SUR"],
            ["contains:SALIDA PARQUEADERO SUR"],
        ),
        "": (
            "Personas en el estadio",
            [{"activity": "OBJECT_COUNTING_ENTER", "stored": True}],
            [{"activity": "OBJECT_COUNTING_EXIT", "stored": True}],
        ),
    }
    (total,) = Settings().totals
    assert (total.name, total.zones) == ("Vehículos", ["Parqueadero Norte", "Campinsito", "Zona Sur"])
    assert Settings().events.stored == [
        "contains:PUERTA",
        "contains:AFORO ENTRADA SENCIA",
        "equals:INGRESO PERSONAS ENTRADA MARATON",
    ]


# Which source wins


def test_each_source_overrides_the_one_before_and_has_its_origin(folder: Path) -> None:
    toml = "[acc]\ntimeout = 1\nconcurrency = 2\nserver_id = 'a'\nclient_name = 'b'\n[log]\nlevel = 'error'\n"
    (folder / "aforo.toml").write_text(toml)
    (folder / ".env").write_text(
        "# a comment\nAFORO_ACC__CONCURRENCY=3\nAFORO_ACC__SERVER_ID=c\nAFORO_ACC__CLIENT_NAME=d\n"
    )
    environ = {"AFORO_ACC__SERVER_ID": "e", "AFORO_ACC__CLIENT_NAME": "f", "PATH": "x"}
    loaded = load(environ, flags=["acc.client_name=g"], named={"log.level": Given("DEBUG", "--verbose")})
    acc = loaded.acc
    assert (acc.timeout, acc.concurrency, acc.server_id, acc.client_name) == (1, 3, "e", "g")
    assert loaded.log.level == "DEBUG"
    origins = {name: loaded.origin(name) for name in rows()}
    assert origins["acc.timeout"] == "aforo.toml:2"
    assert origins["acc.concurrency"] == ".env:2"
    assert origins["acc.server_id"] == "variable de entorno AFORO_ACC__SERVER_ID"
    assert origins["acc.client_name"] == "--set"
    assert origins["log.level"] == "--verbose"
    assert origins["acc.url"] == "valor de fábrica"


def test_another_file_can_be_named(folder: Path) -> None:
    (folder / "aforo.toml").write_text("[acc]\ntimeout = 1\n")
    other = folder / "otro.toml"
    other.write_text("﻿[web]\nport = 0\n", encoding="utf-8")
    loaded = load({}, config=other)
    assert (loaded.acc.timeout, loaded.web.port) == (30, 0)
    with pytest.raises(BadSetting, match=r"nada\.toml no se puede leer \(no existe\)"):
        load({}, config=Path("nada.toml"))


def test_lists_in_the_environment() -> None:
    zones = '[{"name": "A", "table": "dbo.a", "entries": ["equals:X"], "capacity": 5}]'
    loaded = load({"AFORO_ZONES": zones, "AFORO_EVENTS__STORED": "contains:A, equals:B"})
    assert [(zone.name, zone.table, zone.capacity) for zone in loaded.zones] == [("A", "dbo.a", 5)]
    assert loaded.events.stored == ["contains:A", "equals:B"]


# Secrets


_FITTING = {
    "database.url": "sqlite:///$x {y}.db",
    "alerts.webhook_url": "https://avisos.ejemplo/gancho?llave=$a{b}",
    "monitor.heartbeat_url": "https://avisos.ejemplo/latido?llave=$a{b}",
}


@pytest.mark.parametrize("name", [row.name for row in rows().values() if row.from_file])
def test_each_secret_also_from_a_file(folder: Path, name: str) -> None:
    value = _FITTING.get(name, "p$a{s}s wörd, and long ")
    (folder / "secreto").write_text(value + "\r\n", encoding="utf-8")
    section, key = name.split(".")

    def given_by(**sources: dict[str, str]) -> tuple[str, str]:
        loaded = load(sources.get("environ", {}))
        found = getattr(getattr(loaded, section), key)
        return str(found if isinstance(found, str) else found.get_secret_value()), loaded.origin(name)

    env = f"AFORO_{section}__{key}".upper()
    assert given_by(environ={f"{env}_FILE": "secreto"}) == (
        value,
        f"archivo secreto ({name}_file, variable de entorno {env}_FILE)",
    )
    (folder / "aforo.toml").write_text(f"[{section}]\n{key}_file = 'secreto'\n")
    assert given_by() == (value, f"archivo secreto ({name}_file, aforo.toml:2)")
    (folder / name).write_text(_FITTING.get(name, "de systemd, también largo"), encoding="utf-8")
    credentials = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert given_by(environ=credentials)[1] == f"credencial {folder / name}"


def test_a_secret_stays_as_it_is_in_dotenv(folder: Path) -> None:
    (folder / ".env").write_text("AFORO_ACC__PASSWORD='a${HOME}$b'\nUNRELATED=1\nexport AFORO_ACC__USERNAME=u\n")
    loaded = load({"HOME": "/nowhere"})
    assert loaded.acc.password.get_secret_value() == "a${HOME}$b"
    assert loaded.acc.username == "u"


def test_secrets_are_never_in_a_repr() -> None:
    loaded = Settings(
        acc=AccSettings(password="hush1", user_nonce="hush2", user_key="hush3", integration_id="hush4"),  # type: ignore[arg-type]
        database=DatabaseSettings(odbc="DRIVER={x};UID=u;PWD={hush;5}"),  # type: ignore[arg-type]
    )
    assert "hush" not in repr(loaded) + str(loaded)
    assert loaded.secrets() == ["hush1", "hush2", "hush3", "hush4", "{hush;5}", "hush;5"]
    url = DatabaseSettings(url="mssql+mssqlpython://u:hush6@host/db")  # type: ignore[arg-type]
    assert Settings(database=url).secrets() == ["hush6"]


@pytest.mark.parametrize("name", ["acc.password", "acc.user_key", "database.odbc"])
def test_a_secret_is_rejected_as_a_flag(name: str) -> None:
    sentence = error_sentence("", f"{name}=hush")
    assert "hush" not in sentence
    assert name in sentence
    assert f"{name}_file" in sentence


PASSWORD_IN_A_FLAG = "El ajuste database.url es un secreto y no se admite en la línea de comandos"


@pytest.mark.parametrize(
    "url",
    [
        "mssql://u:hush@h/d", "mssql://u:hu/sh@h/d", "mssql://u:hu?sh@h/d", "mssql://u:hu@sh@h/d", "mssql://DOM/u:hush@h/d",
        "mssql://u:hush", "mssql://u:hush#1@h/d", "mssql+pyodbc://h/d?uid=u&pwd=hush", "mssql://h/d?PWD=hush",
        "mssql://h/d?password=hush", "mssql://h/d?uid=u&Password=hush", "mssql://h/d?p%77d=hush",
        "mssql:///?odbc_connect=DRIVER%3D%7Bx%7D%3BSERVER%3Dh%3BPWD%3Dhush", "mssql:///?odbc_connect=SERVER=h;pwd=hush",
        "mssql:///?odbc_connect=SERVER%253Dh%253BPWD%253Dhush", "mssql:///?odbc_connect=SERVER=h;PWD+=hush",
        "mssql://h/d?access_token=hush", "DRIVER={x};SERVER=h;UID=u;PWD=hush", "mssql://h/d?clientsecret=hush",
    ],
)  # fmt: skip
def test_a_url_with_a_password_in_any_spelling_is_rejected_as_a_flag(url: str) -> None:
    sentence = error_sentence("", f"database.url={url}")
    assert sentence.startswith(PASSWORD_IN_A_FLAG)
    assert "hush" not in sentence
    with pytest.raises(ArgumentTypeError, match="lleva una contraseña"):
        database_without_password(url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///x.db", "sqlite:////srv/a:b@c/x.db", "mssql+pyodbc://host:1433/AVIGILON?Trusted_Connection=yes",
        "mssql+mssqlpython://host/AVIGILON?TrustServerCertificate=yes", "mssql://user@host:1433/AVIGILON",
        "mssql+pyodbc://host/AVIGILON?driver=ODBC+Driver+17+for+SQL+Server", "mssql://[::1]:1433/AVIGILON",
        r"mssql+pyodbc:///?odbc_connect=SERVER%3Dhost%5Cinstancia%3BTrusted_Connection%3Dyes",
        "mssql://host/AVIGILON?uid=user@tenant.example&authentication=ActiveDirectoryIntegrated",
    ],
)  # fmt: skip
def test_a_url_without_a_password_is_no_secret(url: str) -> None:
    assert load({}, flags=[f"database.url={url}"]).database.address() == url
    assert database_without_password(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "mssql://u:p@hush@host/db", "mssql+pyodbc://u:hush@hush@host:1433/db", "mssql://u:p@/hush@host/db",
        "mssql://u:p@a?hush@host/db", "mssql://DOMINIO/u:hush@host/db", "mssql://u:p@a:hush@host/db",
        "mssql://u@tenant:p@hush@host/db",
    ],
)  # fmt: skip
def test_an_unescaped_at_in_the_database_s_url_is_rejected_and_shows_nothing(url: str) -> None:
    sentence = error_sentence(f"[database]\nurl = '{url}'\n")
    assert sentence == (
        "Hay una «@» sin escapar en database.url: en el usuario o la contraseña se escribe %40; o use database.odbc,"
        " que la lleva tal cual (aforo.toml:2)."
    )


@pytest.mark.parametrize("url", ["mssql://u:hush", "mssql://u@host:hush/db", "hush", "mssql:hush@host"])
def test_a_database_url_that_is_none_shows_nothing(url: str) -> None:
    assert error_sentence(f"[database]\nurl = '{url}'\n").startswith(
        "El valor del ajuste database.url (aforo.toml:2; no se muestra) no sirve"
    )


@pytest.mark.parametrize(
    ("database", "secrets"),
    [
        ({"url": "mssql://u:p%40ss%2Fword@host/db"}, {"p%40ss%2Fword", "p@ss/word"}),
        ({"url": "mssql://u:pa/ss?w@host/db"}, {"pa/ss?w"}),
        ({"url": "mssql://u@tenant:passw@host/db"}, {"passw"}),
        ({"url": "mssql://host/db?uid=u&PWD=p%2Bss&x=y"}, {"p+ss", "p%2Bss"}),
        ({"url": "mssql:///?odbc_connect=SERVER%3Dh%3BPWD%3D%7Bp%7D%7D%3Bss%7D%3BUID%3Du"}, {"{p}};ss}", "p};ss"}),
        ({"odbc": "SERVER=h;PWD={p}};ss};UID=u"}, {"p};ss"}), ({"odbc": "SERVER=h; Password = p ss ;UID=u"}, {"p ss"}),
        ({"odbc": "SERVER=h;PWD={p;ss"}, {"p;ss"}), ({"odbc": "SERVER=h;AccessToken=t0ken"}, {"t0ken"}),
    ],
)  # fmt: skip
def test_the_log_masks_the_database_s_password_in_any_spelling(database: dict[str, str], secrets: set[str]) -> None:
    assert secrets <= set(Settings(database=DatabaseSettings(**database)).secrets())  # type: ignore[arg-type]


# Characters that are not those that were meant


@pytest.mark.parametrize(
    ("file", "text", "what"),
    [
        ("aforo.toml", '[log]\nfile = "C:\\temp"\n', "log.file (aforo.toml:2) tiene un carácter de control («\\t»"),
        ("aforo.toml", '[acc]\nusername = "DOM\\new"\n', "acc.username (aforo.toml:2) tiene un carácter de"),
        ("aforo.toml", '[acc]\npassword = "hu\\u0007sh"\n', "(aforo.toml:2) tiene un carácter de control (U+0007)"),
        ("aforo.toml", '[acc]\npassword = "hu\\u0000sh"\n', "tiene un carácter de control (U+0000)"),
        ("aforo.toml", '[events]\nstored = ["contains:A", "contains:B\\tC"]\n', "events.stored (aforo.toml:2) tiene"),
        ("aforo.toml", "[[zones]]\nname = \"A\\tB\"\ntable = 'a'\n", "zones (aforo.toml:1) tiene un carácter"),
        (".env", 'AFORO_LOG__FILE="C:\\temp"\n', "log.file (.env:1) tiene un carácter de control («\\t», un"),
        (".env", '\nAFORO_ACC__PASSWORD="hush\\nhush"\n', "acc.password (.env:2) tiene un carácter de control («\\n»"),
        (".env", "AFORO_ACC__PASSWORD='hush\nhush'\n", "acc.password (.env:1) tiene un carácter de control («\\n»"),
    ],
)  # fmt: skip
def test_a_control_character_is_refused_with_the_hint_of_single_quotes(
    folder: Path, file: str, text: str, what: str
) -> None:
    (folder / file).write_text(text)
    with pytest.raises(BadSetting) as caught:
        load({})
    assert what in str(caught.value)
    assert "comillas simples" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("value", ["a\tb", "a\nb", "a\x7fb", "a\x85b", "a\udce9b"])
def test_a_control_character_is_refused_from_any_source(folder: Path, value: str) -> None:
    assert "carácter de control" in error_sentence(AFORO_ACC__PASSWORD=value)
    assert "carácter de control" in error_sentence("", f"acc.username={value}")
    (folder / "clave").write_text(value, errors="replace", newline="")
    if "\udce9" not in value:
        sentence = error_sentence("[acc]\npassword_file = 'clave'\n")
        assert "acc.password_file (archivo clave, aforo.toml:2) tiene un carácter de control" in sentence


def test_the_same_path_in_single_quotes_is_taken(folder: Path) -> None:
    (folder / "aforo.toml").write_text("[log]\nfile = 'C:\\temp\\new.log'\n")
    (folder / ".env").write_text("AFORO_DATABASE__ODBC='SERVER=srv\\nueva;PWD=a\\tb'\n")
    loaded = load({})
    assert str(loaded.log.file) == r"C:\temp\new.log"
    assert loaded.database.odbc.get_secret_value() == r"SERVER=srv\nueva;PWD=a\tb"


@pytest.mark.parametrize(
    ("line", "value", "cut"),
    [
        ("AFORO_ACC__PASSWORD=abc #def", "abc", True), ("AFORO_ACC__PASSWORD=abc\t#def", "abc", True),
        ("AFORO_ACC__PASSWORD= #def", "", True), ("AFORO_ACC__PASSWORD=abc#def", "abc#def", False),
        ("AFORO_ACC__PASSWORD=#def", "#def", False), ("AFORO_ACC__PASSWORD='abc #def'", "abc #def", False),
        ('AFORO_ACC__PASSWORD="abc #def" # hecho', "abc #def", False),
        ("AFORO_ACC__PASSWORD_FILE=clave #def", "hush", True),
    ],
)  # fmt: skip
def test_a_value_that_is_cut_at_a_comment_is_reported(folder: Path, line: str, value: str, *, cut: bool) -> None:
    (folder / "clave").write_text("hush")
    (folder / ".env").write_text(f"# primera\n{line}\n")
    loaded = load({})
    assert loaded.acc.password.get_secret_value() == value
    key = line.partition("=")[0]
    sentence = f".env:2: el valor de {key} acaba donde empieza « #», y lo demás se toma por un comentario."
    assert [doubt.startswith(sentence) for doubt in loaded.doubts] == [True] * cut
    assert "abc" not in str(loaded.doubts)
    assert load({"AFORO_ACC__PASSWORD": "otra"}).doubts == ()


@pytest.mark.parametrize(
    "line",
    ["AFORO_ACC__PASSWORD:hush", "AFORO_ACC__PASSWORD hush", "AFORO_ACC__USER_KEY:hush=", "AFORO_ACC__PASSWORD: hush"],
)
def test_a_secret_without_an_equals_sign_is_not_shown_as_a_name(folder: Path, line: str) -> None:
    (folder / ".env").write_text(line)
    assert error_sentence() == ".env:1: no se entiende esa línea; se admite NOMBRE=valor."


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        ("[acc]\npassword_file = 'nada'\n", "acc.password_file, aforo.toml:2: nada no se puede leer (no existe)"),
        ("[acc]\npassword_file = 'vacio'\n", "vacio del ajuste acc.password_file, aforo.toml:2 está vacío"),
        ("[acc]\npassword_file = 3\n", "acc.password_file (aforo.toml:2) no sirve"),
        ("[acc]\npassword_file = 'vacio'\npassword = 'hush'\n", "acc.password y acc.password_file están los dos"),
        ("[acc]\npassword = 123454321\n", "acc.password (aforo.toml:2; no se muestra)"),
        ("[database]\nurl = 'hush'\n", "database.url (aforo.toml:2; no se muestra)"),
        ("[acc]\nurl = 'https://u:hush@host'\n", "«https://***@host»"),
        ("[acc]\nurl = 'https://u:hu/hush@host'\n", "«https://***@host»"),
        ("[acc]\nurl = 'u:hush@host:8443'\n", "«***@host:8443»"),
        ("[acc]\nurl = 'https://host/?password=hush'\n", "«https://host/?password=***»"),
    ],
)
def test_faults_of_secrets_do_not_contain_them(folder: Path, toml: str, fault: str) -> None:
    (folder / "vacio").write_text("\n")
    sentence = error_sentence(toml)
    assert fault in sentence
    assert "hush" not in sentence
    assert "123454321" not in sentence


def test_a_child_process_gets_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AFORO_ACC__PASSWORD", "aforo_database__odbc", "Aforo_Web__Read_Token_FILE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("PATH_OF_AFORO", "/opt")
    environment = environment_for_child(LC_ALL="C")
    assert "hush" not in environment.values()
    assert environment["PATH_OF_AFORO"] == "/opt"
    assert environment["LC_ALL"] == "C"


# The database


def test_odbc_wins_over_the_default_url() -> None:
    address = DatabaseSettings(odbc="DRIVER={ODBC Driver 17 for SQL Server};PWD=a+b").address()  # type: ignore[arg-type]
    assert address == "mssql+pyodbc:///?odbc_connect=DRIVER%3D%7BODBC+Driver+17+for+SQL+Server%7D%3BPWD%3Da%2Bb"


def test_url_and_odbc_are_one_too_many() -> None:
    sentence = error_sentence("[database]\nodbc = 'x'\n", AFORO_DATABASE__URL="sqlite://")
    assert sentence == (
        "Se admite database.url o database.odbc, no los dos (aforo.toml:2, variable de entorno AFORO_DATABASE__URL)."
    )


# Values that are not allowed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acc.timeout", "0"), ("acc.timeout", "inf"), ("acc.timeout", "x"), ("acc.timeout", ""),
        ("acc.concurrency", "0"), ("acc.concurrency", "65"), ("acc.concurrency", "1.5"),
        ("acc.verify", "quizás"), ("acc.token_hash", "md5"), ("acc.client_name", ""),
        ("acc.url", "http://h"), ("acc.url", "h:8443"), ("acc.url", "https://h/mt/api"), ("acc.url", "https://h:x"),
        ("acc.url", "https://"), ("acc.fingerprint", "AB:CD"), ("acc.fingerprint", "g" * 64),
        ("monitor.interval", "0.04"), ("monitor.interval", "nan"), ("monitor.overlap", "-1"), ("monitor.grace", "-1"),
        ("monitor.close_patience", "-1"), ("monitor.start_patience", "-1"),
        ("monitor.timezone", "Bogota"), ("monitor.timezone", "../etc/passwd"), ("monitor.timezone", ""),
        ("web.port", "65536"), ("web.port", "-1"), ("web.host", ""),
        ("log.level", "LOUD"), ("log.format", "xml"), ("log.max_bytes", "10"), ("log.backups", "0"),
        ("events.stored", "PUERTA"), ("events.stored", "contains:"), ("events.stored", "[3]"), ("events.stored", "[{"),
        ("zones", "3"), ("zones", "[3]"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_an_error_with_the_allowed_values(name: str, value: str) -> None:
    sentence = error_sentence("", f"{name}={value}")
    assert name in sentence or "zones" in sentence
    assert "--set" in sentence
    assert rows()[name].allowed in sentence
    assert name.startswith(("zones", "events")) or f"«{value}»" in sentence


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("acc.timeout", "0.5", 0.5), ("acc.concurrency", "64", 64), ("acc.verify", "no", False),
        ("acc.verify", "Sí", True),
        ("acc.url", " https://h:8443/ ", "https://h:8443"), ("acc.fingerprint", "AB:" * 31 + "cd", "ab" * 31 + "cd"),
        ("acc.ca_file", "", None), ("acc.ca_file", "ca.pem", Path("ca.pem")),
        ("monitor.interval", "0.05", 0.05), ("monitor.overlap", "0", 0), ("web.port", "0", 0),
        ("log.level", "debug", "DEBUG"), ("log.file", "", None),
        ("monitor.timezone", "Europe/Madrid", ZoneInfo("Europe/Madrid")),
    ],
)  # fmt: skip
def test_the_edges_are_allowed(name: str, value: str, kept: object) -> None:
    section, key = name.split(".")
    assert getattr(getattr(load({}, flags=[f"{name}={value}"]), section), key) == kept


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("[acc]\n\ntimeout = -1\n", "El ajuste acc.timeout no admite «-1» (aforo.toml:3): se admite"),
        ("[acc]\ntimeout = true\n", "El ajuste acc.timeout no admite «True» (aforo.toml:2)"),
        ("acc.timeout = 'x'\n", "El ajuste acc.timeout no admite «x» (aforo.toml:1)"),
        ("[acc]\ntimeot = 3\n", "Ajuste desconocido: acc.timeot (aforo.toml:2). ¿Quiso decir acc.timeout?"),
        ("[zzz]\nqqq = 3\n", "Ajuste desconocido: zzz.qqq (aforo.toml:2)."),
        ("acc = 3\n", "Ajuste desconocido: acc (aforo.toml:1)."),
        ("[acc\n", "aforo.toml, línea 1, columna 5: no es TOML válido"),
        ("[log]\nfile = 'a\n", "aforo.toml, línea 2, columna 10: no es TOML válido (falta cerrar las comillas"),
        (
            '[log]\nfile = "C:\\logs"\n',
            "aforo.toml, línea 2, columna 13: no es TOML válido («\\» entre comillas dobles",
        ),
        ("[acc]\nurl = algo\n", "aforo.toml, línea 2, columna 7: no es TOML válido (falta el valor, o un texto va sin"),
        (
            "[acc]\nurl = “algo”\n",
            "aforo.toml, línea 2, columna 7: no es TOML válido (comillas «“», que no son las rectas",
        ),
        (
            '[acc]\nurl = "algo”\n',
            "aforo.toml, línea 2, columna 13: no es TOML válido (comillas «”», que no son las rectas",
        ),
        (
            "[acc]\nurl =\u00a0'x'\n",
            "aforo.toml, línea 2, columna 6: no es TOML válido (un carácter que no se ve (U+00A0)",
        ),
        ("x = " + "9" * 5000 + "\n", "aforo.toml no es lo que se espera"),
        ("x = " + "[" * 5000 + "\n", "aforo.toml"),
    ],
)
def test_faults_of_the_file_name_their_line(toml: str, sentence: str) -> None:
    assert error_sentence(toml).startswith(sentence)


def test_a_file_that_is_no_text(folder: Path) -> None:
    (folder / "aforo.toml").write_bytes("[acc]\nclient_name = 'ñ'\n".encode("latin-1"))
    with pytest.raises(BadSetting, match=r"aforo\.toml no está en UTF-8 \(línea 2\)"):
        load({})


def test_faults_of_variables() -> None:
    sentence = error_sentence("", AFORO_ACC_TIMEOUT="3")
    assert sentence == ("Ajuste desconocido: AFORO_ACC_TIMEOUT (variable de entorno). ¿Quiso decir AFORO_ACC__TIMEOUT?")
    Path(".env").write_text("\nAFORO_ACC__PASWORD=hush\n")
    assert error_sentence() == "Ajuste desconocido: AFORO_ACC__PASWORD (.env:2). ¿Quiso decir AFORO_ACC__PASSWORD?"
    Path(".env").write_text("what is this\n")
    assert error_sentence() == ".env:1: no se entiende esa línea; se admite NOMBRE=valor."


@pytest.mark.parametrize("flag", ["acc.timeout", "acc.tiempo=3", ""])
def test_faults_of_flags(flag: str) -> None:
    assert "--set" in error_sentence("", flag)


ZONE = "[[zones]]\nname = 'A'\ntable = 'a'\n"


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("[[zones]]\nname = 'A'\n", "Falta el ajuste zones.table de la zona 1 (aforo.toml:1): se admite"),
        (ZONE + "[[zones]]\nname = ' a '\ntable = 'b'\n", "Zones: « a » está dos veces como name;"),
        (ZONE + "[[zones]]\nname = 'B'\ntable = 'A'\n", "Zones: «A» está dos veces como table;"),
        (ZONE.replace("'a'", "'EVENTOS_analisis'"), "Zones: «EVENTOS_analisis» está dos veces como table;"),
        (ZONE.replace("'a'", "'a; drop'"), "El ajuste zones.table de la zona 1 no admite «a; drop» (aforo.toml:3)"),
        (ZONE.replace("'a'", "'a.b.c'"), "El ajuste zones.table de la zona 1 no admite «a.b.c»"),
        (ZONE.replace("'A'", "''"), "El ajuste zones.name de la zona 1 no admite «»"),
        (ZONE + "capacity = -1\n", "El ajuste zones.capacity de la zona 1 no admite «-1» (aforo.toml:4)"),
        (ZONE + "initial = -1\n", "El ajuste zones.initial de la zona 1 no admite «-1» (aforo.toml:4)"),
        (ZONE + "exits = ['x']\n", "El ajuste zones.exits de la zona 1 no admite «x» (aforo.toml:4)"),
        (ZONE + "exit = ['x']\n", "Ajuste desconocido: zones.exit de la zona 1 (aforo.toml:4). ¿Quiso decir exits?"),
        (ZONE + "exits = [5]\n", "El ajuste zones.exits de la zona 1 no admite «5» (aforo.toml:4)"),
        (
            ZONE + "exits = [{}]\n",
            "El ajuste zones.exits de la zona 1 no admite «{}» (aforo.toml:4): se admite",
        ),
        (
            ZONE + "exits = ['equals:X', {activity = 5}]\n",
            "El ajuste zones.exits.activity de la zona 1 no admite «5»",
        ),
        (ZONE + "exits = [{activity = ' '}]\n", "El ajuste zones.exits.activity de la zona 1 no admite « »"),
        (ZONE + "exits = [{area = ['x']}]\n", "El ajuste zones.exits.area de la zona 1 no admite «['x']»"),
        (ZONE + "exits = [{name = 'contain:X'}]\n", "El ajuste zones.exits.name de la zona 1 no admite «contain:X»"),
        (ZONE + "exits = [{camera = 'equals:'}]\n", "El ajuste zones.exits.camera de la zona 1 no admite «equals:»"),
        (ZONE + "exits = [{stored = false}]\n", "El ajuste zones.exits.stored de la zona 1 no admite «False»"),
        (ZONE + "exits = [{nombre = 'X'}]\n", "El ajuste zones.exits de la zona 1 no admite «nombre» (aforo.toml:4)"),
        ("[events]\nstored = [{stored = true}]\n", "El ajuste events.stored no admite «stored» (aforo.toml:2)"),
        ("[events]\nstored = [{area = 1}]\n", "El ajuste events.stored.area no admite «1» (aforo.toml:2)"),
        (ZONE + "within = 'B'\n", "Zones: «A» está en «B» (within), que no es ninguna zona (aforo.toml:1)."),
        (ZONE + "within = 'A'\n", "Zones: «A» está dentro de sí misma: revise los within (aforo.toml:1)."),
        (
            ZONE + "within = 'B'\n[[zones]]\nname = 'B'\ntable = ''\nwithin = 'A'\n",
            "Zones: «A» está dentro de sí misma: revise los within (aforo.toml:1).",
        ),
    ],
)
def test_faults_of_zones_name_zone_and_line(toml: str, sentence: str) -> None:
    assert error_sentence(toml).startswith(sentence)


TOTAL = "[[totals]]\nname = 'T'\nzones = ['Zona Sur']\n"


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("[[totals]]\nname = 'T'\n", "Falta el ajuste totals.zones de la suma 1 (aforo.toml:1): se admite"),
        (TOTAL + "zone = 'x'\n", "Ajuste desconocido: totals.zone de la suma 1 (aforo.toml:4). ¿Quiso decir zones?"),
        (TOTAL.replace("'T'", "''"), "El ajuste totals.name de la suma 1 no admite «» (aforo.toml:2)"),
        (TOTAL.replace("['Zona Sur']", "[]"), "El ajuste totals.zones de la suma 1 no admite «[]» (aforo.toml:3)"),
        (TOTAL + "capacity = -1\n", "El ajuste totals.capacity de la suma 1 no admite «-1» (aforo.toml:4)"),
        (TOTAL + "warning = 101\n", "Totals: warning no puede ser mayor que full (aforo.toml:1)."),
        (TOTAL.replace("Zona Sur", "Sur"), "Totals: «T» suma «Sur», que no es ninguna zona (aforo.toml:1)."),
        (TOTAL.replace("'Zona Sur'", "'Zona Sur', 'Zona Sur'"), "Totals: «T» suma dos veces «Zona Sur»"),
        (TOTAL + TOTAL, "Totals: «T» está dos veces como name; se admite uno distinto de toda zona y suma"),
        (TOTAL.replace("'T'", "'zona sur'"), "Totals: «zona sur» está dos veces como name;"),
        (
            ZONE + "[[zones]]\nname = 'B'\ntable = ''\nwithin = 'A'\n[[totals]]\nname = 'T'\nzones = ['B', 'A']\n",
            "Totals: «T» suma «B» y «A», que la contiene: contaría dos veces",
        ),
        ("totals = 'T'\n", "El ajuste totals no admite «T» (aforo.toml"),
    ],
)
def test_faults_of_totals_name_total_and_line(toml: str, sentence: str) -> None:
    assert error_sentence(toml).startswith(sentence)


def test_rules_as_tables_come_from_the_environment_too() -> None:
    zones = '[{"name": "A", "table": "", "entries": [{"name": "contains:X", "area": "Norte"}, "equals:Y"]}]'
    totals = '[{"name": "T", "zones": ["A"], "capacity": 9}]'
    loaded = load({"AFORO_ZONES": zones, "AFORO_TOTALS": totals, "AFORO_EVENTS__STORED": '[{"activity": "ENTER"}]'})
    assert loaded.zones[0].entries == [{"name": "contains:X", "area": "Norte"}, "equals:Y"]
    assert [(total.name, total.zones, total.capacity) for total in loaded.totals] == [("T", ["A"], 9)]
    assert loaded.events.stored == [{"activity": "ENTER"}]


def test_the_factory_total_is_there_while_its_zones_are() -> None:
    zones = [{"name": zone.name, "table": zone.table} for zone in Settings().zones]
    assert len(load({"AFORO_ZONES": json.dumps(zones)}).totals) == 1
    assert load({"AFORO_ZONES": json.dumps(zones[1:])}).totals == []
    assert load({"AFORO_ZONES": json.dumps([*zones, {"name": "Vehículos", "table": ""}])}).totals == []
    zones[0]["within"] = zones[1]["name"]
    assert load({"AFORO_ZONES": json.dumps(zones)}).totals == []
    assert load({"AFORO_TOTALS": "[]"}).totals == []


# What the job needs


@pytest.mark.parametrize("missing", ["url", "username", "password", "user_nonce", "user_key"])
def test_the_settings_that_the_login_needs(missing: str) -> None:
    given = {"url": "https://h", "username": "u", "password": "p", "user_nonce": "n", "user_key": "k"}
    complete = Settings(acc=AccSettings(**given))  # type: ignore[arg-type]
    complete.require_acc()
    with pytest.raises(BadSetting) as caught:
        Settings(acc=AccSettings(**given | {missing: ""})).require_acc()  # type: ignore[arg-type]
    for place in (f"acc.{missing}", "aforo.toml", ".env", f"AFORO_ACC__{missing.upper()}"):
        assert place in caught.value.what


# Whatever is written, it is either loaded or rejected in a sentence


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.text(), st.sampled_from(sorted(known_names())), st.text())
def test_nothing_written_escapes_as_another_error(document: str, name: str, value: str) -> None:
    Path("aforo.toml").write_text(document, encoding="utf-8", errors="replace")
    Path(".env").write_text(value, encoding="utf-8", errors="replace")
    for flags in ([], [f"{name}={value}"]):
        try:
            load({}, flags=flags)
        except BadSetting as exc:
            assert exc.what.endswith((".", "?"))  # noqa: PT017 - both outcomes are right
