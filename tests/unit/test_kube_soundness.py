from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cluster.pod_template import Form, pod_template
from sdlc_runner.kube.manifest import parse_template
from sdlc_runner.kube.soundness import faults

if TYPE_CHECKING:
    from collections.abc import Callable

Pod = dict[str, Any]


def wrong(form: Form, change: Callable[[Pod], object] = lambda _pod: None) -> list[str]:
    made = pod_template(form)
    change(made["template"]["spec"])
    return faults(parse_template(made, "test"))


@pytest.mark.parametrize("form", Form)
def test_the_templates_of_both_forms_are_sound(form: Form) -> None:
    assert wrong(form) == []


def agent(pod: Pod) -> Pod:
    found: Pod = pod["initContainers"][0]
    return found


def runner(pod: Pod) -> Pod:
    found: Pod = pod["containers"][0]
    return found


def unmount(container: Pod, path: str) -> None:
    container["volumeMounts"] = [
        each for each in container["volumeMounts"] if each["mountPath"] != path
    ]


def beside(pod: Pod) -> None:
    pod["containers"] += pod.pop("initContainers")


CHANGES: dict[str, Callable[[Pod], object]] = {
    "belongs into initContainers": beside,
    "would never end": lambda pod: agent(pod).pop("restartPolicy"),
    "starts runner with ['single']": lambda pod: runner(pod).update(args=["single"]),
    "mounts nothing in runner at /attempt": lambda pod: unmount(runner(pod), "/attempt"),
    "mounts nothing in agent at /tmp": lambda pod: unmount(agent(pod), "/tmp"),
    "gives the agent /secrets/git": lambda pod: agent(pod)["volumeMounts"].append(
        {"name": "git-credentials", "mountPath": "/secrets/git"}
    ),
    "as spec.json": lambda pod: pod.update(volumes=[]),
    "to save unfinished work": lambda pod: pod.update(terminationGracePeriodSeconds=5),
    "a token of the cluster": lambda pod: pod.pop("automountServiceAccountToken"),
    "the node's own: hostNetwork": lambda pod: pod.update(hostNetwork=True),
    "folders of the node: host": lambda pod: pod["volumes"].append(
        {"name": "host", "hostPath": {"path": "/"}}
    ),
    "`runAsNonRoot: true`": lambda pod: pod["securityContext"].pop("runAsNonRoot"),
    "seccompProfile": lambda pod: pod["securityContext"].pop("seccompProfile"),
    "allowPrivilegeEscalation": lambda pod: agent(pod).update(
        securityContext={**agent(pod)["securityContext"], "privileged": True}
    ),
    "capabilities": lambda pod: agent(pod).pop("securityContext"),
    "readOnlyRootFilesystem": lambda pod: runner(pod).pop("securityContext"),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_what_breaks_the_contract_or_lets_the_agent_out_is_told(sentence: str) -> None:
    assert sentence in "; ".join(wrong(Form.TWO, CHANGES[sentence]))
