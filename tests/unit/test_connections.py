"""Which certificates are trusted, alike on every Python; and why a connection failed, in Spanish."""

import asyncio
import errno
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from tests.private_ca import Issued, issue

from aforo.connections import connection_reason, trusted_context


async def handshake(served: list[Issued], ca_file: Path, host: str = "127.0.0.1") -> str:
    """Connect to a server that shows the first certificate and the chain after it; "" or why that failed."""

    def server_context() -> ssl.SSLContext:
        chain = ca_file.with_name("chain.pem")
        chain.write_bytes(served[0].key + b"".join(one.certificate for one in served))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=await asyncio.to_thread(server_context)
    )
    client = await asyncio.to_thread(trusted_context, ca_file)
    port = server.sockets[0].getsockname()[1]
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
        writer.close()
    except OSError as exc:
        return connection_reason(exc)
    finally:
        server.close()
    return ""


@pytest.mark.parametrize("trusted", ["root", "intermediate", "server", "the server alone, self-signed"])
async def test_a_private_ca_is_judged_alike_on_every_python(tmp_path: Path, trusted: str) -> None:
    root = issue("Autoridad del estadio", authority=True)
    intermediate = issue("Autoridad de ACC", root, authority=True)
    server = issue("acc.estadio", intermediate)
    alone = issue("acc.estadio")
    ca_file = tmp_path / "ca.pem"
    chosen = {"root": root, "intermediate": intermediate, "server": server}.get(trusted, alone)
    await asyncio.to_thread(ca_file.write_bytes, chosen.certificate)
    served = [alone] if chosen is alone else [server, intermediate]
    assert await handshake(served, ca_file) == ""


def test_what_python_3_13_changed_is_set_on_every_python() -> None:
    flags = trusted_context().verify_flags
    assert not flags & ssl.VERIFY_X509_STRICT
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert trusted_context().verify_mode is ssl.CERT_REQUIRED
    assert trusted_context().check_hostname


async def test_why_a_certificate_is_not_trusted(tmp_path: Path) -> None:
    mine, other = issue("Una", authority=True), issue("Otra", authority=True)
    ca_file = tmp_path / "ca.pem"
    await asyncio.to_thread(ca_file.write_bytes, mine.certificate)
    assert await handshake([issue("acc", mine)], ca_file) == ""
    unknown = "su certificado lo firmó una autoridad que esta máquina no conoce"
    assert await handshake([issue("acc", other)], ca_file) == unknown
    assert await handshake([issue("acc")], ca_file) == "su certificado es autofirmado"
    own = "su certificado lo firmó una autoridad propia que esta máquina no conoce"
    assert await handshake([issue("acc", other), other], ca_file) == own
    assert (
        await handshake([issue("acc", mine)], ca_file, "otro.estadio") == "su certificado es de otro nombre de servidor"
    )
    assert await handshake([issue("acc", mine)], ca_file, "127.0.0.2") == "su certificado es de otra dirección IP"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "no contestó a tiempo"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "nada escucha en esa dirección"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed"),
            "nada escucha en esa dirección",
        ),
        (OSError(99_999, "algo"), "no se pudo llegar"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "ese nombre no se encuentra en la red (DNS)"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "la conexión cifrada (TLS) no se pudo hacer"),
        (aiohttp.ServerDisconnectedError(), "cortó la conexión o no contestó como un servidor web"),
    ],
)
def test_why_a_connection_failed(error: Exception, reason: str) -> None:
    assert connection_reason(error) == reason
