"""How does a webhook leave the house, to the address that was judged and to no other?"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from solvent import VERSION
from solvent.kit.clock import monotonic_ms
from solvent.systems.webhooks.limits import (
    ADDRESSES_MAX,
    RESOLVE_S,
    RESOLVERS,
    RESPONSE_BYTES_MAX,
    RESPONSE_CHARS_KEPT,
    RESPONSE_READ_S,
    SLOTS,
    TIMEOUT_S,
)
from solvent.systems.webhooks.model import Answer, Outcome
from solvent.systems.webhooks.rules.address import PORTS, Guard, parse_address

GONE = 410
SUCCESS = range(200, 300)
USER_AGENT = f"Solvent-Webhooks/{VERSION}"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends requests; every connection is new, no proxy, cookie or redirect is followed."""

    guard: Guard
    transport: httpx.AsyncHTTPTransport
    resolve: Resolve
    timeout_s: float = TIMEOUT_S

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and return what came of it; never raises for what the other side does.

        Only a status of 200 to 299 is a success.
        """
        began_ms = monotonic_ms()
        try:
            async with asyncio.timeout(self.timeout_s):
                response = await self._request(httpx.URL(url), headers, body)
        except TimeoutError:
            told = f"no answer within {self.timeout_s:g} s"
            return _failed(Outcome.TIMEOUT, told, began_ms)
        except _NotSent as refused:
            return _failed(refused.outcome, refused.told, began_ms)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as fault:
            return _failed(Outcome.PROTOCOL, str(fault) or type(fault).__name__, began_ms)
        return await _read(response, began_ms)

    async def _request(
        self, url: httpx.URL, headers: Mapping[str, str], body: bytes
    ) -> httpx.Response:
        """Try the addresses of the host until one can be reached."""
        fault: Exception | None = None
        for address in await self._addresses(url):
            try:
                return await self.transport.handle_async_request(
                    _pinned(url, address, headers, body, timeout_s=self.timeout_s)
                )
            except (httpx.ConnectError, httpx.ConnectTimeout) as unreachable:
                fault = unreachable
        raise _NotSent(Outcome.UNREACHABLE, str(fault) or "no connection")

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """Return the addresses of the host that may be reached, some of them.

        Raises:
            _NotSent: it has none, or none that may.
        """
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await self.resolve(url.host, url.port or PORTS[url.scheme])
        except (OSError, UnicodeError, TimeoutError) as fault:
            raise _NotSent(Outcome.NO_ADDRESS, f"{url.host} has no address: {fault}") from None
        good = [one for one in dict.fromkeys(found) if self._lets(url.scheme, one)]
        if not good:
            told = f"{url.host} has no address that webhooks may be sent to"
            raise _NotSent(Outcome.BLOCKED, told)
        return good[:ADDRESSES_MAX]

    def _lets(self, scheme: str, address: str) -> bool:
        """Return whether to go there: without TLS only where the operator allows it."""
        return self.guard.lets(address) and (scheme == "https" or self.guard.allows(address))


@contextlib.asynccontextmanager
async def open_sender(
    guard: Guard, *, tls: ssl.SSLContext | None = None, resolve: Resolve | None = None
) -> AsyncGenerator[Sender]:
    """Yield a sender with threads of its own for the look-up of names."""
    transport = httpx.AsyncHTTPTransport(
        verify=tls or True,
        trust_env=False,
        limits=httpx.Limits(max_connections=SLOTS * 2, max_keepalive_connections=0),
    )
    with _resolving() as look_up:
        async with transport:
            yield Sender(guard, transport, resolve or look_up)


class _NotSent(Exception):
    """Nothing was sent."""

    def __init__(self, outcome: Outcome, told: str) -> None:
        super().__init__(told)
        self.outcome, self.told = outcome, told


@contextlib.contextmanager
def _resolving() -> Generator[Resolve]:
    """Yield what looks names up, on a few threads that nobody else waits for."""
    threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="webhooks-names")

    async def look_up(host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, _look_up, host, port)

    try:
        yield look_up
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _, _, _, _, sockaddr in found]


def _pinned(
    url: httpx.URL, address: str, headers: Mapping[str, str], body: bytes, *, timeout_s: float
) -> httpx.Request:
    """Return the request to this very address; its host stands in the header and in TLS."""
    extensions: dict[str, object] = {"timeout": httpx.Timeout(timeout_s).as_dict()}
    if parse_address(url.host) is None:
        extensions["sni_hostname"] = url.raw_host.decode()
    told = {
        "host": url.netloc.decode(),
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        **headers,
    }
    return httpx.Request(
        "POST", url.copy_with(host=address), headers=told, content=body, extensions=extensions
    )


async def _read(response: httpx.Response, began_ms: float) -> Answer:
    """Read a bounded begin of the answer; that it breaks off changes nothing about its status."""
    read = b""
    try:
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(RESPONSE_READ_S):
                async for chunk in response.aiter_raw():
                    read += chunk[:RESPONSE_BYTES_MAX]
                    if len(read) >= RESPONSE_BYTES_MAX:
                        break
    finally:
        with contextlib.suppress(httpx.HTTPError):
            await response.aclose()
    status = response.status_code
    outcome = Outcome.DELIVERED if status in SUCCESS else Outcome.STATUS
    return Answer(
        outcome=Outcome.GONE if status == GONE else outcome,
        status=status,
        told=_text(read.decode(errors="replace")),
        retry_after=response.headers.get("retry-after"),
        duration_ms=int(monotonic_ms() - began_ms),
    )


def _failed(outcome: Outcome, told: str, began_ms: float) -> Answer:
    return Answer(outcome, told=_text(told), duration_ms=int(monotonic_ms() - began_ms))


def _text(text: str) -> str:
    """Return the begin of a text, fit for a database."""
    return text[:RESPONSE_CHARS_KEPT].replace("\0", "�")
