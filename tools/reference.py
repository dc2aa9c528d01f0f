"""What do settings, commands, routes, events and errors say of themselves, as pages of docs?

`make docs` writes docs/reference anew; tests/test_docs.py fails where a page differs from the code.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import sys
import typing
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import source
import typer
from fastapi import FastAPI

import solvent
from solvent.app import cli as commands
from solvent.app import operations, start_page
from solvent.app.settings import Settings
from solvent.app.wire import wire_all
from solvent.kit.config import ENV_PREFIX, describe
from solvent.kit.errors import KINDS, SolventError, first_sentence

REFERENCE = source.ROOT / "docs" / "reference"
NOTE = "<!-- written by `make docs`: change the code, not this page -->"
Schema = dict[str, typing.Any]
Command = typing.Any
Parameter = typing.Any
"""As click has them; typer brings a click of its own, whose classes are not the installed ones."""


def main() -> int:
    """Write every generated page that differs; say which."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"docs: wrote {source.name_of(path)}")
    return 0


def pages() -> dict[str, str]:
    """Return the generated pages by file name."""
    import_everything()
    makers: dict[str, Callable[[], Iterator[str]]] = {
        "settings.md": settings_page,
        "cli.md": cli_page,
        "api.md": api_page,
        "events.md": events_page,
        "errors.md": errors_page,
    }
    return {name: "\n".join(make()).rstrip() + "\n" for name, make in makers.items()}


def import_everything() -> None:
    """Import every module, so that every error and event class is known."""
    for found in pkgutil.walk_packages(solvent.__path__, "solvent."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


def cell(text: object) -> str:
    """Return a text as it can stand in a table's cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


def row(*cells: object) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(cell(one) for one in cells) + " |"


def table(*titles: str) -> Iterator[str]:
    """Yield the head of a table."""
    yield row(*titles)
    yield row(*("---" for _ in titles))


# --------------------------------------------------------------------------------------- settings


def settings_page() -> Iterator[str]:
    """Yield the lines of the page of settings."""
    yield "# Settings"
    yield f"\n{NOTE}\n"
    yield (
        "Settings come from a TOML file (`--config FILE` or `SOLVENT_CONFIG`) and from the"
        " environment, which wins. A variable\nwhose name ends in `_FILE` names a file that holds"
        " the value: secrets are best given so. An unknown key is an error that"
        "\nnames the known ones."
    )
    hints = typing.get_type_hints(Settings)
    for section in dataclasses.fields(Settings):
        kind = hints[section.name]
        yield f"\n## {section.name}\n"
        yield f"{inspect.getdoc(kind)}\n"
        yield from table("setting", "type", "default", "what it does", "environment")
        for key, hint, default, told in describe(kind, f"{section.name}."):
            variable = ENV_PREFIX + key.replace(".", "__").upper()
            yield row(f"`{key}`", f"`{hint}`", default_text(default), told, f"`{variable}`")


def default_text(default: object) -> str:
    """Return a default as it is written in TOML."""
    match default:
        case tuple():
            return "`[" + ", ".join(f'"{one}"' for one in default) + "]`"
        case bool():
            return f"`{str(default).lower()}`"
        case str():
            return f'`"{default}"`'
        case _:
            return f"`{default}`"


# --------------------------------------------------------------------------------------- commands


def cli_page() -> Iterator[str]:
    """Yield the lines of the page of commands."""
    yield "# Commands"
    yield f"\n{NOTE}\n"
    yield (
        "`solvent` is one command. It exits 0 when done, 2 where the input is not valid, 1 where"
        " anything else failed.\nMost commands talk to a running `solvent up` on the same data"
        " directory."
    )
    root = command_tree()
    yield from command_lines(root, "solvent", level=2)


def command_tree() -> Command:
    """Return the whole command line as click sees it."""
    commands._mount_modules()
    return typer.main.get_command(commands.app)


def command_lines(command: Command, path: str, *, level: int) -> Iterator[str]:
    """Yield the lines of a command and of those below it."""
    yield f"\n{'#' * level} {path}\n"
    yield plain_help(command)
    yield f"\n```text\n{usage(command, path)}\n```"
    parameters = [one for one in command.params if one.name != "help"]
    if parameters:
        yield ""
        yield from table("parameter", "what it does", "default")
        yield from (parameter_row(one) for one in parameters)
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from command_lines(below, f"{path} {name}", level=min(level + 1, 4))


def plain_help(command: Command) -> str:
    """Return a command's help as prose."""
    text = inspect.cleandoc(command.help or command.short_help or "")
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def usage(command: Command, path: str) -> str:
    """Return a command's usage line."""
    pieces = command.collect_usage_pieces(typer.Context(command, info_name=path))
    return " ".join([path, *pieces])


def parameter_row(parameter: Parameter) -> str:
    """Return the row of an option or argument."""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    told = getattr(parameter, "help", None) or ""
    if parameter.envvar:
        told += f" (environment: `{parameter.envvar}`)"
    return row(names, told, parameter_default(parameter))


def parameter_default(parameter: Parameter) -> str:
    """Return a parameter's default, or whether it must be given."""
    if parameter.required:
        return "must be given"
    default = parameter.default
    if default is None or default is False or callable(default) or default in ("", (), []):
        return ""
    if type(default).__name__ in {"Sentinel", "_Unset"} or "UNSET" in repr(default):
        return ""
    return f"`{default}`"


# ----------------------------------------------------------------------------------------- routes


def openapi() -> Schema:
    """Return the OpenAPI document of all routes."""
    app = FastAPI(title="Solvent", version=commands.VERSION)
    for router in (start_page.router, operations.router, *wire_all(Settings()).routers):
        app.include_router(router)
    return app.openapi()


def api_page() -> Iterator[str]:
    """Yield the lines of the page of routes."""
    yield "# HTTP API"
    yield f"\n{NOTE}\n"
    yield (
        "The whole document is served at `/v1/openapi.json`. Requests under `/v1` carry"
        " `Authorization: Bearer KEY`; a POST\ntakes an `Idempotency-Key`, and its repeat gets the"
        " first answer. Lists come in pages: `?limit=` and `?cursor=`, and the\nanswer holds `data`"
        " and `next_cursor`. Errors are problem documents ([errors](errors.md))."
    )
    document = openapi()
    by_tag: dict[str, list[tuple[str, str, Schema]]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            by_tag[(route.get("tags") or ["other"])[0]].append((path, method.upper(), route))
    schemas = document.get("components", {}).get("schemas", {})
    for tag in sorted(by_tag):
        yield f"\n## {tag}"
        for path, method, route in sorted(by_tag[tag], key=lambda one: (one[0], one[1])):
            yield from route_lines(path, method, route, schemas)


def route_lines(path: str, method: str, route: Schema, schemas: Schema) -> Iterator[str]:
    """Yield the lines of a route: what it does, its parameters, its body's fields."""
    told = route.get("description") or route.get("summary") or ""
    yield f"\n### {method} {path}\n"
    yield "\n\n".join(" ".join(part.split()) for part in told.split("\n\n"))
    fields = [*parameters_of(route), *body_fields(route, schemas)]
    if fields:
        yield ""
        yield from table("name", "where", "type", "must be given")
        yield from (row(*one) for one in fields)


def parameters_of(route: Schema) -> Iterator[tuple[str, str, str, str]]:
    """Yield the parameters of a route as rows."""
    for one in route.get("parameters", []):
        required = "yes" if one.get("required") else "no"
        yield f"`{one['name']}`", one["in"], schema_text(one.get("schema", {})), required


def body_fields(route: Schema, schemas: Schema) -> Iterator[tuple[str, str, str, str]]:
    """Yield the fields of a route's JSON body as rows."""
    content = route.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = resolved(content.get("schema", {}), schemas)
    for name, field in schema.get("properties", {}).items():
        required = "yes" if name in schema.get("required", []) else "no"
        yield f"`{name}`", "body", schema_text(field), required


def resolved(schema: Schema, schemas: Schema) -> Schema:
    """Return a schema, or the one that it refers to."""
    reference = schema.get("$ref", "")
    return schemas.get(reference.rpartition("/")[2], {}) if reference else schema


def schema_text(schema: Schema) -> str:
    """Return a JSON schema in a word or two."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        kinds = [schema_text(one) for one in schema["anyOf"]]
        return " or ".join(kind for kind in kinds if kind != "null")
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {schema_text(schema.get('items', {}))}"
    return schema.get("format") or schema.get("type") or "any"


# ----------------------------------------------------------------------------------------- events


def event_types() -> list[type]:
    """Return every event class of the kernel and of the contracts, by name."""
    found = {
        kind
        for name, module in sys.modules.items()
        if re.match(r"solvent\.(kernel\.\w+\.events|contracts\.\w+)\b", name)
        for kind in vars(module).values()
        if isinstance(kind, type) and "NAME" in vars(kind)
    }
    return sorted(found, key=lambda kind: kind.NAME)


def events_page() -> Iterator[str]:
    """Yield the lines of the page of events."""
    yield "# Events"
    yield f"\n{NOTE}\n"
    yield (
        "What the kernel and the systems publish, through the outbox"
        " ([how](../explanation/events-and-outbox.md)). A field of a\nversion is never removed or"
        " changed in meaning."
    )
    for kind in event_types():
        yield f"\n## {kind.NAME}\n"
        yield prose(kind)
        yield ""
        yield from table("field", "type")
        yield from (row(f"`{name}`", f"`{hint}`") for name, hint in event_fields(kind))


def event_fields(kind: type) -> list[tuple[str, str]]:
    """Return an event's fields and their types, as they are written."""
    hints = typing.get_type_hints(kind)
    return [(one.name, type_text(hints[one.name])) for one in dataclasses.fields(kind)]


def type_text(hint: object) -> str:
    """Return a type as it is written, without its modules."""
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    text = re.sub(r"<class '([^']+)'>", r"\1", text)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)


def prose(kind: type) -> str:
    """Return a class's docstring as prose."""
    text = inspect.getdoc(kind) or ""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


# ----------------------------------------------------------------------------------------- errors


def error_types() -> list[type[SolventError]]:
    """Return every error class that has a code of its own, by code."""
    found: set[type[SolventError]] = set()
    waiting: list[type[SolventError]] = [SolventError]
    while waiting:
        below = waiting.pop().__subclasses__()
        found.update(below)
        waiting += below
    ours = [kind for kind in found if kind.__module__.startswith("solvent.")]
    return sorted((kind for kind in ours if "code" in vars(kind)), key=lambda kind: kind.code)


def errors_page() -> Iterator[str]:
    """Yield the lines of the page of errors."""
    yield "# Errors"
    yield f"\n{NOTE}\n"
    yield (
        "An error over HTTP is a problem document (RFC 9457, `application/problem+json`) with a"
        " stable `code`; the text of\n`detail` may change. Only those with status 503 are worth"
        " trying again unchanged; after 429 wait for `Retry-After`."
    )
    by_module: dict[str, list[type[SolventError]]] = defaultdict(list)
    for kind in error_types():
        by_module[kind.code.partition(".")[0]].append(kind)
    for module in sorted(by_module):
        yield f"\n## {module}\n"
        yield from table("code", "status", "kind", "message")
        for kind in by_module[module]:
            yield row(f"`{kind.code}`", kind.status, kind_name(kind), first_sentence(kind))


def kind_name(kind: type[SolventError]) -> str:
    """Return which of the seven kinds an error is of."""
    names = [one.__name__ for one in KINDS if issubclass(kind, one)]
    return names[0] if names else "a bug"


def write_to(folder: Path) -> None:
    """Write the pages into another folder, for whoever compares."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
