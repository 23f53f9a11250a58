"""A secret of the environment is nowhere but in the environment, whatever the agent does."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.worker import secrets
from support.attempt_scenes import (
    BRANCH,
    BUNDLE,
    REFS,
    message,
    objects,
    spawn,
    stored,
    verdict,
    verified,
)
from support.harness import FEATURE

if TYPE_CHECKING:
    from support.harness import Harness, Result

SECRET = "sk+Zq/very.secret-Value=0123456789"
LINES = ["MIIEvQIBADANBgkqhkiG9w0BAQEF", "qL7mXk2vAASCBKcwggSjAgEAAoIB"]
PEM = "\n".join(["-----BEGIN KEY-----", *LINES, "-----END KEY-----", ""])
WORK = "pathlib.Path('a.txt').write_text('work')\n"
NAME = "key = os.environ['MY_API_KEY']\n"
ENCODED = [
    base64.b64encode(b"x" * shift + SECRET.encode())[4 * bool(shift) : -4] for shift in range(3)
]


@pytest.fixture
def keyed(harness: Harness) -> Harness:
    """A rig whose environment holds secrets."""
    harness.env["MY_API_KEY"] = SECRET
    harness.env["DEPLOY_PRIVATE_KEY"] = PEM
    return harness


def leaks(harness: Harness, result: Result) -> list[str]:
    """Name the places that hold a secret in any form."""
    journal = harness.attempt() / "events.jsonl"
    places = {
        "stdout": result.stdout.encode(),
        "stderr": result.stderr.encode(),
        "journal": journal.read_bytes(),
        "worker.log": journal.with_name("worker.log").read_bytes(),
        "spec": journal.with_name("spec.json").read_bytes(),
        "remote": objects(harness),
        "logs": harness.run("logs", "T001").stdout.encode(),
    }
    forms = [SECRET.encode(), *ENCODED, *(line.encode() for line in LINES)]
    return [name for name, held in places.items() if any(form in held for form in forms)]


def logged(harness: Harness) -> str:
    return "\n".join(json.dumps(event) for event in harness.journal())


PRINTS = {
    "stdout": "print('the key is', key)",
    "stderr": "print('the key is', key, file=sys.stderr)",
    "pieces": """
for part in ('the key is ' + key[:9], key[9:20], key[20:] + chr(10)):
    os.write(1, part.encode()); time.sleep(0.1)
""",
    "chunks": "os.write(1, b'x' * (16 * 1024 - 9) + b' ' + chr(10).encode() + key.encode())",
    "base64": """
import base64
for n in range(3): print(base64.b64encode(b'x' * n + key.encode()).decode())
""",
    "tool": """
import json
state = {'status': 'completed', 'input': {'command': 'echo ' + key}, 'output': key}
part = {'type': 'tool', 'tool': 'bash', 'state': state}
print(json.dumps({'type': 'tool_use', 'sessionID': 's', 'part': part}))
""",
    "text": """
import json
part = {'type': 'text', 'text': 'It is ' + key, 'time': {'end': 1}}
print(json.dumps({'type': 'text', 'sessionID': 's', 'part': part}))
""",
    "lines": "print(os.environ['DEPLOY_PRIVATE_KEY'])",
    "json-lines": "import json; print(json.dumps(os.environ['DEPLOY_PRIVATE_KEY']))",
}


@pytest.mark.parametrize("script", PRINTS.values(), ids=PRINTS)
def test_what_the_agent_prints_is_masked(keyed: Harness, script: str) -> None:
    keyed.agent(WORK + NAME + script)
    result = spawn(keyed)
    assert verdict(result) == ("succeeded", "verified")
    assert leaks(keyed, result) == []
    assert "***" in logged(keyed)


def test_evidence_and_verify_output_are_masked(keyed: Harness) -> None:
    keyed.agent(NAME + "print('nothing to do:', key)")
    result = spawn(keyed, "--set", "verify.commands='echo $MY_API_KEY'")
    assert verdict(result) == ("no_change", "no_change")
    assert leaks(keyed, result) == []
    command, said = stored(keyed)["evidence"]
    assert said["message"] == "nothing to do: ***"
    assert command["output"] == "***"


def test_a_commit_message_is_masked(keyed: Harness) -> None:
    keyed.tasks(f"# Tasks\n\n## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Use {SECRET} in a.txt\n")
    assert verdict(spawn(keyed)) == ("succeeded", "verified")
    for ref in (BRANCH, f"{REFS}/start", f"{REFS}/transcript"):
        assert SECRET not in message(keyed, ref)
    assert message(keyed, BRANCH).startswith("T001: Use *** in a.txt\n")


def test_committed_files_are_never_altered(keyed: Harness) -> None:
    content = f"{SECRET[:-1]}\r\n*** {SECRET.swapcase()}\x00 no newline"
    keyed.agent(f"pathlib.Path('a.bin').write_bytes({content.encode()!r})")
    assert verdict(spawn(keyed)) == ("succeeded", "verified")
    done = keyed.git("rev-parse", f"{BRANCH}:a.bin", cwd=keyed.remote)
    path = keyed.write("same.bin", content.encode())
    assert done == keyed.git("hash-object", "--no-filters", str(path))


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("pathlib.Path('a.txt').write_text('x' * 9000 + key)", "a.txt"),
        ("pathlib.Path('1:a.txt').write_text(key)", "1:a.txt"),
        ("pathlib.Path(':a').write_text(key)", ":a"),
        ("pathlib.Path('ü \"x.txt').write_text(key)", "x.txt"),
        ("pathlib.Path(key.replace('/', '_')).mkdir(); os.symlink(key, 'link')", "link"),
        ("import base64; open('b', 'wb').write(base64.b64encode(b'ab' + key.encode()))", "b"),
        (
            "subprocess.run('git init -q in', shell=True); open('in/env', 'w').write(key)",
            "in/env",
        ),
        ("pathlib.Path('README.md').write_text(os.environ['DEPLOY_PRIVATE_KEY'])", "README.md"),
    ],
    ids=["text", "stage", "colon", "quoted", "link", "base64", "nested", "lines"],
)
def test_work_that_holds_a_secret_is_pushed_nowhere(keyed: Harness, script: str, name: str) -> None:
    keyed.agent(WORK + NAME + script)
    result = spawn(keyed)
    event = result.outcome("T001")
    assert (result.code, verdict(result)) == (1, ("failed", "secret_in_diff"))
    assert name in event["message"]
    assert "checkpoint" not in event
    assert set(keyed.remote_refs()) & {f"refs/heads/{BRANCH}", f"{REFS}/checkpoint"} == set()
    assert leaks(keyed, result) == []
    assert verified(keyed) == ("failed", "secret_in_diff")


def test_nor_by_a_checkpoint_on_the_way_or_after_a_failure(keyed: Harness) -> None:
    keyed.agent(WORK + NAME + "pathlib.Path('b.txt').write_text(key); time.sleep(2); sys.exit(1)")
    result = spawn(keyed, "--set", "checkpoint.seconds=1")
    assert verdict(result) == ("failed", "agent_failed")
    warnings = result.of("warning")
    assert {event["code"] for event in warnings} == {"secret_in_diff"}
    assert len(warnings) >= 2
    assert f"{REFS}/checkpoint" not in keyed.remote_refs()
    assert leaks(keyed, result) == []


def test_a_secret_that_was_removed_again_stops_nothing(keyed: Harness) -> None:
    keyed.agent(WORK + NAME + "pathlib.Path('a.txt').write_text(key); time.sleep(1.5)\n" + WORK)
    result = spawn(keyed, "--set", "checkpoint.seconds=1")
    assert verdict(result) == ("succeeded", "verified")
    assert leaks(keyed, result) == []


def test_a_bundle_keeps_what_is_clean(keyed: Harness) -> None:
    keyed.tasks(BUNDLE)
    keyed.agent(NAME + "pathlib.Path('a.txt').write_text(task if task == 'T001' else key)")
    result = keyed.run("run")
    assert verdict(result, "T001") == ("succeeded", "verified")
    assert verdict(result, "T002") == ("failed", "secret_in_diff")
    assert leaks(keyed, result) == []
    assert keyed.remote_file("a.txt", BRANCH) == "T001"
    assert FEATURE in BRANCH


def test_the_password_in_a_remotes_url_is_a_secret() -> None:
    assert secrets.in_url("https://bot:tok3n%21x@example.invalid/app.git") == ("tok3n%21x",)
    assert secrets.in_url("https://example.invalid/a:b@c.git") == ()
    assert secrets.in_url("git@example.invalid:team/app.git") == ()
