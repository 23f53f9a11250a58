"""A release that somebody has changed for the worse: a sentence and a code before anything starts.

And one that is changed for the better while attempts run: they are left alone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.chart.rendering import NAME as CHART
from support.cluster import releases, spawners
from support.cluster.background_verb import Followed
from support.cluster.namespaces import MANAGED
from support.cluster.releases import DEVELOPER, Release
from support.model.server import Rule, calls, says, shell, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Manifest
    from support.cluster.repositories import Repository
    from support.cluster.scripted_model import ScriptedModel
    from support.model.server import Turn

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(240)]

TASKS = "".join(f"- [ ] {task} [P] [ASYNC] Write `{task}.txt`\n" for task in ("T001", "T002"))
NOWHERE = "docker.io/local/nothing-of-that-name"
Patch = list[dict[str, Any]]


@pytest.fixture
def release(harness: ClusterHarness, git_repository: Repository, model: ScriptedModel) -> Release:
    """The development release, with a developer at work in its namespace."""
    namespace = harness.namespace
    namespace.kubectl.run("delete", "podtemplates", "--all")
    values = harness.folder / "values.json"
    values.write_text(json.dumps(releases.values("dev", git_repository, model)))
    made = Release("dev", namespace, values)
    made.upgrade()
    namespace.kubectl.run("create", "serviceaccount", DEVELOPER)
    harness.env["KUBECONFIG"] = spawners.kubeconfig(namespace, DEVELOPER, harness.folder)
    harness.use_opencode()
    harness.tasks(TASKS)
    return made


def at(path: str, value: object = None, op: str = "replace") -> dict[str, Any]:
    """Return one change of the pod's specification, as ``kubectl patch --type=json`` takes it."""
    change = {"op": op, "path": f"/template/spec{path}"}
    return change if op == "remove" else {**change, "value": value}


RUNNER, AGENT = "/containers/0", "/initContainers/0"
ELSEWHERE = {"name": "tmp", "mountPath": "/workspace"}
BY_HAND: dict[str, tuple[str, Callable[[Manifest], Patch]]] = {
    "runner renamed": (
        "has no container named runner",
        lambda _: [at(f"{RUNNER}/name", "main")],
    ),
    "agent renamed": (
        "starts runner with ['runner'] instead of [single]",
        lambda _: [at(f"{AGENT}/name", "helper")],
    ),
    "agent beside": (
        "belongs in initContainers",
        lambda pod: [
            at("/initContainers", [], "replace"),
            at("/containers/-", without(pod["initContainers"][0], "restartPolicy"), "add"),
        ],
    ),
    "agent for ever first": (
        "would never end",
        lambda _: [at(f"{AGENT}/restartPolicy", op="remove")],
    ),
    "no mounts": (
        "mounts nothing in runner at /workspace, /etc/sdlc-runner, /attempt, /secrets/server",
        lambda _: [at(f"{RUNNER}/volumeMounts", [])],
    ),
    "mount of another volume": (
        "/workspace of runner and of agent from two places",
        lambda pod: [at(f"{AGENT}/volumeMounts/{place(pod, '/workspace')}", ELSEWHERE)],
    ),
    "git for the agent": (
        "gives the agent /secrets/git, which only the runner may have",
        lambda _: [
            at(
                f"{AGENT}/volumeMounts/-",
                {"name": "git-credentials", "mountPath": "/secrets/git"},
                "add",
            )
        ],
    ),
    "command": (
        "replaces what the image starts in runner with ['sleep', '1000']",
        lambda _: [at(f"{RUNNER}/command", ["sleep", "1000"], "add")],
    ),
    "arguments": (
        "starts runner with ['agent'] instead of [runner]",
        lambda _: [at(f"{RUNNER}/args", ["agent"])],
    ),
    "annotation": (
        "that holds the annotation sdlc-runner/spec",
        lambda pod: [
            at(
                f"/volumes/{index(pod['volumes'], 'name', 'spec')}",
                {"name": "spec", "emptyDir": {}},
            )
        ],
    ),
}


BY_THE_CLUSTER = [
    at("/containers", []),
    at(f"{RUNNER}/image", ""),
    at("/volumes/0/name", "another"),
]


def without(container: Manifest, name: str) -> Manifest:
    return {key: value for key, value in container.items() if key != name}


def index(found: list[Manifest], key: str, value: str) -> int:
    return next(at for at, each in enumerate(found) if each[key] == value)


def place(pod: Manifest, path: str) -> int:
    """Return where a mount of the agent stands."""
    return index(pod["initContainers"][0]["volumeMounts"], "mountPath", path)


def edit(release: Release, patch: Patch) -> None:
    """Do what somebody does with ``kubectl edit``."""
    where = ("patch", "podtemplate", release.name, "--type=json")
    release.namespace.kubectl.run(*where, f"--patch={json.dumps(patch)}")


def put_back(release: Release, whole: Manifest) -> None:
    kept = {**whole, "metadata": without(whole["metadata"], "resourceVersion")}
    text = json.dumps(kept).encode()
    release.namespace.kubectl.run("replace", "--filename=-", stdin=text)


def test_a_template_edited_into_nonsense_starts_nothing(
    release: Release, harness: ClusterHarness
) -> None:
    whole = release.template()
    for name, (told, make_patch) in BY_HAND.items():
        edit(release, make_patch(whole["template"]["spec"]))
        refused = harness.run("spawn", "T001")
        assert (refused.code, refused.error["code"]) == (2, "bad_pod_template"), name
        assert told in refused.error["message"], name
        assert f"{harness.namespace.name}/{release.name}" in refused.error["message"]
        assert "chart" in refused.error["hint"]
        found = harness.run("doctor").of("check") if name in {"command", "no mounts"} else []
        for link in (event for event in found if event["name"] == "template"):
            assert (link["ok"], link["code"]) == (False, "bad_pod_template")
            assert told in link["message"]
        put_back(release, whole)
    for patch in BY_THE_CLUSTER:
        with pytest.raises(AssertionError, match="is invalid: "):
            edit(release, [patch])
    assert not release.namespace.jobs(MANAGED)


def test_an_upgrade_is_for_the_next_attempt_and_leaves_those_that_run_alone(
    release: Release, harness: ClusterHarness
) -> None:
    hold = f"python3 -c \"import urllib.request as r; r.urlopen('{harness.model.url}/gates/go')\""
    harness.model.rules(
        Rule("Implement task T001 ", (calls(shell(hold)), *writing("T001"))),
        Rule("Implement task T002 ", writing("T002")),
    )
    followed = Followed(harness.start("spawn", "T001", "--follow", "--detail", "full"))
    followed.wait_for("tool", status="running")
    before = identities(release)
    upgrade_to_nowhere(release)
    adopted = harness.run("spawn", "T001")
    assert [event["type"] for event in adopted.events[:2]] == ["attached", "warning"], (
        adopted.stdout
    )
    assert adopted.of("warning")[0]["code"] == "template_moved"
    new = harness.run("spawn", "T002", "--follow", "--set", "limits.create_seconds=2")
    outcome = new.outcome("T002")
    assert (outcome["outcome"], outcome["code"]) == ("rejected", "image_pull_failed")
    assert f"{NOWHERE}:dev" in outcome["message"]
    assert "Correct the image" in outcome["hint"]
    harness.model.open()
    result = followed.result()
    assert result.outcome("T001")["outcome"] == "succeeded", result.stdout
    assert before <= identities(release)

    release.helm("rollback", release.name, "1")
    note = {"op": "add", "path": "/template/metadata/annotations/sdlc-runner~1spec", "value": "{"}
    edit(release, [note])
    again = harness.run("spawn", "T002", "--follow")
    assert again.outcome("T002")["outcome"] == "succeeded", again.stdout
    assert again.outcome("T002")["attempt"] == 1


def writing(task: str) -> tuple[Turn, ...]:
    return calls(write(f"@folder@/{task}.txt", f"{task}\n")), says("done")


def identities(release: Release) -> set[str]:
    namespace = release.namespace
    return {each["metadata"]["uid"] for each in (*namespace.jobs(MANAGED), *namespace.pods())}


def upgrade_to_nowhere(release: Release) -> None:
    """Change the image to one that is nowhere, the git Secret, the policy and the pod."""
    release.namespace.secret("another", {"token": "another"})
    extra = json.dumps([{"cidr": "192.0.2.1/32", "ports": [443]}])
    release.upgrade(
        f"--set={CHART}.pod.image.repository={NOWHERE}",
        f"--set={CHART}.secrets.git.existingSecret=another",
        f"--set={CHART}.pod.terminationGracePeriodSeconds=45",
        f"--set-json={CHART}.networkPolicy.extra={extra}",
    )
