"""Secrets that only External Secrets brings: who gets them, when they change, and when not."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.chart.rendering import RELEASES, render
from support.cluster import attacks, kit, pod_security, releases, spawners
from support.cluster import harness as cluster_rigs
from support.cluster import namespaces as made
from support.cluster.background_verb import Followed
from support.cluster.external_store import KIND, Store
from support.cluster.releases import DEVELOPER, Release
from support.cluster.waiting import wait_for
from support.model.server import Rule, calls, says, shell, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cluster.harness import ClusterHarness
    from support.cluster.kubectl import Kubectl
    from support.cluster.repositories import Repository
    from support.cluster.scripted_model import ScriptedModel
    from support.harness import Event, Result
    from support.model.server import Turn

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(240)]

STAGE = "prod"
NAME = RELEASES[STAGE].name
GIT, MODEL, SERVER = f"{NAME}-git-credentials", f"{NAME}-model-keys", f"{NAME}-server-password"
SCRIPTED = "agent-runner/scripted"
TASKS = "".join(f"- [ ] {task} [P] [ASYNC] Write `{task}.txt`\n" for task in ("T001", "T002"))
SOON = ("--set", "limits.create_seconds=2")
HOLD = "python3 -c \"import urllib.request as r; r.urlopen('{}/gates/go')\""
SHOUT = "for each in /secrets/*/*; do cat $each; echo; base64 -w0 $each; echo; done; env"


@dataclass(frozen=True)
class Installed:
    """The release, its store, and a developer's checkout."""

    release: Release
    store: Store
    harness: ClusterHarness

    @property
    def admin(self) -> Kubectl:
        return self.release.namespace.kubectl

    def sync(self) -> dict[str, bool]:
        return self.store.sync(self.admin)

    def rules(self, first: str = "true") -> None:
        """Have the agent of T001 run a command before it writes, and that of T002 only write."""
        self.harness.model.rules(
            Rule("Implement task T001 ", (calls(shell(first)), *_writing("T001", "@results@"))),
            Rule("Implement task T002 ", _writing("T002")),
        )


def _writing(task: str, last: str = "done") -> tuple[Turn, ...]:
    return calls(write(f"@folder@/{task}.txt", f"{task}\n")), says(last)


def filled(repository: Repository) -> Store:
    """Return a store with all that the release fetches."""
    store = Store()
    store.put(f"agent-runner/{STAGE}/server-password", f"password-{uuid.uuid4().hex}")
    store.put(f"agent-runner/{STAGE}/git", repository.token, "token")
    store.put(f"agent-runner/{STAGE}/anthropic", f"anthropic-{uuid.uuid4().hex}")
    store.put(SCRIPTED, f"scripted-{uuid.uuid4().hex}")
    return store


@pytest.fixture
def installed(
    cluster: Kubectl, git_repository: Repository, model: ScriptedModel, tmp_path: Path
) -> Iterator[Installed]:
    """Production in a namespace of its own, with nothing fetched yet."""
    if not cluster.try_run("get", f"customresourcedefinition/{KIND}").ok:
        kit.lacking("the cluster has no ExternalSecrets")
    name = f"sdlc-test-{uuid.uuid4().hex[:8]}"
    namespace = made.Namespace(name, cluster.inside(name))
    namespace.kubectl.create(pod_security.namespace(name), pod_security.service_account(DEVELOPER))
    values = tmp_path / "values.json"
    values.write_text(json.dumps(releases.values(STAGE, git_repository, model)))
    release = Release(STAGE, namespace, values)
    release.upgrade()
    (tmp_path / "rig").mkdir()
    harness = cluster_rigs.create(tmp_path / "rig", git_repository, namespace, model)
    harness.env["KUBECONFIG"] = spawners.kubeconfig(namespace, DEVELOPER, tmp_path)
    harness.use_opencode()
    harness.tasks(TASKS)
    yield Installed(release, filled(git_repository), harness)
    made.delete(cluster, name)


def begun(installed: Installed, command: str = "true") -> Followed:
    """Start T001, and wait until its agent holds; ``command`` comes before that."""
    hold = HOLD.format(installed.harness.model.url)
    installed.rules(f"{command}; {hold}")
    followed = Followed(installed.harness.start("spawn", "T001", "--follow", "--detail", "full"))
    try:
        followed.wait_for("tool", 100, status="running")
    except AssertionError:
        pytest.fail("".join(followed.lines) + installed.release.namespace.story())
    return followed


def inside(installed: Installed, container: str, script: str) -> str:
    pod = attacks.pod_of(installed.harness, "T001")["metadata"]["name"]
    return installed.admin.run("exec", pod, f"--container={container}", "--", "sh", "-c", script)


def files(installed: Installed, container: str) -> dict[str, str]:
    """Return the digest of each secret file that a container has."""
    listed = inside(installed, container, "cd /secrets && sha256sum */*")
    return {name: digest for digest, name in map(str.split, listed.splitlines())}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_what_is_fetched_reaches_its_side_of_the_pod_and_no_one_else(installed: Installed) -> None:
    assert installed.sync() == {GIT: True, MODEL: True, SERVER: True}
    is_as_rendered(installed)
    followed = begun(installed, SHOUT)
    names = ("server", "git", "anthropic", "scripted")
    keys = dict(zip(names, installed.store.values(), strict=True))
    shared = {
        "model/ANTHROPIC_API_KEY": digest(keys["anthropic"]),
        "model/SCRIPTED_API_KEY": digest(keys["scripted"]),
        "server/server-password": digest(keys["server"]),
    }
    assert files(installed, "agent") == shared
    assert files(installed, "runner") == {**shared, "git/token": digest(keys["git"])}
    environment = inside(installed, "runner", "cat /proc/[0-9]*/environ")
    assert not [value for value in keys.values() if value in environment]
    assert keys["anthropic"] in inside(installed, "agent", "cat /proc/[0-9]*/environ")
    installed.harness.model.open()
    result = followed.result()
    assert result.outcome("T001")["outcome"] == "succeeded", result.stdout
    assert {each.authorization for each in installed.harness.model.requests()} == {
        f"Bearer {keys['scripted']}"
    }
    assert any("***" in event["text"] for event in result.of("message")), result.stdout
    is_nowhere(installed, result, list(keys.values()))


def is_as_rendered(installed: Installed) -> None:
    """Check that the API keeps all that the chart says, and that the Secrets go with it."""
    flags = (f"--values={installed.release.values}",)
    rendered = render(*flags, chart=RELEASES[STAGE], name=NAME).all("ExternalSecret")
    kept = {each["metadata"]["name"]: each["spec"] for each in installed.admin.items(KIND)}
    assert {each["metadata"]["name"]: each["spec"] for each in rendered} == kept
    for name in kept:
        (owner,) = installed.admin.get("secret", name)["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("ExternalSecret", name)


def is_nowhere(installed: Installed, result: Result, secrets: list[str]) -> None:
    """Check that no value is shown, nor its base64: by the cluster, by Helm, by git, by us."""
    kinds = "jobs,pods,events,configmaps,podtemplates,externalsecrets"
    admin, release = installed.admin, installed.release
    told = [
        admin.run("describe", kinds),
        admin.run("describe", "secrets"),
        admin.run("get", kinds, "--output=yaml"),
        release.helm("get", "all", NAME),
        release.helm("get", "values", NAME, "--all"),
        installed.harness.run("logs", "T001").stdout,
        installed.harness.run("doctor").stdout,
    ]
    seen = "\n".join(told).encode() + attacks.shown(installed.harness, result)
    encoded = [base64.b64encode(value.encode()) for value in secrets]
    attacks.assert_no_secret(seen, [*(value.encode() for value in secrets), *encoded])


def test_a_changed_token_is_pushed_with_and_a_changed_key_is_the_next_attempts(
    installed: Installed,
) -> None:
    installed.sync()
    old = installed.store.entries[SCRIPTED][""]
    followed = begun(installed)
    token = installed.harness.repository.replace_token()
    installed.store.put(f"agent-runner/{STAGE}/git", token, "token")
    installed.store.put(SCRIPTED, "scripted-and-rotated")
    installed.sync()
    pod = attacks.pod_of(installed.harness, "T001")["metadata"]["name"]
    # A change of the pod has the kubelet look at its volumes now, not within a minute.
    installed.admin.run("annotate", "pod", pod, "sdlc-test/look=now")
    wait_for(lambda: files(installed, "runner")["git/token"] == digest(token), 30, "the new token")
    installed.harness.model.open()
    first = followed.result()
    assert first.outcome("T001")["outcome"] == "succeeded", first.stdout
    assert asked_with(installed, "T001") == {f"Bearer {old}"}
    second = installed.harness.run("spawn", "T002", "--follow")
    assert second.outcome("T002")["outcome"] == "succeeded", second.stdout
    assert asked_with(installed, "T002") == {"Bearer scripted-and-rotated"}


def asked_with(installed: Installed, task: str) -> set[str]:
    asked = installed.harness.model.requests()
    return {each.authorization for each in asked if f"Implement task {task} " in each.prompt}


def test_an_attempt_waits_for_what_is_late_and_then_starts_by_itself(installed: Installed) -> None:
    installed.rules()
    followed = Followed(installed.harness.start("spawn", "T001", "--follow"))
    told = followed.wait_for("warning", code="volume_not_mounted")
    assert "not found" in told["message"]
    assert "kubectl describe externalsecret" in told["hint"]
    installed.sync()
    result = followed.result()
    assert result.outcome("T001")["outcome"] == "succeeded", result.stdout
    assert [event["code"] for event in result.of("warning")] == ["volume_not_mounted"]


def link(done: Result) -> Event:
    (found,) = (event for event in done.of("check") if event["name"] == "secrets")
    return found


def test_what_stays_away_is_a_rejected_attempt_that_names_it(installed: Installed) -> None:
    del installed.store.entries[f"agent-runner/{STAGE}/git"]["token"]
    assert installed.sync() == {GIT: False, MODEL: True, SERVER: True}
    outcome = installed.harness.run("spawn", "T001", "--follow", *SOON).outcome("T001")
    assert (outcome["outcome"], outcome["code"]) == ("rejected", "volume_not_mounted")
    assert f'secret "{GIT}" not found' in outcome["message"]
    assert f"kubectl describe externalsecret {GIT}" in outcome["hint"]
    told = link(installed.harness.run("doctor"))
    assert told["ok"]
    assert f'secret "{GIT}" not found' in told["message"]
    told = link(installed.harness.run("doctor", KUBECONFIG=installed.admin.config))
    assert (told["ok"], told["code"]) == (False, "bad_credentials")
    assert f"There is no Secret {GIT}" in told["message"]
    assert f"Secret does not exist: agent-runner/{STAGE}/git" in told["hint"]
