"""The command table: a new command is one row and one module, and everything else follows."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from sdlc_runner import commands
from sdlc_runner.cli import main
from sdlc_runner.cli.commands import COMMANDS, Caller, Command
from sdlc_runner.cli.parser import build_parser, switch
from sdlc_runner.errors import ExitCode
from sdlc_runner.install import permissions
from support import source_files

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call

AGENT = source_files.ROOT / ".opencode/agents/async-runner.md"
NOT_COMMANDS = {"__init__", "call"}
GREET = Command(
    "greet",
    "say hello",
    "greet --loud",
    (switch("--loud", "say it loud", old="--shout"),),
    run="greeting:greet",
    callers=frozenset({Caller.SESSION}),
    in_repository=False,
)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_row_runs_is_there(name: str) -> None:
    assert callable(COMMANDS[name].load())


def test_every_module_is_a_command_of_the_table() -> None:
    modules = {path.stem for path in Path(commands.__path__[0]).glob("*.py")}
    assert modules - NOT_COMMANDS == set(COMMANDS)


def greet(*argv: str, monkeypatch: pytest.MonkeyPatch) -> tuple[ExitCode, str, list[Any]]:
    """Call a command that only this table has."""
    called: list[Any] = []
    module = ModuleType("greeting")

    def run(call: Call) -> ExitCode:
        called.append(call.args.loud)
        return ExitCode.OK

    module.greet = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "greeting", module)
    stderr = io.StringIO()
    table = {**COMMANDS, GREET.name: GREET}
    code = main.main(["greet", *argv], {}, io.BytesIO(), stderr, table)
    return code, stderr.getvalue(), called


def test_a_new_row_is_all_that_a_command_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert greet("--loud", monkeypatch=monkeypatch) == (ExitCode.OK, "", [True])
    table = {**COMMANDS, GREET.name: GREET}
    assert "say hello" in build_parser(table).format_help()
    rules = permissions.rules([row.name for row in table.values() if row.in_session])
    assert rules["bash"][f"{permissions.CALL} greet *"] == "allow"


def test_the_old_name_of_a_flag_is_read_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    code, noted, called = greet("--shout", monkeypatch=monkeypatch)
    assert (code, called) == (ExitCode.OK, [True])
    assert noted == "--shout is now --loud; the old name will be removed.\n"
    assert "--shout" not in build_parser({"greet": GREET}).format_help()


def test_the_subagent_may_run_what_the_table_says() -> None:
    front = yaml.safe_load(AGENT.read_text().split("---\n")[1])
    rules = front["permission"]["bash"]
    allowed = {rule for rule, answer in rules.items() if answer == "allow"}
    names = (row.name for row in COMMANDS.values() if Caller.SUBAGENT in row.callers)
    assert allowed == {f"{permissions.CALL} {name} *" for name in names}
