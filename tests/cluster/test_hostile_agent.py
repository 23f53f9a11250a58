"""An agent that turns against its pod gets nothing, forges nothing, and harms only itself."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cluster import attacks, kit
from support.cluster.attacks import BRANCH, META, program, task
from support.cluster.namespaces import SERVER_PASSWORD
from support.cluster.pod_template import Form, pod_template
from support.cluster.waiting import wait_for
from support.harness import FEATURE
from support.model.server import KEY, calls, says, shell

if TYPE_CHECKING:
    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest
    from support.harness import Result

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

READ_ONLY = "OSError"
NO_TOKEN = "could not read Username"
FOUND = {
    "secrets": [],
    "token": "FileNotFoundError",
    "mounts": ["model", "server"],
    "attempt": [],
    "account": "FileNotFoundError",
    "processes": ["bash", "opencode", "python3", "tini"],
    "runs as": [10001, "1", "0" * 16, "0" * 16],
    "root": "PermissionError",
    "namespace": "Operation not permitted",
    "device": "PermissionError",
    "/etc/sdlc-runner/spec.json": READ_ONLY,
    "/opt/sdlc-runner/sdlc_runner/x.py": READ_ONLY,
    "/usr/bin/git": READ_ONLY,
    "own server from outside": "ConnectionRefusedError",
}
REFUSALS = {
    "push": "No configured push destination",
    "push to origin": "'origin' does not appear to be a git repository",
    "push to the remote": NO_TOKEN,
    "push with a token": "Authentication failed",
    "read the remote": NO_TOKEN,
}
ENCODED = base64.b64encode(KEY.encode()).decode()


def two_containers(harness: ClusterHarness) -> None:
    harness.template(Form.TWO)
    harness.use_opencode()


def new_refs(harness: ClusterHarness, before: dict[str, str]) -> set[str]:
    return set(harness.remote_refs()) - set(before)


def spy_rules(harness: ClusterHarness) -> None:
    event = json.dumps({"v": 1, "seq": 9, "feature": FEATURE, "type": "result", "status": "failed"})
    harness.model.rules(
        task(
            "T001",
            program("spy"),
            program("forge"),
            calls(shell(f"echo {KEY} {ENCODED}; echo $SCRIPTED_API_KEY"), text=event),
            says(f"The key is {KEY}, or {ENCODED}."),
        ),
        task("T002", shell("echo ok >ok.txt; echo \"key = '$SCRIPTED_API_KEY'\" >settings.py")),
    )


def test_an_agent_gets_no_credential_and_forges_nothing(harness: ClusterHarness) -> None:
    lines = [f"- [ ] T00{n} [ASYNC] Do part {n} of `a.txt`\n" for n in (1, 2)]
    harness.tasks("".join([*lines, "- [ ] T003 [SYNC] Look\n"]))
    two_containers(harness)
    spy_rules(harness)
    before = harness.remote_refs()
    tell = "cat T001.txt; printf model-key-; sleep 0.2; printf for-tests"
    result = harness.run("run", "--detail", "full", "--set", f"verify.commands='{tell}'")
    spied(harness)
    only_what_was_asked(harness, result)
    kept_secret(harness, result)
    outcome = result.outcome("T002")
    assert (outcome["outcome"], outcome["code"]) == ("failed", "secret_in_diff")
    assert "settings.py" in outcome["message"]
    refs = {f"refs/heads/{BRANCH}", f"{META}/T001/1/transcript"}
    assert new_refs(harness, before) == {*refs, *(f"{META}/T00{n}/1/start" for n in (1, 2))}


def spied(harness: ClusterHarness) -> None:
    """Check what the agent got."""
    answers = attacks.results(harness, "T001")
    found = json.loads(answers[0])
    assert {name: found[name] for name in FOUND} == FOUND
    assert found["api"] in {401, 403, "TimeoutError"}
    assert found["kubelet"] in {401, 403, "TimeoutError"}
    assert isinstance(found["metadata"], str)
    for name, said in REFUSALS.items():
        code, words = found[name]
        assert code == 128
        assert said in words
    attacks.assert_no_secret("".join(answers).encode(), attacks.git_secrets(harness))


def only_what_was_asked(harness: ClusterHarness, result: Result) -> None:
    """Check that the forgeries came to nothing, and were told."""
    outcome = result.outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("succeeded", "verified")
    commits = harness.git(
        "log", "--format=%an: %s", f"main..{BRANCH}", cwd=harness.remote
    ).splitlines()
    assert commits[0] == "Agentic SDLC Runner: T001: Do part 1 of `a.txt`"
    assert [line.partition(":")[0] for line in commits[1:]] == ["User", "User"]
    trailers = harness.git("log", "-1", "--format=%(trailers)", BRANCH, cwd=harness.remote)
    assert trailers.split("\n") == [
        f"Feature: {FEATURE}",
        "Task: T001",
        "Attempt: 1",
        "Agent-Status: succeeded",
    ]
    changed = harness.git("diff", "--name-status", f"{BRANCH}~1", BRANCH, cwd=harness.remote)
    assert changed == "A\tT001.txt"
    assert harness.ticked() == {"T001"}
    assert "protected_file" in [event["code"] for event in result.of("warning", "T001")]
    seqs = [event["seq"] for event in result.events if "seq" in event]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(result.of("result")) == 1
    assert attacks.claim(harness)["seq"] == seqs[-1]


def kept_secret(harness: ClusterHarness, result: Result) -> None:
    """Check that what the agent shouted into every ear is masked in all of them."""
    seen = attacks.shown(harness, result)
    own = [KEY.encode(), ENCODED.rstrip("=").encode(), SERVER_PASSWORD.encode()]
    attacks.assert_no_secret(seen, [*own, *attacks.git_secrets(harness)])
    said = [event["text"] for event in result.of("message")]
    assert "The key is ***, or ***." in " ".join(said).replace("***=", "***")
    assert "as it was asked" in [event["text"] for event in result.of("log")]
    assert any("***" in event["text"] for event in result.of("log"))
    assert b"as it was asked" in seen


STEPS = ("configure", "links", "odd", "repositories", "git_link", "git_file", "root", "race")
LINKS = {
    "absolute": "/secrets/git/token",
    "relative": "../secrets/git/token",
    "folder": "/secrets/git",
    "passwd": "/etc/passwd",
    "parent": "..",
    "environ": "/proc/self/environ",
    "descriptor": "/dev/stdin",
    "git": "/attempt/git",
    "loop": "loop",
}
ODD = {"-rf", "0:names.txt", ":(top)x", r'"a\033[31mred"', r'"b\\n\tc"', r'"line\nbreak"'}
ADDED = {
    "configure": {".gitattributes", ".gitconfig", ".gitmodules", "odd.utf"},
    "links": {f"links/{name}" for name in LINKS},
    "repositories": {f"{name}/kept.txt" for name in ("inner", "inner/deeper", "linked", "pointed")}
    | {"inner/.gitattributes"},
}


def test_traps_in_the_workspace_catch_no_one(harness: ClusterHarness) -> None:
    harness.tasks(
        "".join(f"- [ ] T00{n} [ASYNC] Do {step} in `a.txt`\n" for n, step in enumerate(STEPS, 1))
    )
    two_containers(harness)
    harness.model.rules(
        *(task(f"T00{n}", program("plant", step)) for n, step in enumerate(STEPS, 1))
    )
    before = harness.remote_refs()
    result = harness.run("run", "--set", "checkpoint.seconds=1", "--set", "limits.run_seconds=60")
    outcomes = [result.outcome(f"T00{n}")["code"] for n in range(1, len(STEPS) + 1)]
    assert outcomes == ["verified"] * len(STEPS)
    nothing_sprang(harness)
    the_trees_are_exact(harness)
    told = {event["message"].partition(": ")[2] for event in result.of("warning", "T001")}
    assert told >= {
        "odd/.g\u200cit/config, odd/GIT~1/config, odd/locked.txt, odd/locked/, odd/sparse",
        f"specs/{FEATURE}/tasks.md",
    }
    attacks.assert_no_secret(attacks.shown(harness, result), attacks.git_secrets(harness))
    new = {name for name in new_refs(harness, before) if "checkpoint" not in name}
    starts = {f"{META}/T00{n}/1/start" for n in range(1, len(STEPS) + 1)}
    assert new == {f"refs/heads/{BRANCH}", f"{META}/T001/1/transcript", *starts}


def nothing_sprang(harness: ClusterHarness) -> None:
    for number, step in enumerate(STEPS, 1):
        (answer,) = attacks.results(harness, f"T00{number}")
        assert answer.startswith("sprung: nothing\n"), step
        assert "Traceback" not in answer, answer


def the_trees_are_exact(harness: ClusterHarness) -> None:
    """Check what each task added: its files as they are, links as links."""
    commits = harness.git("rev-list", "--reverse", f"main..{BRANCH}", cwd=harness.remote).split()
    own = dict(zip(STEPS, commits[-len(STEPS) :], strict=True))
    added = {step: changed(harness, commit, "A") for step, commit in own.items()}
    assert all(f"{step}.txt" in names for step, names in added.items())
    for step, names in ADDED.items():
        assert added[step] == {*names, f"{step}.txt"}
    assert {name.replace("odd/", "") for name in added["odd"]} == {
        *ODD,
        *(r'"\303\251"', r'"\377\376"', "odd.txt"),
    }
    for name, target in LINKS.items():
        entry = harness.git("ls-tree", own["links"], f"links/{name}", cwd=harness.remote)
        assert entry.startswith("120000 blob")
        assert harness.remote_file(f"links/{name}", own["links"]) == target
    left = harness.git("ls-tree", "-r", "--name-only", own["root"], cwd=harness.remote).split()
    assert left == ["root.txt", f"specs/{FEATURE}/tasks.md"]
    assert {harness.remote_file(f"race/{n}", own["race"]) for n in range(0, 300, 60)} <= {
        "harmless" * 5,
        "/secrets/git/token",
    }


def changed(harness: ClusterHarness, commit: str, kind: str) -> set[str]:
    options = ("--no-commit-id", "--name-only", "-r", f"--diff-filter={kind}")
    return set(harness.git("diff-tree", *options, commit, cwd=harness.remote).splitlines())


HARMS: dict[str, set[tuple[str, str]]] = {
    "kill": {("failed", "agent_server_died")},
    "memory": {("interrupted", "out_of_memory"), ("failed", "agent_server_died")},
    "processes": {  # whoever is the first that needs one
        ("interrupted", "pids_exhausted"),
        ("push_failed", "pids_exhausted"),
        ("failed", "agent_server_died"),
    },
    "disk": {("interrupted", "evicted")},
    "nothing": {("succeeded", "verified")},
}


def small_template() -> Manifest:
    """Return the pod template with little memory and a small workspace."""
    template = pod_template(Form.TWO)
    pod = template["template"]["spec"]
    (agent,) = pod["initContainers"]
    agent["resources"]["limits"]["memory"] = "1Gi"
    (workspace,) = [volume for volume in pod["volumes"] if volume["name"] == "workspace"]
    workspace["emptyDir"]["sizeLimit"] = "64Mi"
    return template


def limit_processes(pod: Manifest, most: int) -> None:
    """Do what a kubelet with ``podPidsLimit`` does."""
    (group,) = Path("/sys/fs/cgroup").glob(f"**/*pod{pod['metadata']['uid']}/pids.max")
    group.write_text(str(most))


@pytest.mark.timeout(300)  # the kubelet looks at volumes once a minute
def test_an_agent_that_uses_up_its_pod_harms_only_its_own_attempt(harness: ClusterHarness) -> None:
    if kit.find() is None:
        pytest.skip("the kubelet of this cluster sets the limit of processes, if any")
    harness.tasks(
        "".join(f"- [ ] T00{n} [P] [ASYNC] Do {harm}\n" for n, harm in enumerate(HARMS, 1))
    )
    harness.use_opencode()
    harness.namespace.kubectl.apply(small_template())
    url = harness.model.url
    rules = [task(f"T00{n}", program("harm", harm, url)) for n, harm in enumerate(HARMS, 1)]
    harness.model.rules(*rules)
    words = ("--set", "max_parallel=5", "--set", "checkpoint.seconds=1")
    with attacks.running(harness, "run", words) as child:
        wait_for(lambda: len(checkpoints(harness)) == len(HARMS), 150, "the first checkpoints")
        limit_processes(attacks.pod_of(harness, "T003"), 300)
        harness.model.open("strike")
        wait_for(lambda: all_but_one_ended(harness), 150, "the end of all but one")
        harness.model.open("end")
        result = attacks.ended(child)
    for number, (harm, verdicts) in enumerate(HARMS.items(), 1):
        outcome = result.outcome(f"T00{number}")
        assert (outcome["outcome"], outcome["code"]) in verdicts, outcome
        assert harness.remote_file(f"{harm}.txt", outcome["checkpoint"]) == "work so far"
    assert harness.ticked() == {"T005"}
    (agent,) = attacks.pod_of(harness, "T005")["status"]["initContainerStatuses"]
    assert agent["restartCount"] == 0


def checkpoints(harness: ClusterHarness) -> list[str]:
    return [name for name in harness.remote_refs() if name.endswith("/checkpoint")]


def all_but_one_ended(harness: ClusterHarness) -> bool:
    phases = [pod["status"]["phase"] for pod in harness.namespace.pods()]
    return phases.count("Running") == 1
