"""Layers point one way, and each door to the outside is in one module."""

from __future__ import annotations

import ast
import sys
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

import sources

if TYPE_CHECKING:
    from collections.abc import Iterator

# A module may import its own layer and those above it in this table, never those below.
# A package stands for all of its modules.
LAYERS = {
    "foundation": """
        errors words wire events naming attempt process config yaml_file plain_yaml
        protected tokens reading setting ending
        """,
    # outcome is the vocabulary and the table in which backends and the remote give evidence
    "access": "git repo remote case outcome delegation consent kube backends wrapper",
    "domain": """
        planning chatter follow merge cursor render output report installing bundle
        session session_output live_line thinning
        """,
    "operations": "operations project",
    "front": "cli verbs arguments options seed __main__ demo private_packages",
}

# What reads text only: nothing it imports, nor what that imports, opens one of these doors.
PURE = "reading planning cursor tokens report"
DOORS = "process git repo remote consent kube backends wrapper operations"

# Third-party packages, and the few modules that may import each.
THIRD_PARTY = {
    "yaml": "yaml_file",
    "kubernetes": "kube.api kube.access",
    "urllib3": "kube.api kube.access kube.stream",
}

# The agent wrapper goes into the image with these and nothing else.
WRAPPER = "errors words wire events naming attempt process protected tokens git wrapper"

# The wrapper's parts, each with those that it knows: the git side knows nobody.
PARTS = {"git_side": "", "network": "", "agent_side": "network", "served": "agent_side network"}
SHARED_BY_PARTS = "journal mask secrets secret_files sources loose_json stopping"

STARTS_PROGRAMS = {
    "os": ("system", "popen", "fork", "forkpty", "spawn", "posix_spawn"),
    "asyncio": ("create_subprocess",),
}
PROGRAM_MODULES = {"subprocess", "pty", "multiprocessing", "_posixsubprocess"}

RANKS = {name: rank for rank, members in enumerate(LAYERS.values()) for name in members.split()}
MODULES = sources.modules()
NAMED = [name for name in MODULES if name]


class Import(NamedTuple):
    """One name that a module imports, and whether only the type checker does."""

    target: str
    line: int
    typing_only: bool


@cache
def imports(module: str) -> tuple[Import, ...]:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    typing_only = {id(node) for block in _typing_blocks(tree) for node in ast.walk(block)}
    return tuple(
        Import(target, node.lineno, id(node) in typing_only)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for target in _targets(node)
    )


def _typing_blocks(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body


def _targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        assert node.level == 0, f"line {node.lineno}: imports are absolute"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def internal(target: str) -> str | None:
    """The module of ours that an imported name comes from, below the package."""
    package, _, rest = target.partition(".")
    if package != sources.PACKAGE.name:
        return None
    while rest not in MODULES:
        rest = rest.rpartition(".")[0]
    return rest


def closure(module: str) -> set[str]:
    """What is in memory, or may come to be, once a module is imported: ours and others'."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        for found in imports(todo.pop()):
            own = internal(found.target)
            name = found.target.partition(".")[0] if own is None else own
            if not found.typing_only and name not in seen:
                seen.add(name)
                todo += [] if own is None else [own]
    return seen


def top(module: str) -> str:
    return module.partition(".")[0]


def part(module: str) -> str:
    """What a module of the wrapper belongs to: a folder, or itself."""
    return module.removeprefix("wrapper.").partition(".")[0] if top(module) == "wrapper" else ""


def test_no_module_has_two_layers() -> None:
    members = [name for names in LAYERS.values() for name in names.split()]
    assert len(members) == len(RANKS)


@pytest.mark.parametrize("module", NAMED)
def test_has_a_layer(module: str) -> None:
    assert top(module) in RANKS, (
        f"{module} is new: give it a layer in the table LAYERS of tests/unit/test_layers.py"
    )


@pytest.mark.parametrize("module", NAMED)
def test_imports_its_own_layer_or_those_it_rests_on(module: str) -> None:
    for found in imports(module):
        own = internal(found.target)
        if own and top(own) in RANKS and top(module) in RANKS:
            assert RANKS[top(own)] <= RANKS[top(module)], (
                f"line {found.line}: {module} must not know {own}, which rests on it"
            )


@pytest.mark.parametrize("module", NAMED)
def test_third_party_packages_have_one_door_each(module: str) -> None:
    for found in imports(module):
        package = top(found.target)
        if package == sources.PACKAGE.name or package in sys.stdlib_module_names:
            continue
        doors = THIRD_PARTY.get(package, "").split()
        assert module in doors, f"line {found.line}: {module} imports {package}; allowed: {doors}"


@pytest.mark.parametrize("module", [name for name in NAMED if name != "process"])
def test_only_process_starts_programs(module: str) -> None:
    assert not {top(found.target) for found in imports(module)} & PROGRAM_MODULES
    for name in _dotted_names(module):
        package, _, attribute = name.partition(".")
        assert not attribute.startswith(STARTS_PROGRAMS.get(package, ("\0",))), name


def _dotted_names(module: str) -> Iterator[str]:
    yield from (found.target for found in imports(module))
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


@pytest.mark.parametrize("module", [name for name in NAMED if top(name) == "wrapper"])
def test_the_wrapper_needs_the_standard_library_only(module: str) -> None:
    strangers = closure(module) - sys.stdlib_module_names - {""}
    assert {top(name) for name in strangers} <= set(WRAPPER.split())


@pytest.mark.parametrize("module", [name for name in NAMED if part(name) in PARTS])
def test_the_two_sides_share_little(module: str) -> None:
    allowed = {part(module), *PARTS[part(module)].split(), *SHARED_BY_PARTS.split()}
    for found in imports(module):
        own = internal(found.target)
        if own and top(own) == "wrapper" and own != "wrapper":
            assert part(own) in allowed, f"line {found.line}: {module} must not know {own}"


@pytest.mark.parametrize("module", [name for name in NAMED if top(name) in PURE.split()])
def test_reading_opens_no_door(module: str) -> None:
    known = closure(module)
    assert not {top(name) for name in known} & {*DOORS.split(), *THIRD_PARTY, *PROGRAM_MODULES}
    assert {name for name in known if name not in MODULES} <= sys.stdlib_module_names


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    runtime = {
        name: {internal(found.target) for found in imports(name) if not found.typing_only}
        for name in NAMED
    }
    circles = [name for name in NAMED if _reaches(runtime, name)]
    assert not circles


def _reaches(edges: dict[str, set[str | None]], start: str) -> bool:
    seen: set[str | None] = set()
    todo: list[str | None] = [start]
    while todo:
        new = edges.get(todo.pop() or "", set()) - seen - {None, ""}
        seen |= new
        todo += new
    return start in seen


def test_scripts_beside_the_package_hold_no_logic() -> None:
    for path in sources.HELPERS.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                packages = {top(target) for target in _targets(node)}
                assert packages <= sys.stdlib_module_names | {sources.PACKAGE.name}, path.name
            assert not isinstance(node, ast.ClassDef), path.name
