"""Can anybody hold the API up by a request that never ends?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
import uvicorn

from solvent.app.protocol import HEAD_BYTES_MAX, BoundedHttp

LINE = b"GET / HTTP/1.1\r\nhost: localhost\r\n"


async def echo(scope, receive, send) -> None:
    """Answer with the length of the body."""
    assert scope["type"] == "http"
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"length=%d;" % length})


@pytest_asyncio.fixture(loop_scope="session")
async def port() -> AsyncGenerator[int]:
    config = uvicorn.Config(echo, port=0, http=BoundedHttp, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def told(port: int, *parts: bytes) -> bytes:
    """Send the parts, each on its own, and return all that is answered until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b"cut off"
    finally:
        writer.close()


@pytest.mark.parametrize(
    "endless",
    [
        [b"GET /", *[b"a" * 30_000] * 40],
        [LINE, b"x: ", *[b"a" * 30_000] * 40],
        [LINE, *[b"x: y\r\n" * 5_000] * 40],
        [LINE + b"connection: keep-alive\r\n\r\n", LINE, b"x: ", *[b"a" * 30_000] * 40],
    ],
)
async def test_a_head_without_end_is_cut_off(port: int, endless: list[bytes]) -> None:
    answer = await told(port, *endless)
    assert b"400 Bad Request" in answer or answer == b"cut off"
    assert b"length=0;" in await told(port, LINE + b"connection: close\r\n\r\n")


async def test_a_long_body_and_requests_in_a_row_are_let_in(port: int) -> None:
    body = b"b" * (HEAD_BYTES_MAX * 3)
    post = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n" % len(body)
    last = LINE + b"connection: close\r\n\r\n"
    answer = await told(port, post + b"\r\n" + body + LINE, b"\r\n" + post, b"\r\n" + body + last)
    assert answer.count(b"length=%d;" % len(body)) == 2
    assert answer.count(b"length=0;") == 2


async def test_a_head_may_be_large(port: int) -> None:
    large = b"x: " + b"a" * (HEAD_BYTES_MAX // 2) + b"\r\nconnection: close\r\n\r\n"
    assert b"length=0;" in await told(port, LINE, large)
