"""What README.md and docs/ name is there: verbs, flags, settings, files, links."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import pytest

from sdlc_runner.arguments import build_parser
from sdlc_runner.setting import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
CODE = re.compile(r"```[a-z]*\n(?P<block>.*?)```|`(?P<span>[^`\n]+)`", re.DOTALL)
CALL = re.compile(r"(?:^|[\s`])sdlc-runner (?P<verb>[a-z-]+)(?P<rest>[^`\n|#&;]*)", re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
SCRIPT = re.compile(r"(?<![\w/.-])(?:scripts|bench|tests|helpers|docs)/[\w./-]*[\w-]")
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
FOREIGN = {"-m", "-c"}  # python's and git's

every = pytest.mark.parametrize("page", NAMED)


def verbs() -> dict[str, argparse.ArgumentParser]:
    (action,) = (
        action
        for action in build_parser()._actions  # noqa: SLF001 - argparse shows them nowhere else
        if isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
    )
    return dict(action.choices)


VERBS = verbs()


def flags(verb: str) -> set[str]:
    return set(VERBS[verb]._option_string_actions)  # noqa: SLF001


ALL_FLAGS = {flag for verb in VERBS for flag in flags(verb)}


def code(page: str) -> str:
    """Return a page's code, spans and blocks, one a line."""
    return "\n".join(match["block"] or match["span"] for match in CODE.finditer(NAMED[page]))


def test_the_pages_are_read() -> None:
    assert {"README.md", "docs/commands.md", "docs/configuration.md", "docs/events.md"} <= set(
        NAMED
    )
    assert len(list(CALL.finditer(code("README.md")))) >= 3
    assert len(VERBS) >= 15


@every
def test_every_call_is_one_that_the_parser_takes(page: str) -> None:
    for match in CALL.finditer(code(page)):
        verb, rest = match["verb"], match["rest"]
        assert verb in VERBS, f"{page}: sdlc-runner {verb}"
        unknown = set(FLAG.findall(rest)) - flags(verb)
        assert not unknown, f"{page}: sdlc-runner {verb} {rest}: {unknown}"


@every
def test_every_flag_is_a_flag_of_some_verb(page: str) -> None:
    spans = [match["span"] for match in CODE.finditer(NAMED[page]) if match["span"]]
    for span in spans:
        first = span.split()[0].split("=")[0] if span.split() else ""
        if first in VERBS:
            unknown = set(FLAG.findall(span)) - flags(first)
            assert not unknown, f"{page}: `{span}`"
        elif first.startswith("-") and FLAG.fullmatch(first.rstrip(",")):
            assert first.rstrip(",") in ALL_FLAGS | FOREIGN, f"{page}: `{span}`"


def test_the_readmes_table_names_only_verbs() -> None:
    rows = [line for line in NAMED["README.md"].splitlines() if line.startswith("| `")]
    words = [span.split()[0] for row in rows for span in re.findall("`([^`]+)`", row.split("|")[1])]
    assert len(words) >= 10
    assert set(words) <= set(VERBS)


def test_every_verb_is_in_the_commands_page() -> None:
    assert set(re.findall(r"^## `([a-z-]+)`$", NAMED["docs/commands.md"], re.MULTILINE)) == set(
        VERBS
    )


@every
def test_every_link_resolves(page: str) -> None:
    for match in LINK.finditer(NAMED[page]):
        target = match["target"]
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(path), f"{page}: {target}"


def anchors(path: Path) -> set[str]:
    """Return a page's anchors, as GitHub makes them of its headings."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title).strip().lower().replace(" ", "-") for title in titles}


@every
def test_every_script_and_file_that_is_named_exists(page: str) -> None:
    for name in SCRIPT.findall(code(page)):
        assert (ROOT / name).exists(), f"{page}: {name}"
    for line in code(page).splitlines():
        words = line.split()
        if words and SCRIPT.fullmatch(words[0]) and (ROOT / words[0]).is_file():
            assert os.access(ROOT / words[0], os.X_OK) or "." in words[0], f"{page}: {words[0]}"


@every
def test_every_setting_and_variable_exists(page: str) -> None:
    variables = {setting.variable for setting in SETTINGS}
    for name in re.findall(r"\bSDLC_RUNNER_[A-Z_]+\b", NAMED[page]):
        assert name in variables, f"{page}: {name}"
    groups = {setting.key.partition(".")[0] for setting in SETTINGS if "." in setting.key}
    keys = {setting.key for setting in SETTINGS}
    pattern = rf"`((?:{'|'.join(sorted(groups))})\.[a-z_]+)`"
    for name in re.findall(pattern, NAMED[page]):
        assert name in keys, f"{page}: {name}"


def test_every_setting_is_in_the_configuration_page() -> None:
    page = NAMED["docs/configuration.md"]
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE)) == {
        item.key for item in SETTINGS
    }


def test_modules_that_the_architecture_names_exist() -> None:
    page = NAMED["docs/architecture.md"]
    table = page.partition("| question | module |")[2].partition("\n\n")[0]
    names = [
        name
        for row in table.splitlines()
        if row.startswith("| ") and "---" not in row
        for name in re.findall("`([a-z_/]+)`", row.rpartition(" | ")[2] or row.split("|")[2])
    ]
    package = ROOT / "helpers" / "sdlc_runner"
    for name in names:
        assert (package / f"{name}.py").exists() or (package / name / "__init__.py").exists(), name
    assert len(names) >= 10
