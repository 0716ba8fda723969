"""ODBC strings as people write them, and the driver that is chosen for them."""

import sys
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from aforo.errors import BadSetting, StoreNotReady
from aforo.storage.backends.drivers import UNDERSTOOD, DriverChoice, choose_driver, parse, render

PLAIN = "DRIVER={ODBC Driver 17 for SQL Server};SERVER=bd01;DATABASE=AVIGILON;UID=aforo;PWD={se;cr}}eto=}"
_17, _18 = "ODBC Driver 17 for SQL Server", "ODBC Driver 18 for SQL Server"


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        ("SERVER=a;DATABASE=b", {"server": "a", "database": "b"}),
        (" Server = a ; ; DATABASE={b c} ;", {"server": "a", "database": "b c"}),
        ("PWD={a;b}}c=}", {"pwd": "a;b}c="}),
        ("PWD={never closed;UID=u", {"pwd": "{never closed", "uid": "u"}),
        ("PWD=a{b}c;UID={}", {"pwd": "a{b}c", "uid": ""}),
        (
            "User ID=u;Password=p;Data Source=s;Initial Catalog=d",
            {"uid": "u", "pwd": "p", "server": "s", "database": "d"},
        ),
        ("uid=first;UID=second", {"uid": "first"}),
        ("Trust Server Certificate = yes", {"trustservercertificate": "yes"}),
        ("", {}),
    ],
)
def test_reads_what_people_write(text: str, keywords: dict[str, str]) -> None:
    assert parse(text) == keywords


@pytest.mark.parametrize("text", ["bd01", "SERVER", "SERVER=a;AVIGILON", "=a", "SERVER=a;secreto;X=1"])
def test_a_bad_string_is_reported_without_its_values(text: str) -> None:
    with pytest.raises(BadSetting) as raised:
        parse(text)
    assert "secreto" not in str(raised.value)


@given(st.dictionaries(st.sampled_from(["server", "database", "uid", "pwd", "app"]), st.text()))
def test_what_is_written_is_read_back(keywords: dict[str, str]) -> None:
    assert parse(render(keywords)) == keywords


def _chosen(string: str, *installed: str) -> DriverChoice:
    return choose_driver(make_url(f"mssql+pyodbc:///?odbc_connect={quote_plus(string)}"), lambda: list(installed))


def test_the_documents_string_goes_to_its_driver_as_it_stands() -> None:
    found = _chosen(PLAIN, "FreeTDS", _17, _18)
    assert (found.dialect, found.batches) == ("mssql+pyodbc", True)
    assert parse(found.string) == parse(PLAIN)
    assert found.why == f"pyodbc con «{_17}»: está instalado"
    assert found.name == "SQL Server bd01/AVIGILON"


def test_a_newer_driver_takes_its_place_and_encrypts_no_more_than_the_older_one_did() -> None:
    found = _chosen(PLAIN, "FreeTDS", _18)
    assert parse(found.string) == {**parse(PLAIN), "driver": _18, "encrypt": "no"}
    assert parse(_chosen(PLAIN + ";Encrypt=yes", _18).string)["encrypt"] == "yes"
    assert "encrypt" not in parse(_chosen(PLAIN.replace("17", "18"), _18).string)


def test_with_no_driver_of_microsofts_mssql_python_takes_the_string() -> None:
    found = _chosen(PLAIN + ";TrustServerCertificate=yes;MARS_Connection=no", "FreeTDS")
    assert (found.dialect, found.batches) == ("mssql+mssqlpython", False)
    assert parse(found.string) == {
        "server": "bd01", "database": "AVIGILON", "uid": "aforo", "pwd": "se;cr}eto=", "encrypt": "no",
        "trustservercertificate": "yes",
    }  # fmt: skip
    assert found.why == f"mssql-python: «{_17}» no está instalado; mssql-python trae el suyo"


@pytest.mark.parametrize("driver", ["FreeTDS", "{freetds}", "/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so"])
def test_freetds_is_named_as_what_is_not_supported(driver: str) -> None:
    with pytest.raises(BadSetting) as raised:
        _chosen(f"DRIVER={driver};SERVER=bd01,1444;DATABASE=d;UID=u;PWD=secreto", "FreeTDS", _18)
    assert "FreeTDS" in raised.value.what
    assert "DRIVER=" in raised.value.remedy
    assert "secreto" not in str(raised.value)


@pytest.mark.parametrize(("module", "there"), [("mssql_python", []), ("pyodbc", [_18])])
def test_a_driver_that_is_not_installed_is_named(
    module: str, there: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # an import of it fails, as where it is not installed
    chosen = _chosen(PLAIN, *there)
    with pytest.raises(StoreNotReady, match=module.replace("_", "-")):
        chosen.connect()


def test_freetds_behind_a_dsn_is_rejected_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def connection_of(driver: str) -> Mock:
        connection = Mock(spec_set=["getinfo", "close", "timeout"])
        connection.getinfo = {6: driver}.__getitem__
        monkeypatch.setitem(sys.modules, "pyodbc", Mock(SQL_DRIVER_NAME=6, connect=Mock(return_value=connection)))
        return connection

    opened = connection_of("libtdsodbc.so")
    with pytest.raises(BadSetting, match="FreeTDS"):
        _chosen("DSN=estadio").connect()
    opened.close.assert_called_once()
    microsofts = connection_of("libmsodbcsql-18.6.so.2.1")
    assert _chosen("DSN=estadio").connect() is microsofts


@pytest.mark.parametrize("installed", [["FreeTDS", _17, _18], ["FreeTDS"], []])
def test_a_string_without_a_driver_goes_to_mssql_python_whatever_is_installed(installed: list[str]) -> None:
    found = _chosen("SERVER=bd01;PORT=1444;DATABASE=d;TDS_Version=7.4;ClientCharset=UTF-8", *installed)
    assert found.dialect == "mssql+mssqlpython"
    assert parse(found.string) == {"server": "bd01,1444", "database": "d"}
    assert found.why == "mssql-python: la conexión no indica ningún controlador, y este trae el suyo"


def test_a_part_of_a_password_with_a_semicolon_is_not_shown_as_a_word(caplog: pytest.LogCaptureFixture) -> None:
    _chosen("SERVER=bd01;DATABASE=d;UID=u;PWD=ab;hush=ef;MARS_Connection=no;APP=aforo")
    assert caplog.messages == [
        "mssql-python no usa estas palabras de la conexión: app, mars_connection, otra que no se muestra."
    ]


@pytest.mark.parametrize(
    ("string", "server"),
    [
        (r"SERVER=bd01\ESTADIO", r"bd01\ESTADIO"),
        ("SERVER=bd01,1444", "bd01,1444"),
        ("SERVER=bd01;PORT=1444", "bd01,1444"),
        (r"SERVER=tcp:bd01\X,1444", r"tcp:bd01\X,1444"),
    ],
)
def test_instances_and_ports_are_kept(string: str, server: str) -> None:
    for installed in ([_17], []):
        found = _chosen(f"DRIVER={{{_17}}};{string};DATABASE=d;Trusted_Connection=yes", *installed)
        assert parse(found.string)["server"] == server
        assert parse(found.string)["trusted_connection"] == "yes"
        assert "uid" not in parse(found.string)


def test_a_driver_may_be_named_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "libmsodbcsql-18.6.so.2.1"
    file.touch()
    found = _chosen(f"DRIVER={file};SERVER=s;DATABASE=d")
    assert parse(found.string)["driver"] == str(file)
    assert found.dialect == "mssql+pyodbc"


def test_urls_and_strings_mean_the_same() -> None:
    choice = choose_driver(make_url("mssql+mssqlpython://u:p%40ss@bd01:1444/d?Encrypt=no"), lambda: [_17])
    assert parse(choice.string) == {
        "server": "bd01,1444",
        "database": "d",
        "uid": "u",
        "pwd": "p@ss",
        "encrypt": "no",
    }
    assert choice.why == "mssql-python: así lo pide database.url"
    given_ = choose_driver(make_url("mssql+pyodbc://u:p@bd01/d?driver=ODBC+Driver+17+for+SQL+Server"), lambda: [_17])
    assert parse(given_.string) | {"driver": ""} == {
        "driver": "", "server": "bd01", "database": "d", "uid": "u", "pwd": "p",
    }  # fmt: skip
    assert given_.dialect == "mssql+pyodbc"


def test_a_url_that_names_no_driver_gets_the_newest_there_is() -> None:
    url = make_url("mssql+pyodbc://u:p@bd01/d")
    assert parse(choose_driver(url, lambda: ["FreeTDS", _17]).string)["driver"] == _17
    assert choose_driver(url, lambda: []).dialect == "mssql+mssqlpython"
    assert parse(choose_driver(make_url("mssql+pyodbc://u:p@estadio"), lambda: [_17]).string)["dsn"] == "estadio"


def test_a_server_has_to_be_named() -> None:
    with pytest.raises(BadSetting, match="SERVER"):
        _chosen("DRIVER={SQL Server};DATABASE=d", _17)
    with pytest.raises(StoreNotReady, match="DSN"):
        _chosen(f"DSN=estadio;DRIVER={{{_17}}}")
    assert _chosen("DSN=estadio", _17).name == "SQL Server DSN estadio/"


def test_no_name_and_no_reason_holds_the_password() -> None:
    for found in (_chosen(PLAIN, _17), _chosen(PLAIN, _18), _chosen(PLAIN)):
        assert "cr" not in f"{found.name} {found.why} {found!r}".replace("descr", "")


def test_what_mssql_python_leaves_out_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    _chosen(PLAIN + ";MARS_Connection=yes;Regional=x")
    assert "mars_connection, regional" in caplog.text


def test_the_words_it_understands_are_those_of_the_driver() -> None:
    from mssql_python.constants import _ALLOWED_CONNECTION_STRING_PARAMS  # noqa: PLC0415

    theirs = {name.replace(" ", "") for name in _ALLOWED_CONNECTION_STRING_PARAMS} - {"driver", "app"}
    assert theirs >= UNDERSTOOD
