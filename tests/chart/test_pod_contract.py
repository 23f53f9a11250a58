"""The pod is what the worker inside of it and the manifest around it rely on."""

from __future__ import annotations

from typing import Any

import pytest

from support.chart.rendering import Rendered, render, with_values

pytestmark = pytest.mark.helm

ALL_SECRETS = (
    "secrets.git.existingSecret=git",
    "secrets.model.existingSecret=model",
    "secrets.server.existingSecret=server",
)
AGENT_ONLY = {"/home/agent": "home", "/tmp": "tmp"}
RUNNER_ONLY = {"/attempt": "attempt", "/secrets/git": "git-credentials"}
BOTH = {
    "/workspace": "workspace",
    "/etc/sdlc-runner": "spec",
    "/secrets/model": "model-keys",
    "/secrets/server": "server-password",
}
FORMS = pytest.mark.parametrize("form", ["sidecar", "single"])


def pod(form: str = "sidecar") -> Rendered:
    return with_values(f"agent.form={form}", *ALL_SECRETS)


def mounts(container: dict[str, Any]) -> dict[str, str]:
    return {each["mountPath"]: each["name"] for each in container["volumeMounts"]}


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_the_agent_is_a_native_sidecar_beside_the_runner() -> None:
    spec = pod().pod["spec"]
    (agent,), (runner,) = spec["initContainers"], spec["containers"]
    assert (agent["name"], agent["args"], agent["restartPolicy"]) == ("agent", ["agent"], "Always")
    assert (runner["name"], runner["args"]) == ("runner", ["runner"])
    assert "restartPolicy" not in runner


def test_the_image_says_what_runs() -> None:
    for form in ("sidecar", "single"):
        assert all("command" not in each for each in pod(form).containers().values())


def test_only_the_runner_sees_the_git_credentials_and_its_git_directory() -> None:
    containers = pod().containers()
    assert mounts(containers["agent"]) == BOTH | AGENT_ONLY
    assert mounts(containers["runner"]) == BOTH | RUNNER_ONLY


def test_the_single_form_is_one_container_with_everything() -> None:
    spec = pod("single").pod["spec"]
    (runner,) = spec["containers"]
    assert "initContainers" not in spec
    assert (runner["name"], runner["args"]) == ("runner", ["single"])
    assert mounts(runner) == BOTH | AGENT_ONLY | RUNNER_ONLY


@pytest.mark.parametrize(
    ("version", "names"),
    [("1.25.0", ["runner"]), ("1.28.15-gke.100", ["runner"]), ("1.29.0", ["agent", "runner"])],
)
def test_the_cluster_version_decides_the_form(version: str, names: list[str]) -> None:
    assert list(render(f"--kube-version={version}").containers()) == names


@FORMS
def test_volumes_are_the_contracts(form: str) -> None:
    volumes = {each.pop("name"): each for each in pod(form).pod["spec"]["volumes"]}
    limits = {"workspace": "10Gi", "attempt": "5Gi", "home": "2Gi", "tmp": "2Gi"}
    for name, limit in limits.items():
        assert volumes.pop(name) == {"emptyDir": {"sizeLimit": limit}}
    field = {"fieldPath": "metadata.annotations['sdlc-runner/spec']"}
    assert volumes.pop("spec") == {
        "downwardAPI": {"items": [{"path": "spec.json", "fieldRef": field}]}
    }
    assert volumes == {
        name: {"secret": {"secretName": secret, "defaultMode": 0o440}}
        for name, secret in [
            ("git-credentials", "git"),
            ("model-keys", "model"),
            ("server-password", "server"),
        ]
    }


@FORMS
def test_it_is_as_pod_security_restricted_wants_it(form: str) -> None:
    rendered = pod(form)
    assert rendered.pod["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in rendered.containers().values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


@FORMS
def test_it_has_no_token_and_ends_in_peace(form: str) -> None:
    spec = pod(form).pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["terminationGracePeriodSeconds"] == 60
    assert spec["restartPolicy"] == "Never"
    assert "shareProcessNamespace" not in spec


def test_the_environment_holds_nothing_secret() -> None:
    configuration = {"configMapKeyRef": {"name": f"{RELEASE}", "key": "opencode.json"}}
    containers = pod().containers()
    assert environment(containers["agent"]) == {
        "HOME": "/home/agent",
        "OPENCODE_CONFIG_CONTENT": configuration,
    }
    assert environment(containers["runner"]) == {"HOME": "/attempt", "TMPDIR": "/attempt"}
    (single,) = pod("single").containers().values()
    assert environment(single) == environment(containers["agent"])


def test_the_agent_asks_for_what_opencode_takes() -> None:
    containers = pod().containers()
    assert containers["agent"]["resources"]["requests"]["memory"] == "1Gi"
    (single,) = pod("single").containers().values()
    assert single["resources"] == containers["agent"]["resources"]
    for container in containers.values():
        assert "memory" in container["resources"]["limits"]


def test_the_template_can_be_found_by_its_label() -> None:
    metadata = pod().one("PodTemplate")["metadata"]
    assert metadata["name"] == RELEASE
    assert metadata["labels"]["app.kubernetes.io/component"] == "pod-template"


def test_the_pods_labels_are_those_of_attempts() -> None:
    assert pod().pod["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "sdlc-runner",
        "app.kubernetes.io/name": "agentic-sdlc-agent-runner",
    }, "another, app.kubernetes.io/instance, would have Argo CD prune attempts"


RELEASE = "sdlc-agentic-sdlc-agent-runner"
