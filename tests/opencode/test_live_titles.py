"""The plugin in the real OpenCode: a task row shows what its attempt does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.install import bundle_files
from sdlc_runner.install.live_titles import PLUGIN
from support import harness as harnesses
from support import source_files
from support.harness import Harness, until
from support.model.server import Call, ModelServer, Rule, calls, says, shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.opencode, pytest.mark.slow]

RUN = "python3 .opencode/sdlc-runner/run.py"
PROGRESS = """\
for step in range(1, 6):
    print(f'step {step} of 5', flush=True)
    time.sleep(1.5)
pathlib.Path(f'{task}.txt').write_text('done')
"""


@pytest.fixture
def bare(tmp_path: Path, programs: Path) -> Iterator[Harness]:
    """A rig with the bundle and the plugin, whose user's own folder OpenCode has filled before."""
    made = harnesses.create(tmp_path)
    made.env["PATH"] = f"{programs}:{made.env['PATH']}"
    made.env |= {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    fill(tmp_path / "config/opencode")
    yield made
    made.kill_attempts()


def fill(folder: Path) -> None:
    """Leave what OpenCode's npm leaves, as far as OpenCode looks."""
    (folder / "node_modules").mkdir(parents=True)
    lock = {"packages": {"": {"dependencies": {"@opencode-ai/plugin": "1.18.33"}}}}
    (folder / "package-lock.json").write_text(json.dumps(lock))


class Watched:
    """A running server, and every tool part that it tells of."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.parts: list[dict[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with urllib.request.urlopen(f"{self.url}/event", timeout=100) as stream:  # noqa: S310
            for line in stream:
                event = json.loads(line[5:]) if line.startswith(b"data:") else {}
                part = event.get("properties", {}).get("part", {})
                if event.get("type") == "message.part.updated" and part.get("type") == "tool":
                    self.parts.append(part)

    def ask(self, path: str, body: object = None) -> Any:  # noqa: ANN401
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=100) as answer:  # noqa: S310
            return json.loads(answer.read())

    def stored(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return a part as a model or a person reads it later."""
        messages = self.ask(f"/session/{part['sessionID']}/message")
        return next(each for m in messages for each in m["parts"] if each["id"] == part["id"])


@contextmanager
def serving(harness: Harness, model: ModelServer) -> Iterator[Watched]:
    env = {name: text for name, text in harness.env.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        ["opencode", "serve", "--port", "0"],
        cwd=harness.checkout,
        env=model.environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        listening = next(line for line in server.stdout if "http://" in line)
        yield Watched("http://" + listening.partition("http://")[2].strip())
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def scripted() -> ModelServer:
    """A session that hands T001 to the subagent, which makes its one call."""
    hands = Call(
        "task",
        {"subagent_type": "async-runner", "description": "Run T001", "prompt": "Task T001."},
    )
    follows = shell(f"{RUN} spawn T001 --follow", timeout=100_000)
    return ModelServer(
        [
            Rule("^Task T001", (calls(follows), says("DONE T001"))),
            Rule("^Go$", (calls(hands), says("finished"))),
            Rule("^Twice$", (calls(shell("echo one; sleep 2; echo two")), says("finished"))),
        ]
    )


def titles(watched: Watched, command: str) -> list[str]:
    """The titles that a call had while it ran."""
    return [
        part["state"]["title"]
        for part in watched.parts
        if part["state"]["status"] == "running"
        and part["state"]["input"].get("command", "").startswith(command)
        and part["state"].get("title")
    ]


def prompt(watched: Watched, text: str) -> None:
    session = watched.ask("/session", {})["id"]
    parts = [{"type": "text", "text": text}]
    watched.ask(f"/session/{session}/message", {"parts": parts})


def test_the_row_shows_the_newest_line_until_the_attempt_ends(bare: Harness) -> None:
    bare.tasks("## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write it in T001.txt\n")
    bare.agent(PROGRESS)
    assert bare.run("install", "--live-titles").code == 0
    bare.commit("Install the bundle")
    with scripted() as model, serving(bare, model) as watched:
        prompt(watched, "Go")
        until(lambda: ends(watched))
        shown = titles(watched, RUN)
        final = watched.stored(ends(watched)[-1])
    steps = [match[0] for title in shown if (match := re.search(r"step \d of 5", title))]
    assert len({*steps}) >= 3, shown
    assert steps == sorted(steps)
    assert all(len(title) <= 80 for title in shown)
    assert final["state"]["status"] == "completed"
    assert final["state"]["title"] == f"{RUN} spawn T001 --follow"
    assert "succeeded" in final["state"]["output"]
    assert not (bare.checkout / bundle_files.HOME / "live").exists()


def ends(watched: Watched) -> list[dict[str, Any]]:
    return [
        part
        for part in watched.parts
        if part["state"]["status"] == "completed"
        and part["state"]["input"].get("command", "").startswith(RUN)
    ]


def test_other_calls_are_left_alone(bare: Harness) -> None:
    assert bare.run("install", "--live-titles").code == 0
    with scripted() as model, serving(bare, model) as watched:
        prompt(watched, "Twice")
        until(lambda: any(part["state"]["status"] == "completed" for part in watched.parts))
        assert not titles(watched, "echo")


BENCH = """\
const {{ SdlcRunnerLiveTitles }} = await import({plugin})
const sent = []
const held = []
const patch = async (request) => {{
  sent.push(request.body.state)
  if ({fails}) throw new Error("refused")
  if ({slow}) await new Promise((go) => held.push(go))
}}
const {{ event }} = await SdlcRunnerLiveTitles({{
  client: {{ _client: {{ patch }} }}, worktree: {folder},
}})
const ours = "python3 .opencode/sdlc-runner/run.py follow T001"
const part = (status, output, command = ours) => event({{
  event: {{ type: "message.part.updated", properties: {{ part: {{ id: "p", sessionID: "s",
    messageID: "m", callID: "call_1", type: "tool", tool: "bash",
    state: {{ status, input: {{ command }}, metadata: {{ output }} }} }} }} }},
}})
const wait = (ms) => new Promise((go) => setTimeout(go, ms))
{script}
console.log(JSON.stringify(sent))
"""


def played(folder: Path, script: str, *, fails: bool = False, slow: bool = False) -> list[Any]:
    """Play events to the plugin in OpenCode's own JavaScript; return the states it sent."""
    file = folder / "play.mjs"
    plugin = json.dumps(str(source_files.ROOT / "helpers/sdlc_runner/bundle/plugin/live-titles.js"))
    words = {"fails": json.dumps(fails), "slow": json.dumps(slow)}
    file.write_text(
        BENCH.format(plugin=plugin, script=script, folder=json.dumps(str(folder)), **words)
    )
    env = {**os.environ, "BUN_BE_BUN": "1", "HOME": str(folder)}
    done = subprocess.run(
        [str(folder / "opencode"), "run", str(file)],
        env=env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return list(json.loads(done.stdout))


@pytest.fixture
def folder(tmp_path: Path, program: Path) -> Path:
    (tmp_path / "opencode").symlink_to(program / "opencode")
    return tmp_path


def test_what_is_shown_is_clean_and_short(folder: Path) -> None:
    hostile = r'"first\n\x1b[31mred\x1b[0m\x07 \u202eevil\t" + "\u{1F600}".repeat(200) + "\n\n"'
    (state,) = played(folder, f"await part('running', {hostile}); await wait(50)")
    assert state["title"] == "red evil " + "\U0001f600" * 70 + "…"
    assert state["status"] == "running"


def test_lines_in_a_hurry_are_thinned_and_the_last_one_is_shown(folder: Path) -> None:
    script = "for (let i = 0; i < 40; i++) { await part('running', `line ${i}`); await wait(30) }"
    sent = played(folder, f"{script}\nawait wait(700)")
    assert 2 <= len(sent) <= 5
    assert sent[-1]["title"] == "line 39"


def test_the_helper_s_own_newest_line_comes_before_what_it_printed(folder: Path) -> None:
    path = folder / ".opencode/sdlc-runner/live/call_1"
    path.parent.mkdir(parents=True)
    path.write_text("T001 reads models.py")
    sent = played(folder, "await part('running', 'T001 cloning'); await wait(50)")
    assert [state["title"] for state in sent] == ["T001 reads models.py"]


def test_an_end_has_the_last_word(folder: Path) -> None:
    """Also where a title crossed it on its way; a call that is never ended would run for ever."""
    crossed = "await part('running', 'one'); await wait(50); await part('completed', 'one')"
    freed = "held[0](); await wait(50); await part('running', 'two'); await wait(700)"
    sent = played(folder, f"{crossed}\n{freed}", slow=True)
    assert [state["status"] for state in sent] == ["running", "completed"]
    just = "await part('running', 'one'); await wait(50); await part('completed', 'one')"
    sent = played(folder, f"{just}\nawait wait(700)")
    assert [state["status"] for state in sent] == ["running", "completed"]
    pending = "await part('running', 'one'); await part('error', 'one'); await wait(700)"
    assert not played(folder, pending)


def test_only_our_calls_and_no_error_of_ours(folder: Path) -> None:
    others = ("ls", "python3 .opencode/sdlc-runner/run.py plan", "echo python3 .opencode/x")
    script = "".join(f"await part('running', 'x', {json.dumps(each)});" for each in others)
    assert not played(folder, f"{script}\nawait wait(100)")
    odd = "await event({event: {type: 'message.part.updated'}}); await event({event: {}})"
    assert len(played(folder, f"{odd}\nawait part('running', 'x'); await wait(100)", fails=True))


def test_nothing_of_it_is_committed_or_loaded_twice(bare: Harness) -> None:
    assert bare.run("install", "--live-titles").code == 0
    bare.commit("Install the bundle")
    committed = bare.git("ls-files").splitlines()
    assert f"{bundle_files.HOME}/run.py" in committed
    assert PLUGIN not in committed
    debugged = subprocess.run(
        ["opencode", "debug", "config"],
        cwd=bare.checkout,
        env=bare.env,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert len(json.loads(debugged.stdout)["plugin"]) == 1
    assert bare.git("status", "--porcelain") == ""
