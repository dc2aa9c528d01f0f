"""How is an API over HTTP asked, and what does it mean that it did not do it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

import httpx
import msgspec

from solvent.kit.jobs.scale.ports import ProviderRefused

Json: TypeAlias = "str | int | float | bool | Mapping[str, Json] | Sequence[Json] | None"
T = TypeVar("T")

TOLD_CHARS_MAX = 300


async def ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    body: Json = None,
    content_type: str = "application/json",
    fine: tuple[int, ...] = (),
) -> bytes:
    """Return the body of a successful answer; statuses in `fine` count as success.

    Raises:
        ProviderRefused: any other status, or nobody answered.
    """
    content = None if body is None else msgspec.json.encode(body)
    headers = {"content-type": content_type} if content is not None else {}
    try:
        answer = await client.request(method, url, content=content, headers=headers)
    except httpx.HTTPError as fault:
        raise ProviderRefused(f"{method} {url}: {fault or type(fault).__name__}") from fault
    if not answer.is_success and answer.status_code not in fine:
        told = answer.text[:TOLD_CHARS_MAX]
        raise ProviderRefused(f"{method} {url}: {answer.status_code} {told}")
    return answer.content


def read(data: bytes, kind: type[T]) -> T:
    """Return an answer as the fields that matter.

    Raises:
        ProviderRefused: it is something else.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as odd:
        raise ProviderRefused(f"an answer that is not understood: {odd}") from odd
