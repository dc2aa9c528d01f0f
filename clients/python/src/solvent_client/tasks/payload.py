r"""How are arguments and results written down, and what is refused?

`json` (the default) takes what JSON can say and gives back the same: text, integers of 64 bits,
finite numbers, booleans, None, lists (a tuple comes back as one), maps with text as keys. `msgpack`
takes bytes, integers as keys, NaN and aware datetimes too. `pickle` runs whatever code its sender
wrote, so both sides must ask for it.

Arguments carry the name of their codec in the job's spec. A result tells by its first byte: \x01
MessagePack, \x02 pickle, anything else JSON text.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias, cast

import msgspec

from solvent_client.tasks.errors import PayloadInvalid, PayloadTooLarge

MAX_ARGS_BYTES: Final = 512 * 1024
MAX_RESULT_BYTES: Final = 512 * 1024
CODECS: Final = ("json", "msgpack", "pickle")
_MAX_DEPTH: Final = 100
_KEYS_SHOWN: Final = 8
_PAIR: Final = 2
_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64 - 1
_MSGPACK_MARK: Final = b"\x01"
_PICKLE_MARK: Final = b"\x02"

Arguments: TypeAlias = tuple[list[object], dict[str, object]]

_json = msgspec.json.Encoder()
_json_decoder = msgspec.json.Decoder()
_msgpack = msgspec.msgpack.Encoder()
_msgpack_decoder = msgspec.msgpack.Decoder()


def pack_args(args: tuple[object, ...], kwargs: dict[str, object], *, codec: str) -> bytes:
    """Return the bytes of a call's arguments.

    Raises:
        PayloadInvalid: something in them cannot be written; the message says where it stands.
        PayloadTooLarge: they are more than `MAX_ARGS_BYTES`.
    """
    packed = _pack([args, kwargs], codec, roots=("args", "kwargs"))
    if len(packed) > MAX_ARGS_BYTES:
        raise PayloadTooLarge("arguments", size=len(packed), limit=MAX_ARGS_BYTES)
    return packed


def unpack_args(data: bytes, *, codec: str, pickle_allowed: bool = False) -> Arguments:
    """Return what `pack_args` wrote.

    Raises:
        PayloadInvalid: it is damaged, or pickled and this side did not ask for that.
    """
    if not data:
        return [], {}
    read = _unpack(data, codec, pickle_allowed=pickle_allowed)
    if isinstance(read, list) and len(pair := cast("list[object]", read)) == _PAIR:
        args, kwargs = pair
        if isinstance(args, list | tuple) and isinstance(kwargs, dict):
            return list(cast("list[object]", args)), cast("dict[str, object]", kwargs)
    raise PayloadInvalid("arguments: expected a list of positional ones and a map of named ones")


def pack_result(value: object, *, codec: str) -> bytes:
    """Return the bytes of a result; raises as `pack_args` does."""
    packed = _pack(value, codec, roots=())
    if codec == "msgpack":
        packed = _MSGPACK_MARK + packed
    elif codec == "pickle":
        packed = _PICKLE_MARK + packed
    if len(packed) > MAX_RESULT_BYTES:
        raise PayloadTooLarge("result", size=len(packed), limit=MAX_RESULT_BYTES)
    return packed


def unpack_result(data: bytes, *, pickle_allowed: bool = False) -> object:
    """Return what `pack_result` wrote; nothing kept is None. Raises as `unpack_args` does."""
    if not data:
        return None
    if data[:1] == _MSGPACK_MARK:
        return _unpack(data[1:], "msgpack", pickle_allowed=False)
    if data[:1] == _PICKLE_MARK:
        return _unpack(data[1:], "pickle", pickle_allowed=pickle_allowed)
    return _unpack(data, "json", pickle_allowed=False)


def _pack(value: object, codec: str, *, roots: tuple[str, ...]) -> bytes:
    if codec == "pickle":
        return _pickled(value)
    check = {"json": _json_leaf, "msgpack": _msgpack_leaf}.get(codec)
    if check is None:
        raise PayloadInvalid(f"codec: expected one of {', '.join(CODECS)}, got {codec!r}")
    if roots:
        for name, part in zip(roots, cast("list[object]", value), strict=True):
            _check(part, check, name, 0)
    else:
        _check(value, check, "result", 0)
    try:
        return (_json if codec == "json" else _msgpack).encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PayloadInvalid(f"{codec}: {error}") from error


def _pickled(value: object) -> bytes:
    import pickle

    try:
        return pickle.dumps(value)
    except Exception as error:
        raise PayloadInvalid(f"pickle: {error}") from error


def _unpack(data: bytes, codec: str, *, pickle_allowed: bool) -> object:
    if codec == "pickle":
        if not pickle_allowed:
            raise PayloadInvalid("pickle is refused here: Tasks(…, accept_pickle=True) asks for it")
        import pickle

        return pickle.loads(data)  # noqa: S301 - see above
    decoder = {"json": _json_decoder, "msgpack": _msgpack_decoder}.get(codec)
    if decoder is None:
        raise PayloadInvalid(f"codec: expected one of {', '.join(CODECS)}, got {codec!r}")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadInvalid(f"{codec}: {error}") from error


Where: TypeAlias = "str | tuple[Where, object]"
"""A place within a payload: its root, or a place and a key there. Spelled out only in errors."""
Leaf: TypeAlias = Callable[[object], str | None]
"""Says what is wrong with a value that is neither a list nor a map; None: nothing."""


def _check(value: object, leaf: Leaf, where: Where, depth: int) -> None:
    """Refuse what would come back as something else."""
    kind = type(value)
    if kind is str:
        if not _is_utf8(cast("str", value)):
            raise _invalid(where, "expected text that UTF-8 can say (it has half a character)")
    elif kind is int:
        if not _MIN_INT <= cast("int", value) <= _MAX_INT:
            raise _invalid(where, f"{value} has more than 64 bits: pass it as text")
    elif kind is list or kind is tuple:
        _check_depth(where, depth)
        for index, item in enumerate(cast("list[object]", value)):
            _check(item, leaf, (where, index), depth + 1)
    elif kind is dict:
        _check_depth(where, depth)
        _check_map(cast("dict[object, object]", value), leaf, where, depth)
    elif kind is not bool and value is not None and (wrong := leaf(value)):
        raise _invalid(where, wrong)


def _check_map(value: dict[object, object], leaf: Leaf, where: Where, depth: int) -> None:
    for key, item in value.items():
        if type(key) is str:
            if not _is_utf8(key):
                raise _invalid(where, "expected keys that UTF-8 can say")
        elif leaf is _json_leaf or type(key) not in {int, bytes}:
            raise _invalid(where, f"expected text as keys, got {key!r}")
        _check(item, leaf, (where, key), depth + 1)


def _check_depth(where: Where, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _invalid(where, f"nested more than {_MAX_DEPTH} deep")


def _invalid(where: Where, wrong: str) -> PayloadInvalid:
    """Return the error with its place spelled out: `args[0]['user']`."""
    keys: list[str] = []
    while not isinstance(where, str):
        where, key = where
        keys.append(f"[{key!r}]")
    return PayloadInvalid(f"{where}{''.join(reversed(keys[-_KEYS_SHOWN:]))}: {wrong}")


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_leaf(value: object) -> str | None:
    if type(value) is float:
        if math.isfinite(value):
            return None
        return f"JSON has no {value!r}: pass None, or codec='msgpack'"
    if isinstance(value, bytes | bytearray | memoryview):
        return "JSON has no bytes: pass text, or codec='msgpack'"
    return f"JSON has no {type(value).__name__}: pass text or a number"


def _msgpack_leaf(value: object) -> str | None:
    if type(value) is float or type(value) is bytes:
        return None
    if isinstance(value, datetime):
        return None if value.tzinfo else "expected a time with its offset from UTC"
    return f"MessagePack has no {type(value).__name__}: pass text, a number or bytes"
