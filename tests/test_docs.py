"""Do the pages say what the code does, and do they hold together?"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import reference
import source
from source import ROOT, findings, name_of, under

from solvent.app.settings import Settings
from solvent.kit import config

BIN = Path(sys.executable).parent
DOCS = ROOT / "docs"
ADR_LINES = 60
ADR_PARTS = ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]
README_LINES = 80
REVIEW_SHARE_MAX = 1 / 3
IRREGULAR = {"begun", "drawn", "left", "lost", "made", "met", "paid", "seen", "sent", "set", "sold"}
FENCE = re.compile(r"^(```|~~~)(.*?)\n(.*?)^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    return under("", suffix=".md")


# -------------------------------------------------------------------------------------- reference


@pytest.fixture(scope="session")
def generated() -> dict[str, str]:
    return reference.pages()


def test_the_generated_pages_are_current(generated: dict[str, str]) -> None:
    stale = [
        name
        for name, text in generated.items()
        if not (path := DOCS / "reference" / name).is_file() or path.read_text("utf-8") != text
    ]
    findings("run `make docs`", stale)


def test_every_setting_has_a_help_text_and_stands_in_the_docs(generated: dict[str, str]) -> None:
    described = list(config.describe(Settings))
    findings("settings without a help", [key for key, _, _, told in described if len(told) < 10])
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    findings("settings not in the docs", [key for key, *_ in described if f"`{key}`" not in page])


def test_every_event_is_past_tense_and_versioned() -> None:
    reference.import_everything()
    wrong = []
    for kind in reference.event_types():
        owner, said, version = (*kind.NAME.split("."), "", "")[:3]
        verb = said.rpartition("_")[2]
        past = verb.endswith("ed") or verb in IRREGULAR
        if not (past and re.fullmatch(r"v\d+", version) and owner in kind.__module__.split(".")):
            wrong.append(f"{kind.__name__}: {kind.NAME}")
    findings("an event is module.past_tense.vN", wrong)


def owner_of(module: str) -> str:
    """Return what an error's code begins with: its module's name, or its ring's."""
    parts = module.split(".")
    return parts[2] if parts[1] in {"kernel", "systems"} else parts[1]


def test_every_error_has_a_code_of_its_module_and_a_message() -> None:
    reference.import_everything()
    errors = reference.error_types()
    wrong = [
        f"{kind.__module__}.{kind.__name__}: {kind.code}"
        for kind in errors
        if kind.code.partition(".")[0] not in {owner_of(kind.__module__), "solvent"}
        or not re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", kind.code)
        or not (kind.__doc__ or "").partition("\n\n")[0].strip().endswith((".", "?"))
    ]
    findings("an error has the code module.condition and a docstring that is its message", wrong)
    codes = [kind.code for kind in errors]
    findings("a code is used once", sorted({code for code in codes if codes.count(code) > 1}))


# ------------------------------------------------------------------------------------------ links


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ +(.+)$", prose, re.MULTILINE)
    plain = (re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}


def links(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (target file, anchor) of each link of a page that stays within the repository."""
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    for target in LINK.findall(prose):
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = target.partition("#")
            yield file, anchor


def test_every_link_within_the_repository_resolves() -> None:
    wrong = []
    for page in pages():
        for file, anchor in links(page):
            target = (page.parent / file).resolve() if file else page
            if not target.exists():
                wrong.append(f"{name_of(page)}: {file}")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                wrong.append(f"{name_of(page)}: {file}#{anchor}")
    findings("links resolve", wrong)


def test_the_index_leads_to_every_page() -> None:
    index = DOCS / "index.md"
    reached = {(index.parent / file).resolve() for file, _ in links(index) if file}
    missing = [
        name_of(page) for page in under("docs", suffix=".md") if page.resolve() not in reached
    ]
    findings("docs/index.md links to every page", [one for one in missing if one != name_of(index)])


def test_the_readme_fits_a_screen() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES
    text = "\n".join(lines)
    assert "make demo" in text
    assert "make test" in text


# ---------------------------------------------------------------------------------------- samples

SHOWN_ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}?=.-]*[\w}])")


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    """Yield the code blocks of a language from all pages."""
    for page in pages():
        for _, info, code in FENCE.findall(page.read_text(encoding="utf-8")):
            if info.split()[:1] == [language]:
                yield page, code


def test_every_sample_of_the_settings_is_valid() -> None:
    wrong = []
    for page, code in blocks("toml"):
        if not code.startswith("# solvent.toml"):
            continue
        try:
            config.parse(Settings, code, source="sample", environ={})
        except config.ConfigInvalid as fault:
            wrong.append(f"{name_of(page)}: {fault}")
    findings("a block that begins with `# solvent.toml` is one", wrong)


def test_every_toml_sample_parses() -> None:
    for _, code in blocks("toml"):
        tomllib.loads(code)


def said_commands() -> Iterator[tuple[Path, str]]:
    """Yield every `solvent …` that a page shows as typed."""
    for language in ("console", "sh", "bash"):
        for page, code in blocks(language):
            for line in code.replace("\\\n", " ").splitlines():
                typed = line[2:] if language == "console" and line.startswith("$ ") else line
                if language != "console" or line.startswith("$ "):
                    for part in re.split(r"\s*(?:\||&&|;|\$\()\s*", typed):
                        if match := re.match(r"(?:sudo (?:-u \w+ )?)?(?:\S*/)?solvent (.+)", part):
                            yield page, match[1]


def unknown_in(command: object, words: list[str]) -> str | None:
    """Return the first word that is no command or option of ours, walking down the tree."""
    while words:
        word = words.pop(0)
        if word in {">", "2>", "<", "&"}:
            return None
        if word.startswith("-"):
            known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
            name = word.partition("=")[0]
            if name not in known | {"--help"}:
                return word
            takes_value = any(name in one.opts and not one.is_flag for one in command.params)
            if takes_value and "=" not in word and words:
                words.pop(0)
        elif below := getattr(command, "commands", {}):
            if word not in below:
                return word
            command = below[word]
    return None


def test_every_command_that_a_page_shows_exists() -> None:
    root = reference.command_tree()
    wrong = [
        f"{name_of(page)}: solvent {typed}: {unknown}"
        for page, typed in said_commands()
        if (unknown := unknown_in(root, shlex.split(typed.rstrip("\\"), comments=True)))
    ]
    findings("commands and options exist", wrong)


def silent_in(command: object, path: str) -> Iterator[str]:
    """Yield the commands and options that do not say what they are for."""
    if not command.help:
        yield path
    for one in command.params:
        if one.param_type_name == "option" and not one.help:
            yield f"{path} {one.opts[0]}"
    for name, below in getattr(command, "commands", {}).items():
        yield from silent_in(below, f"{path} {name}")


def test_every_command_and_option_says_what_it_is_for() -> None:
    silent = list(silent_in(reference.command_tree(), "solvent"))
    findings("commands and options have a help text", silent)


def test_every_route_that_a_page_shows_exists() -> None:
    document = reference.openapi()
    known = {
        (method.upper(), re.sub(r"\{[^}]+\}", "*", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    wrong = [
        f"{name_of(page)}: {method} {path}"
        for page in pages()
        if page.parent.name != "reference"
        for method, path in SHOWN_ROUTE.findall(page.read_text(encoding="utf-8"))
        if (method, re.sub(r"\{[^}]+\}", "*", path.partition("?")[0])) not in known
    ]
    findings("routes exist", wrong)


# ------------------------------------------------------------------------------------------ style

RULE = re.compile(r"^- (?:.|\n(?!-|\n|#))+", re.MULTILINE)
CHECKER = re.compile(r"\[(ruff|types|walls|tidy|arch|docs|review)(?:: ([\w]+))?\]$")
HOMES = {"tidy": "test_tidy*.py", "arch": "test_architecture.py", "docs": "test_docs.py"}


def style_rules() -> list[str]:
    text = (ROOT / "STYLE.md").read_text(encoding="utf-8")
    return [" ".join(rule.split()) for rule in RULE.findall(text)]


def test_each_style_rule_names_a_checker_that_exists() -> None:
    walls = set(re.findall(r"contract:(\w+)", (ROOT / ".importlinter").read_text("utf-8")))
    tests = {
        kind: {
            name
            for path in (ROOT / "tests").glob(home)
            for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
        }
        for kind, home in HOMES.items()
    }
    wrong = []
    for rule in style_rules():
        told = CHECKER.search(rule)
        kind, what = (told[1], told[2] or "") if told else ("", "")
        known = tests.get(kind, walls if kind == "walls" else {what})
        if not told or what not in known:
            wrong.append(rule)
    findings("a rule ends with its checker", wrong)


def test_each_ruff_rule_that_the_style_names_is_on() -> None:
    named = {
        told[2] for rule in style_rules() if (told := CHECKER.search(rule)) and told[1] == "ruff"
    }
    shown = subprocess.run(
        [str(BIN / "ruff"), "check", "--show-settings", "src/solvent/kernel/audit/service.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    enabled = shown.partition("linter.rules.enabled")[2].partition("]")[0]
    findings("rules that are on", [code for code in sorted(named) if f"({code})" not in enabled])


def test_at_most_a_third_of_the_style_is_left_to_review() -> None:
    rules = style_rules()
    reviewed = [rule for rule in rules if rule.endswith("[review]")]
    assert len(rules) > 30
    assert len(reviewed) / len(rules) <= REVIEW_SHARE_MAX


def test_each_ignored_lint_has_its_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line == "ignore = [")
    ignored = lines[start + 1 : lines.index("]", start)]
    findings("an ignored rule says why", [one for one in ignored if "#" not in one])


def test_pytest_is_as_strict_as_the_style_says() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    options = told["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"][0] == "error"
    assert options["xfail_strict"] is True
    assert {"--strict-markers", "--strict-config"} <= set(options["addopts"])
    assert any(one.startswith("--allow-hosts=127.0.0.1") for one in options["addopts"])
    assert "pytest-randomly" in " ".join(map(str, told["dependency-groups"]["dev"]))


# -------------------------------------------------------------------------------------- decisions


def adrs() -> list[Path]:
    return under("docs/adr", suffix=".md")


def test_every_adr_has_its_five_parts_on_one_page() -> None:
    wrong = []
    for number, path in enumerate(adrs(), 1):
        text = path.read_text(encoding="utf-8")
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        named = path.name.startswith(f"{number:04}-") and text.startswith(f"# ADR {number}: ")
        if parts != ADR_PARTS or not named or len(text.splitlines()) > ADR_LINES:
            wrong.append(name_of(path))
    findings("context, decision, consequences, alternatives, enforced by, in order", wrong)
    assert len(adrs()) >= 8


def test_what_a_page_says_a_test_holds_is_held_by_one() -> None:
    known = source.test_names()
    wrong = [
        f"{name_of(page)}: {name}"
        for page in pages()
        for name in re.findall(r"`(?:[\w./]+::)?(test_\w+)`", page.read_text(encoding="utf-8"))
        if name not in known
    ]
    findings("tests that pages name", wrong)


def test_the_glossary_is_sorted_and_names_every_module() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
    assert words == sorted(words, key=str.lower)
    assert len(words) == len(set(words))
    singular = {word.removesuffix("s").replace("ie", "y") for word in source.KERNEL}
    known = " ".join(words)
    findings("modules in the glossary", [word for word in singular if word[:5] not in known])
