"""What the documents name is there: verbs, flags, settings, values, files, links."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sdlc_runner.cli.commands import COMMANDS
from sdlc_runner.cli.parser import build_parser
from sdlc_runner.config.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "agentic-sdlc-agent-runner"
FOLDERS = ("", "bench", "charts/*", "docker", "docs", "releases/*", "scripts", "tests/*")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md".lstrip("/")))
NAMED = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
CODE = re.compile(r"```[a-z]*\n(?P<block>.*?)```|`(?P<span>[^`\n]+)`", re.DOTALL)
CALL = re.compile(r"(?:^|[\s`])sdlc-runner (?P<verb>[a-z-]+)(?P<rest>[^`\n|#&;]*)", re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
TOP = "scripts|bench|tests|helpers|docs|docker|charts|releases"
SCRIPT = re.compile(rf"(?<![\w/.-])(?:{TOP})/[\w./-]*[\w-]")
BRANCH = re.compile(r"^[│ ]*[├└]── (?P<name>[\w./-]+)", re.MULTILINE)
FLAG = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
# Flags of python, git, Helm and Docker.
FOREIGN = {"-m", "-c", "--create-namespace", "--no-hooks", "--secret"}

every = pytest.mark.parametrize("page", NAMED)


def verbs() -> dict[str, argparse.ArgumentParser]:
    (action,) = (
        action
        for action in build_parser(COMMANDS)._actions  # noqa: SLF001 - argparse shows them nowhere else
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
    pages = {"README.md", "SPEC.md", "docs/commands.md", "scripts/README.md", "docker/README.md"}
    assert {*pages, "charts/agentic-sdlc-agent-runner/README.md"} <= set(NAMED)
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
    keys, values = {setting.key for setting in SETTINGS}, set(values_of_the_chart())
    groups = {key.partition(".")[0] for key in {*keys, *values} if "." in key}
    pattern = rf"`((?:{'|'.join(sorted(groups))})\.(?!(?:py|yml|jsonc?)`)[A-Za-z_.]+)(?:: [a-z]+)?`"
    for name in re.findall(pattern, NAMED[page]):
        assert name in {*keys, *values}, f"{page}: {name}"


def values_of_the_chart(below: Any = None, start: str = "") -> Iterator[str]:  # noqa: ANN401
    """Name every value, and every group of them."""
    found = yaml.safe_load((CHART / "values.yaml").read_text()) if below is None else below
    for key, value in found.items():
        yield f"{start}{key}"
        if isinstance(value, dict):
            yield from values_of_the_chart(value, f"{start}{key}.")


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


def tree_of_the_specification() -> Iterator[str]:
    """Yield the files of its picture; how deep a line is stands in its column."""
    above: list[tuple[int, str]] = []
    picture = NAMED["SPEC.md"].partition("## Directory structure")[2].split("```")[1]
    for match in BRANCH.finditer(picture):
        column = match.start("name") - match.start()
        above = [parent for parent in above if parent[0] < column]
        path = "".join(name for _, name in above) + match["name"]
        if path.endswith("/"):
            above.append((column, match["name"]))
        else:
            yield path


def test_every_file_of_the_specifications_tree_exists() -> None:
    files = list(tree_of_the_specification())
    assert files[0] == "SPEC.md"
    assert "charts/agentic-sdlc-agent-runner/templates/pod-template.yaml" in files
    assert "releases/agentic-sdlc-agent-runner-prod/argocd.yaml" in files
    assert len(files) == 25
    assert not [name for name in files if not (ROOT / name).is_file()]


def test_every_script_has_a_line_in_its_readme() -> None:
    there = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file()} - {"README.md"}
    assert not [name for name in there if f"`{name}`" not in NAMED["scripts/README.md"]]


def test_every_page_can_be_reached_from_the_readme() -> None:
    found, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page in NAMED and page not in found:
            found.add(page)
            targets = [match["target"].partition("#")[0] for match in LINK.finditer(NAMED[page])]
            paths = ((ROOT / page).parent / target for target in targets if "://" not in target)
            ahead += [os.path.relpath(path.resolve(), ROOT) for path in paths]
    assert not set(NAMED) - found
