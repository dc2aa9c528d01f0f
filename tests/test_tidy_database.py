"""Do the migrations, the stores and the edges keep the rules that keep tenants and books apart?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import source
from source import at, findings, name_of, under

# --------------------------------------------------------------------------------------- database

OWNERS = ("kit", *source.KERNEL)
RANK = {"kit": 0} | {
    name: rank for rank, names in enumerate(source.KERNEL_LINE, 1) for name in names
}
SYSTEM_RANK = len(source.KERNEL_LINE) + 1
REFERENCES = re.compile(r"\breferences\s+([a-z_0-9]+)", re.IGNORECASE)
INDEX = re.compile(
    r"\bcreate (?:unique )?index (?:if not exists )?(\w+)?\s*on\s+([a-z_0-9.]+)\s*"
    r"(?:using \w+\s*)?\((\w+)",
    re.IGNORECASE,
)
WRONG_TYPES = re.compile(
    r"^\s*\w+\s+(real|double precision|money|timestamp(?!tz)|serial)\b",
    re.MULTILINE | re.IGNORECASE,
)


def owner_rank(owner: str) -> int:
    return RANK.get(owner, SYSTEM_RANK)


def owner_of(table: str) -> str:
    return table.partition("_")[0]


def test_migrations_are_named_by_number_owner_and_phase() -> None:
    named = [path.name for path in source.migrations()]
    findings(
        "NNNN_owner_pre|post_name.sql", [one for one in named if not source.MIGRATION.match(one)]
    )
    numbers = [name[:4] for name in named]
    findings("a number is used once", [one for one in set(numbers) if numbers.count(one) > 1])


def test_tables_are_prefixed_by_their_owner() -> None:
    owned = [(one, one.owner) for one in source.tables()]
    wrong = [
        f"{one.name} in {one.migration.name}" for one, owner in owned if owner_of(one.name) != owner
    ]
    findings("a table begins with its owner's name", wrong)


def test_foreign_keys_point_inward_only() -> None:
    wrong = [
        f"{one.name} -> {target}"
        for one in source.tables()
        for target in REFERENCES.findall(one.body)
        if owner_of(target) != one.owner and owner_rank(owner_of(target)) >= owner_rank(one.owner)
    ]
    findings("a foreign key points to the same or an inner module", wrong)


def tenant_tables() -> list[source.Table]:
    return [one for one in source.tables() if one.owner != "kit" and one.name != "tenants_tenant"]


def test_every_tenant_table_is_isolated() -> None:
    every = "\n".join(source.statements(path) for path in source.migrations())
    isolated = set(re.findall(r"call kit_isolate\('(\w+)'", every))
    unscoped = set(re.findall(r"call kit_share\('(\w+)'", every))
    wrong = [one.name for one in tenant_tables() if one.name not in isolated | unscoped]
    findings("each tenant table is given to kit_isolate", wrong)


def test_the_first_column_of_tables_and_indexes_is_the_tenant() -> None:
    named = {one.name for one in tenant_tables()}
    wrong = [one.name for one in tenant_tables() if one.first_column != "tenant_id"]
    wrong += [
        f"{index or 'index'} on {table} ({column}, …)"
        for path in source.migrations()
        for index, table, column in INDEX.findall(source.statements(path))
        if table in named and column != "tenant_id"
    ]
    findings("tenant_id comes first", wrong)


def test_columns_have_the_types_of_the_house() -> None:
    wrong = [
        f"{one.name}: {kind}" for one in source.tables() for kind in WRONG_TYPES.findall(one.body)
    ]
    wrong += [
        f"{one.name}.{column} {kind}"
        for one in source.tables()
        for column, kind in re.findall(r"^\s*(\w+_minor)\s+(\w+)", one.body, re.MULTILINE)
        if kind != "bigint"
    ]
    findings("timestamptz, numeric, and bigint for minor units", wrong)


# ------------------------------------------------------------------------------------------ edges

SQL = re.compile(
    r"^\s*(select\s.+\sfrom|insert into|update\s+\w+\s+set|delete from|with \w+ as)\b",
    re.IGNORECASE | re.DOTALL,
)
EDGE_FILES = re.compile(
    r"src/solvent/(kit/(db|ctx|cli|testing|http/.*|bus/.*|jobs/.*)|app/.*|kernel/audit/service|(kernel|systems)/\w+/(api|cli|tasks|wire).*)\.py"
)
BEFORE_A_CONTEXT = {"edge", "self", "system"}
"""What a function is given that runs before there is a context, and so may open one."""


def test_only_the_edge_opens_and_ends_transactions() -> None:
    wrong = [
        at(path, call, ast.unparse(call.func))
        for path in under("src", suffix=".py")
        for given, call in calls_with_givers(path)
        if (told := ends_or_begins(call))
        and (told == "commit" or not EDGE_FILES.fullmatch(name_of(path)))
        and (told == "commit" or "ctx" in given or not BEFORE_A_CONTEXT.intersection(given[:1]))
    ]
    findings("a use case gets its transaction from the edge, which commits it", wrong)


def calls_with_givers(path: Path) -> Iterator[tuple[list[str], ast.Call]]:
    """Yield every call with the names of the arguments of the function it stands in."""

    def walk(node: ast.AST, given: list[str]) -> Iterator[tuple[list[str], ast.Call]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)] or given
        if isinstance(node, ast.Call):
            yield given, node
        for child in ast.iter_child_nodes(node):
            yield from walk(child, given)

    yield from walk(source.tree(path), [])


def ends_or_begins(call: ast.Call) -> str | None:
    match call.func:
        case ast.Attribute(attr="commit" | "rollback"):
            return "commit"
        case ast.Attribute(
            value=ast.Name(id="edge") | ast.Attribute(attr="edge"), attr="open" | "admit"
        ):
            return "open"
        case ast.Attribute(value=ast.Name(id="store")):
            return None  # a ledger's transaction is another thing
        case ast.Attribute(attr="transaction"):
            return "begin"
        case _:
            return None


def test_sql_stands_in_stores_only() -> None:
    wrong = [
        at(path, node, repr(node.value[:50]))
        for path in under("src/solvent/kernel", "src/solvent/systems", suffix=".py")
        if not ("store" in path.stem or "store" in path.parent.name)
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
    ]
    findings("SQL stands in store.py", wrong)


def test_services_take_the_context_first() -> None:
    wrong = [
        at(path, node, node.name)
        for module in source.modules()
        for path in (*module.folder.glob("service.py"), *module.folder.glob("service/*.py"))
        for node in source.tree(path).body
        if isinstance(node, ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and (not node.args.args or node.args.args[0].arg not in {"ctx", "edge", "system", "tx"})
    ]
    findings("a use case takes ctx first; before there is one, the edge or the tx", wrong)
