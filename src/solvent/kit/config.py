"""What has the operator set, and what is wrong with it?

One frozen tree of dataclasses is built from a TOML file and the environment. The environment wins:
`SOLVENT_HTTP__PORT=8080` sets `http.port`, and `SOLVENT_DATABASE__URL_FILE=/run/secrets/url` reads
`database.url` from a file. A list is told by commas. Importing this reads nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from solvent.kit.errors import Invalid

ENV_PREFIX = "SOLVENT_"
FILE_BYTES_MAX = 1_048_576
SECRET_BYTES_MAX = 65_536


class ConfigInvalid(Invalid):
    """The configuration is not valid."""

    code = "kit.config_invalid"


S = TypeVar("S")
V = TypeVar("V")


def setting(default: V, help_text: str) -> V:
    """Declare a setting with its default and the sentence that the docs show."""
    return dataclasses.field(default=default, metadata={"help": help_text})


def load(kind: type[S], *, path: Path | None, environ: Mapping[str, str]) -> S:
    """Build the settings from an optional TOML file and the environment.

    Raises:
        ConfigInvalid: naming the file, the key and what was expected of it.
    """
    text = read_bounded(path, FILE_BYTES_MAX) if path else ""
    source = str(path) if path else "the environment"
    return parse(kind, text, source=source, environ=environ)


def parse(kind: type[S], text: str, *, source: str, environ: Mapping[str, str]) -> S:
    """Build the settings from TOML text and the environment; raises as `load` does."""
    try:
        tree = tomllib.loads(text)
    except (ValueError, RecursionError) as wrong:  # numbers without end, brackets without end
        raise ConfigInvalid(f"not valid TOML: {wrong}", field=source) from None
    _refuse_unknown(kind, tree, text, source)
    for path, value in _from_environment(kind, environ):
        _put(tree, path, value)
    try:
        return TypeAdapter(kind).validate_python(tree)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        line = _line_of(text, key.rpartition(".")[2])
        raise ConfigInvalid(f"{key}: {first['msg']}", field=f"{source}{line}") from None


def describe(kind: type[Any], prefix: str = "") -> Iterator[tuple[str, str, object, str]]:
    """Yield (key, type, default, help) of every setting in the tree, for docs and tests."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint: Any = hints[field.name]
        key = f"{prefix}{field.name}"
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            yield from describe(hint, f"{key}.")
        else:
            yield key, _type_name(hint), field.default, str(field.metadata.get("help", ""))


def _type_name(hint: Any) -> str:
    return hint.__name__ if type(hint) is type else str(hint)


def read_bounded(path: Path, limit_bytes: int) -> str:
    """Return the text of a file.

    Raises:
        ConfigInvalid: it is missing, unreadable, too long, or no UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as fault:
        raise ConfigInvalid(fault.strerror or "cannot be read", field=str(path)) from None
    if len(data) > limit_bytes:
        raise ConfigInvalid(f"longer than {limit_bytes} bytes", field=str(path))
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ConfigInvalid("not UTF-8 text", field=str(path)) from None


def _from_environment(
    kind: type[Any], environ: Mapping[str, str]
) -> Iterator[tuple[list[str], str | list[str]]]:
    for key, _, default, _ in describe(kind):
        name = ENV_PREFIX + key.replace(".", "__").upper()
        if f"{name}_FILE" in environ:
            secret = read_bounded(Path(environ[f"{name}_FILE"]), SECRET_BYTES_MAX)
            yield key.split("."), secret.strip()
        elif name in environ and isinstance(default, tuple):
            yield key.split("."), [part.strip() for part in environ[name].split(",")]
        elif name in environ:
            yield key.split("."), environ[name]


def _refuse_unknown(kind: type[Any], tree: Mapping[str, Any], text: str, source: str) -> None:
    known = {key for key, *_ in describe(kind)}
    sections = {key.rpartition(".")[0] for key in known}
    for key in _leaves(tree):
        if key not in known and not any(key.startswith(f"{k}.") for k in known):
            section = key.rpartition(".")[0]
            there = sorted(k for k in known if k.rpartition(".")[0] == section) or sorted(sections)
            line = _line_of(text, key.rpartition(".")[2])
            message = f"unknown setting {key}; known here: {', '.join(there)}"
            raise ConfigInvalid(message, field=f"{source}{line}")


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _put(tree: dict[str, Any], path: list[str], value: str | list[str]) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = value


def _line_of(text: str, key: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith(key):
            return f" line {number}"
    return ""


@dataclass(slots=True)
class LastGood(Generic[V]):
    """A value read from a file that may change: the last one that was valid stays in force."""

    path: Path
    read: Callable[[str], V]
    value: V
    error: str = ""
    _digest: bytes = b""

    def refresh(self) -> bool:
        """Read the file again if its bytes changed; return whether a new value is in force.

        A fault of reading or of the content is kept in `error`, and the value stays.
        """
        try:
            text = read_bounded(self.path, FILE_BYTES_MAX)
            digest = hashlib.sha256(text.encode()).digest()
            if digest == self._digest:
                return False
            self._digest = digest
            self.value = self.read(text)
        except Invalid as fault:
            self.error = str(fault)
            return False
        self.error = ""
        return True
