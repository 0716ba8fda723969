import asyncio
import gzip
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from aforo.web.static_files import PageFiles


@pytest.fixture
async def files() -> PageFiles:
    return await asyncio.to_thread(PageFiles)


def request(**headers: str) -> dict[str, Any]:
    """An ASGI scope with these headers; an underscore stands for a hyphen."""
    return {
        "type": "http",
        "method": "GET",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }


async def body(files: PageFiles, name: str) -> str:
    return bytes((await files.get_response(name, request())).body).decode()


async def test_everything_that_the_page_loads_is_here_and_nothing_is_from_elsewhere(files: PageFiles) -> None:
    assert {"index.html", "plotly.min.js", "swagger-ui-bundle.js", "app.css"} <= files.names
    vendored = {"plotly.min.js", "plotly.css", "swagger-ui-bundle.js", "swagger-ui.css"}
    everything = {name: await body(files, name) for name in files.names}
    for name, text in everything.items():
        if name in vendored:
            continue
        for scheme in ("http://", "https://", "//cdn"):
            assert scheme not in text.replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in text
        for loaded in [part.split('"')[0] for part in text.split('"/static/')[1:]]:
            assert loaded in everything


@pytest.mark.parametrize("name", ["../server.py", "nada.js", "/etc/passwd", "", "redoc.standalone.js", "x\0y"])
async def test_no_other_file_is_served(files: PageFiles, name: str) -> None:
    with pytest.raises(HTTPException) as caught:
        await files.get_response(name, request())
    assert caught.value.status_code == 404


async def test_a_file_is_compressed_for_a_client_that_takes_gzip(files: PageFiles) -> None:
    plain = await files.get_response("main.js", request())
    compressed = await files.get_response("main.js", request(accept_encoding="br, gzip"))
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(bytes(compressed.body)) == plain.body
    assert compressed.headers["etag"] == plain.headers["etag"]
    again = await files.get_response("main.js", request(accept_encoding="gzip"))
    assert again.body is compressed.body, "it is compressed once"


async def test_a_file_that_the_client_has_is_not_sent_again(files: PageFiles) -> None:
    etag = (await files.get_response("main.js", request())).headers["etag"]
    known = await files.get_response("main.js", request(if_none_match=etag))
    assert (known.status_code, known.body) == (304, b"")
    assert known.headers["etag"] == etag
    assert (await files.get_response("main.js", request(if_none_match='"x"'))).status_code == 200


async def test_swagger_ui_reads_the_openapi_version_that_fastapi_writes(files: PageFiles) -> None:
    assert "3.1.0" in await body(files, "swagger-ui-bundle.js")
