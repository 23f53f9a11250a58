"""``/implement`` in the real OpenCode, with a model that does what our texts say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import harness as harnesses
from support.git import spec_kit_layouts
from support.harness import Harness, until
from support.model import session_model
from support.model.server import Call, ModelServer, Rule, calls, path, says, shell, write
from support.model.session_model import Command, Implementer, Past
from support.opencode.developer_session import OpenCode
from support.opencode.implemented_feature import TASKS, WRITE, attempts, boxes, implement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.model.request import Request
    from support.model.server import Turn

    Make = Callable[[str], str]

pytestmark = [pytest.mark.opencode, pytest.mark.slow, pytest.mark.timeout(280)]


@pytest.fixture
def harness(tmp_path: Path, programs: Path) -> Iterator[Harness]:
    """A rig of a developer who has OpenCode on PATH."""
    made = harnesses.create(tmp_path)
    made.env["PATH"] = f"{programs}:{made.env['PATH']}"
    yield made
    made.kill_attempts()


@pytest.fixture
def make(harness: Harness) -> Make:
    """Make a repository of a flavour, with the bundle; returns the command to type."""

    def make(variant: str) -> str:
        lay_out, typed = spec_kit_layouts.FLAVOURS[variant]
        lay_out(harness)
        assert harness.run("install").code == 0
        harness.commit("Have agents do what is marked [ASYNC]")
        return typed

    return make


def agents(harness: Harness, before: str) -> None:
    """Have agents note that they began, do something, and write their task's file."""
    note = f"with open({str(harness.folder / 'began')!r}, 'a') as file: file.write(task + '\\n')\n"
    harness.agent(note + before + WRITE)


def began(harness: Harness) -> list[str]:
    path = harness.folder / "began"
    return sorted(path.read_text().split()) if path.exists() else []


def test_a_feature_is_done_and_the_session_shows_it(harness: Harness, make: Make) -> None:
    implement(harness, make("upstream"), flood=250_000)  # 50 MB


HOLD = """
while not os.path.exists({go!r}): time.sleep(0.05)
"""


def helpers(harness: Harness) -> list[str]:
    """The command lines of our verbs that run in the checkout."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == harness.checkout:
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if "run.py" in line]


def test_a_session_that_was_killed_is_gone_on_with(harness: Harness, make: Make) -> None:
    typed = make("singular")
    harness.tasks(
        """\
        - [ ] T001 [SYNC] Choose the names in `names.txt`
        - [ ] T002 [P] [ASYNC] Write `a.txt`
        - [ ] T003 [P] [ASYNC] Write `b.txt`
        - [ ] T004 [ASYNC] Begin `c.txt`
        - [ ] T005 [ASYNC] Go on in `c.txt`
        """
    )
    agents(harness, HOLD.format(go=str(harness.folder / "go")))
    rules = session_model.rules(Implementer(TASKS))
    with ModelServer(rules) as model:
        with OpenCode(harness, model) as opencode:
            opencode.begin(typed)
            until(lambda: began(harness) == ["T002", "T003"], 120)
            assert len(helpers(harness)) == 3
            opencode.kill()
        until(lambda: not helpers(harness), 30)
        with OpenCode(harness, model) as opencode:
            session, idle = opencode.begin(typed)
            until(lambda: len(helpers(harness)) == 3, 120)
            (harness.folder / "go").touch()
            idle.result(200)
            made = opencode.calls(session)
    assert began(harness) == ["T002", "T003", "T004", "T005"]
    assert attempts(harness) == ["T002/1", "T003/1", "T004/1"]  # the last two are one bundle
    assert boxes(harness) == {"T001", "T002", "T003", "T004", "T005"}
    assert harness.remote_file("c.txt") == "by T004\nby T005"
    answers = "".join(call.output for call in made if call.name == "task")
    words = re.findall(r"^([A-Z]+ T\S+)$", answers, re.MULTILINE)
    assert words == ["DONE T002", "DONE T003", "DONE T004", "DONE T005"]


class Sloppy(Implementer):
    """Ticks what it will hand over, hands over too much, and knows no word of an answer."""

    def step(self, text: Command, past: Past) -> Turn:
        if past.step == "write" and not past.has_published:
            return calls(self.tick(text, "T001"), self.tick(text, "T002"))
        if past.step == "publish" and "[ticked_by_hand]" in past.last[0].result:
            return calls(self.tick(text, "T002", "[X]", "[ ]"))
        if past.step == "plan" and len(past.handed) > 5:
            return calls(text.call("report"))
        if past.step == "plan" and past.wave and not past.handed:
            handed = [*(item.task for item in past.wave), "T001", "T099", past.wave[0].task]
            return calls(*map(text.hand_over, handed), text.watch(handed))
        return super().step(text, past)


def hasty(request: Request) -> Turn:
    """A subagent that tries everything else first, calls follow twice, and answers as it likes."""
    right = session_model.spawn(request)
    root, command = right.arguments["workdir"], str(right.arguments["command"])
    follow = command.replace(" spawn ", " follow ").replace(" --follow", "")
    turns = (
        calls(
            shell(follow.replace(" follow ", " merge "), workdir=root),
            shell(f"{command} | tail -1", workdir=root),
            shell(f"{command} --set agent.model=x/y", workdir=root),
            shell("git push origin HEAD:main", workdir=root),
            write(f"{root}/{TASKS}", "- [X] T003 [ASYNC] Write `a.txt`\n"),
        ),
        calls(right, shell(follow, workdir=root), shell(follow, workdir=root)),
    )
    return turns[request.turn] if request.turn < len(turns) else says("I think it went well!")


def test_a_sloppy_model_is_refused_or_does_no_harm(harness: Harness, make: Make) -> None:
    typed = make("fork")
    text = """\
        - [ ] T001 [SYNC] Choose the names in `names.txt`
        - [ ] T002 [P] [ASYNC] Write `a.txt`
        - [ ] T003 [P] [ASYNC] Write `hard.txt`
        """
    harness.tasks(text)
    main = harness.remote_refs()["refs/heads/main"]
    agents(harness, "time.sleep(1)\nif task == 'T003': sys.exit(3)")
    rules = session_model.rules(Sloppy(TASKS), hasty)
    with ModelServer(rules) as model, OpenCode(harness, model) as opencode:
        session = opencode.type(typed)
        made = opencode.calls(session)
        children = [opencode.calls(child) for child in opencode.children(session)]
    assert began(harness) == ["T002", "T003"]
    assert attempts(harness) == ["T002/1", "T003/1"]
    assert boxes(harness) == {"T001", "T002"}
    ticks = text.replace("[ ] T001", "[X] T001").replace("[ ] T002", "[X] T002")
    assert harness.remote_file(TASKS).split() == ticks.split()
    assert harness.remote_refs()["refs/heads/main"] == main
    assert any("[ticked_by_hand]" in call.output for call in made)
    assert len(children) == 6
    for child in children:
        assert {call.status for call in child if call.turn == child[0].turn} == {"error"}
        assert "completed" in {call.status for call in child}
    refused = {child[5].output.split(" [")[1].split("]")[0] for child in children}
    assert {"unknown_task", "task_done"} <= refused


def test_an_agent_whose_clone_has_the_bundle_hands_nothing_over(
    harness: Harness, make: Make
) -> None:
    make("none")
    harness.tasks("- [ ] T001 [P] [ASYNC] Write `a.txt`\n- [ ] T002 [P] [ASYNC] Write `b.txt`\n")
    del harness.env["SDLC_RUNNER_AGENT_COMMAND"]
    run = "python3 .opencode/sdlc-runner/run.py"
    asked = {"description": "d", "prompt": "Task T002.", "subagent_type": "async-runner"}
    turns = (
        calls(Call("task", asked), shell(f"{run} spawn T002 --follow"), shell(f"{run} run")),
        lambda request: calls(write(path(request, "a.txt"), "\n--\n".join(request.results))),
        says("Done."),
    )
    with ModelServer([Rule("Implement task T001", turns)]) as model:
        harness.env |= model.environment({})
        done = harness.run("run", "T001")
    assert done.code == 0, done.stdout
    assert attempts(harness) == ["T001/1"]
    assert harness.ticked() == {"T001"}
    handed, *called = harness.remote_file("a.txt").split("\n--\n")
    assert "prevents you" in handed
    assert len(called) == 2
    assert all("[no_remote]" in said for said in called)  # the clone that an agent has has none
