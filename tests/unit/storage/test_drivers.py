"""ODBC strings as people write them, and the way to the server that is made of them."""

from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from aforo.errors import BadSetting, StoreNotReady
from aforo.storage.backends import drivers, odbc
from aforo.storage.backends.drivers import DriverChoice, choose_driver

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
    assert odbc.parse(text) == keywords


@pytest.mark.parametrize("text", ["bd01", "SERVER", "SERVER=a;AVIGILON", "=a", "SERVER=a;secreto;X=1"])
def test_what_is_no_string_is_told_without_its_values(text: str) -> None:
    with pytest.raises(BadSetting) as raised:
        odbc.parse(text)
    assert "secreto" not in str(raised.value)


@given(st.dictionaries(st.sampled_from(["server", "database", "uid", "pwd", "app"]), st.text()))
def test_what_is_written_is_read_back(keywords: dict[str, str]) -> None:
    assert odbc.parse(odbc.render(keywords)) == keywords


def test_the_password_is_masked() -> None:
    assert odbc.masked(PLAIN) == "driver=ODBC Driver 17 for SQL Server;server=bd01;database=AVIGILON;uid=aforo;pwd=***"


def _way(string: str, *installed: str) -> DriverChoice:
    return choose_driver(make_url(f"mssql+pyodbc:///?odbc_connect={quote_plus(string)}"), lambda: list(installed))


def test_the_documents_string_goes_to_its_driver_as_it_stands() -> None:
    found = _way(PLAIN, "FreeTDS", _17, _18)
    assert (found.dialect, found.batches) == ("mssql+pyodbc", True)
    assert odbc.parse(found.string) == odbc.parse(PLAIN)
    assert found.why == f"pyodbc con «{_17}»: está instalado"
    assert found.name == "SQL Server bd01/AVIGILON"


def test_a_newer_driver_takes_its_place_and_encrypts_no_more_than_the_older_one_did() -> None:
    found = _way(PLAIN, "FreeTDS", _18)
    assert odbc.parse(found.string) == {**odbc.parse(PLAIN), "driver": _18, "encrypt": "no"}
    assert odbc.parse(_way(PLAIN + ";Encrypt=yes", _18).string)["encrypt"] == "yes"
    assert "encrypt" not in odbc.parse(_way(PLAIN.replace("17", "18"), _18).string)


def test_with_no_driver_of_microsofts_mssql_python_takes_the_string() -> None:
    found = _way(PLAIN + ";TrustServerCertificate=yes;MARS_Connection=no", "FreeTDS")
    assert (found.dialect, found.batches) == ("mssql+mssqlpython", False)
    assert odbc.parse(found.string) == {
        "server": "bd01", "database": "AVIGILON", "uid": "aforo", "pwd": "se;cr}eto=", "encrypt": "no",
        "trustservercertificate": "yes",
    }  # fmt: skip
    assert found.why == f"mssql-python: «{_17}» no está instalado; mssql-python trae el suyo"


def test_freetds_is_used_where_it_is_asked_for_and_gets_its_own_words() -> None:
    found = _way("DRIVER=FreeTDS;SERVER=tcp:bd01,1444;DATABASE=d;UID=u;PWD=p", "FreeTDS", _18)
    assert odbc.parse(found.string) == {
        "driver": "FreeTDS", "server": "bd01", "port": "1444", "database": "d", "uid": "u", "pwd": "p",
        "tds_version": "7.4", "clientcharset": "UTF-8",
    }  # fmt: skip
    assert not found.batches


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
        found = _way(f"DRIVER={{{_17}}};{string};DATABASE=d;Trusted_Connection=yes", *installed)
        assert odbc.parse(found.string)["server"] == server
        assert odbc.parse(found.string)["trusted_connection"] == "yes"
        assert "uid" not in odbc.parse(found.string)


def test_a_driver_may_be_named_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "libmsodbcsql-18.6.so.2.1"
    file.touch()
    found = _way(f"DRIVER={file};SERVER=s;DATABASE=d")
    assert odbc.parse(found.string)["driver"] == str(file)
    assert found.dialect == "mssql+pyodbc"


def test_urls_say_the_same_as_strings() -> None:
    asked = choose_driver(make_url("mssql+mssqlpython://u:p%40ss@bd01:1444/d?Encrypt=no"), lambda: [_17])
    assert odbc.parse(asked.string) == {
        "server": "bd01,1444",
        "database": "d",
        "uid": "u",
        "pwd": "p@ss",
        "encrypt": "no",
    }
    assert asked.why == "mssql-python: así lo pide database.url"
    given_ = choose_driver(make_url("mssql+pyodbc://u:p@bd01/d?driver=ODBC+Driver+17+for+SQL+Server"), lambda: [_17])
    assert odbc.parse(given_.string) | {"driver": ""} == {
        "driver": "", "server": "bd01", "database": "d", "uid": "u", "pwd": "p",
    }  # fmt: skip
    assert given_.dialect == "mssql+pyodbc"


def test_a_url_that_names_no_driver_gets_the_newest_there_is() -> None:
    url = make_url("mssql+pyodbc://u:p@bd01/d")
    assert odbc.parse(choose_driver(url, lambda: ["FreeTDS", _17]).string)["driver"] == _17
    assert choose_driver(url, lambda: []).dialect == "mssql+mssqlpython"
    assert odbc.parse(choose_driver(make_url("mssql+pyodbc://u:p@estadio"), lambda: [_17]).string)["dsn"] == "estadio"


def test_a_server_has_to_be_named() -> None:
    with pytest.raises(BadSetting, match="SERVER"):
        _way("DRIVER={SQL Server};DATABASE=d", _17)
    with pytest.raises(StoreNotReady, match="DSN"):
        _way(f"DSN=estadio;DRIVER={{{_17}}}")
    assert _way("DSN=estadio", _17).name == "SQL Server DSN estadio/"


def test_nothing_that_is_shown_holds_the_password() -> None:
    for found in (_way(PLAIN, _17), _way(PLAIN, _18), _way(PLAIN)):
        assert "cr" not in f"{found.name} {found.why} {found!r}".replace("descr", "")


def test_what_mssql_python_leaves_out_is_said(caplog: pytest.LogCaptureFixture) -> None:
    _way(PLAIN + ";MARS_Connection=yes;Regional=x")
    assert "mars_connection, regional" in caplog.text


def test_the_words_it_understands_are_those_of_the_driver() -> None:
    from mssql_python.constants import _ALLOWED_CONNECTION_STRING_PARAMS  # noqa: PLC0415

    theirs = {name.replace(" ", "") for name in _ALLOWED_CONNECTION_STRING_PARAMS} - {"driver", "app"}
    assert theirs >= drivers._UNDERSTOOD
