"""The documents say what is true: commands, options and settings exist, TOML holds, Python runs."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from doorkey import ChatProvider, Provider
from doorkey.cli.main import cli
from doorkey.config.registry import build_sites, provider_class, provider_names
from doorkey.config.settings import Settings, describe

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md")), ROOT / "browser_profiles" / "README.md"]
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SETTINGS = {key for key, _, _ in describe()}
SECTIONS = {key.partition(".")[0] for key in SETTINGS}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(language: str) -> list[object]:
    return [
        pytest.param(match[2], id=f"{name_of(page)}:{text[: match.start()].count(chr(10)) + 1}")
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for match in BLOCK.finditer(text)
        if match[1] == language
    ]


def commands(text: str) -> list[str]:
    """Every `doorkey …` command line: in blocks of shell, and between backticks."""
    shells = [match[2] for match in BLOCK.finditer(text) if match[1] in ("sh", "bash", "console", "shell", "")]
    lines = [line.strip().removeprefix("$ ") for block in shells for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", BLOCK.sub("", text))
    found = [re.sub(r"^(?:[A-Z_]+=\S+\s+)+", "", line) for line in lines]
    return [line for line in found if line == "doorkey" or line.startswith("doorkey ")]


def wrong_command(line: str) -> str:
    """Why a command line can't be right; empty when it can."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words = []
    for word in lexer:
        if set(word) <= set("|;&<>"):
            break
        words.append(word.strip("[]…"))
    command: click.Command = cli
    for word in words[1:]:
        if word.startswith("-") and word not in ("-", "-h", "--help"):
            option = word.partition("=")[0]
            if option not in {name for param in command.params for name in (*param.opts, *param.secondary_opts)}:
                return f"{line}: {command.name} has no option {option}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z]+", word):
            if word not in command.commands:
                return f"{line}: there is no command {word}"
            command = command.commands[word]
    return ""


FOR_TESTS = {"DOORKEY_REQUIRE", "DOORKEY_TEST_WPAICG_URL"}
"""Variables that only the tests read."""


def unknown_settings(text: str) -> list[str]:
    """Names between backticks that look like a setting and are none: `service.prot`, `DOORKEY_SERVICE__PROT`."""
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", BLOCK.sub("", text))
    known = {re.sub(r"^sites\.NAME\.", "sites.", key) for key in SETTINGS} | SECTIONS
    found = []
    for span in spans:
        key = re.fullmatch(r"(\w+)\.([\w.-]+)", span)
        if key and key[1] in SECTIONS and span not in SETTINGS:
            parts = span.split(".")
            plain = f"sites.{parts[-1]}" if parts[0] == "sites" and len(parts) == 3 else span
            found += [span] if plain not in known else []
    for variable in re.findall(r"\bDOORKEY_[A-Z0-9_a-z]+", text):
        parts = variable.removeprefix("DOORKEY_").lower().split("__")
        plain = ".".join([parts[0], parts[-1]] if len(parts) > 1 else parts)
        whole_site = parts[0] == "sites" and len(parts) == 2
        if variable not in FOR_TESTS and plain not in known and parts[0] != "models" and not whole_site:
            found.append(variable)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_option_exists(page: Path) -> None:
    assert [wrong for line in commands(page.read_text(encoding="utf-8")) if (wrong := wrong_command(line))] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_exists(page: Path) -> None:
    assert unknown_settings(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_that_is_named_is_there(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    named = re.findall(r"(?<![\w./-])[\w./-]+\.py\b", text)
    named += re.findall(r"`((?:runtime|providers|tests|bench|docs)/[\w./-]*/)`", text)
    roots = (ROOT, ROOT / "runtime" / "doorkey")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    text = page.read_text(encoding="utf-8")
    shells = " ".join(block[2] for block in BLOCK.finditer(text) if block[1] == "sh")
    spans = " ".join(re.findall(r"`[^`\n]+`", BLOCK.sub("", text)))
    assert set(re.findall(r"\bmake ([a-z-]+)(?=[`\s])", f"{shells} {spans}")) <= targets


def test_every_method_on_the_path_of_a_request_exists() -> None:
    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z]\w+\.\w+)`", text))
    assert len(named) >= 9
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "runtime" / "doorkey").rglob("*.py")]
    classes = [node for source in sources for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    methods = {f"{node.name}.{item.name}" for node in classes for item in node.body if hasattr(item, "name")}
    assert named - methods == set()


def recipes() -> list[object]:
    return [
        pytest.param(file.read_text(encoding="utf-8"), id=name_of(file))
        for file in sorted((ROOT / "docs" / "recipes").glob("*.toml"))
    ]


@pytest.mark.parametrize("text", [*blocks("toml"), *recipes()])
def test_every_toml_block_can_be_used(text: str) -> None:
    data = tomllib.loads(text)
    if SECTIONS & set(data):
        # An alias or a key may name a site of another block: what is looked at here is each key and value.
        sites = {target.partition("/")[0]: {} for targets in data.get("models", {}).values() for target in targets}
        keys = data.get("service", {}).get("keys", {})
        sites |= {site: {} for key in keys.values() for site in key.get("sites", ())}
        Settings.model_validate({**data, "sites": {**sites, **data.get("sites", {})}})
        whole = {name: site for name, site in data.get("sites", {}).items() if {"provider", "url"} <= set(site)}
        assert set(build_sites(Settings.model_validate({"sites": whole}))) == set(whole)


@pytest.mark.parametrize("text", blocks("python"))
def test_every_python_block_runs_as_far_as_it_needs_no_site(text: str) -> None:
    compile(text, "README.md", "exec", flags=0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT
    if re.search(r"^class \w+\((?:doorkey\.)?(?:Chat)?Provider\)", text, re.M):
        run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, cwd=ROOT)
        assert run.returncode == 0, run.stderr
        assert len([line for line in text.splitlines() if line.strip()]) < 40


def linked(page: Path) -> set[Path]:
    """The pages that *page* leads to."""
    files = {target.partition("#")[0] for target in LINK.findall(page.read_text(encoding="utf-8"))}
    return {(page.parent / file).resolve() for file in files if file and "://" not in file}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [target for target in linked(page) if not target.exists()] == []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        file, sign, anchor = target.partition("#")
        if sign and "://" not in file:
            assert anchor in anchors(page.parent / file if file else page), target


def test_every_page_is_two_links_from_the_readme_at_most() -> None:
    near = {README, *linked(README)}
    assert set(PAGES) - near.union(*(linked(page) for page in near if page.suffix == ".md")) == set()


def test_the_readme_fits_on_two_screens() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_every_part_of_a_provider_is_told() -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", (ROOT / "docs" / "providers.md").read_text(encoding="utf-8"), re.M)
    told = {name for row in rows for name in re.findall(r"`(\w+)", row)}
    has = {name for kind in (Provider, ChatProvider) for name in vars(kind) if not name.startswith("_")}
    assert has - told == {"steps_of"}  # told beside `steps`
    assert told - has == set()


def test_what_providers_add_is_told() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    section = text.partition("## What providers add\n")[2].partition("\n## ")[0]
    none = re.search(r"; ([^;]*) take none\.", section)
    kinds = {name: provider_class(name).Options for name in provider_names()}
    assert none is not None
    assert set(re.findall(r"`(\w+)`", none[1])) == {name for name, options in kinds.items() if options is None}
    assert [name for name in kinds if f"`{name}`" not in section] == []


def test_the_table_of_settings_is_whole() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]*\w)` \| (?:`(.*?)`)? ?\| (.*) \|$", text, re.M)
    # As the file writes it: TOML, not Python.
    told = {key: (tomllib.loads(f"it = {value}")["it"] if value else None, meaning) for key, value, meaning in rows}
    wanted = {key: (list(value) if isinstance(value, tuple) else value, meaning) for key, value, meaning in describe()}
    assert {key: found for key, found in told.items() if key in wanted} == wanted


@pytest.mark.parametrize("line", ["doorkey serv", "doorkey serve --prot 1", "doorkey config chek"])
def test_a_wrong_command_is_found(line: str) -> None:
    assert commands(f"```sh\nDOORKEY_X=1 {line} | cat\n```\n") == [f"{line} | cat"]
    assert wrong_command(line)


@pytest.mark.parametrize(
    "line", ["doorkey", "doorkey serve --port 9000  # comment", 'doorkey ask -m x/y "What is a --flag?"', "doorkey -h"]
)
def test_a_right_command_is_let_through(line: str) -> None:
    assert wrong_command(line) == ""


def test_a_wrong_setting_is_found() -> None:
    text = (
        "`service.prot`, `DOORKEY_SERVICE__PROT`, `sites.x.ulr`, `service.port`, `sites.x.url`, `DOORKEY_SITES__X__URL`"
    )
    assert unknown_settings(text) == ["service.prot", "sites.x.ulr", "DOORKEY_SERVICE__PROT"]
