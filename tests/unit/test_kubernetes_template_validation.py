from __future__ import annotations

import contextlib
import copy
import functools
import re
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.backends.kubernetes import agent_endpoint
from sdlc_runner.backends.kubernetes.job_spec import Clocks, build_job
from sdlc_runner.backends.kubernetes.pod_template import parse_template, problems, require
from sdlc_runner.doctor.permissions import quota_rooms
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events.codec import AttemptKey
from support.cluster.pod_template import Form, pod_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pod = dict[str, Any]
Path = tuple[Any, ...]
KEY = AttemptKey("f", "T001", 1)
TASKS = (AttemptTask("T001", "x", "x"),)
SPEC = AttemptSpec(KEY, "i", TASKS, "url", "specs/f", "f", "0" * 40, "b", origin="host/x")
QUOTAS = [{"metadata": {"name": "q"}, "status": {"hard": {"cpu": "2", "limits.memory": "1Gi"}}}]


def wrong(form: Form, change: Callable[[Pod], object] = lambda _pod: None) -> list[str]:
    made = pod_template(form)
    change(made["template"]["spec"])
    return problems(parse_template(made, "test"))


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


def mount(container: Pod, path: str) -> Pod:
    found: Pod = next(each for each in container["volumeMounts"] if each["mountPath"] == path)
    return found


def beside(pod: Pod) -> None:
    pod["containers"] += pod.pop("initContainers")


CHANGES: dict[str, Callable[[Pod], object]] = {
    "belongs in initContainers": beside,
    "would never end": lambda pod: agent(pod).pop("restartPolicy"),
    "names no image for runner": lambda pod: runner(pod).pop("image"),
    "what the image starts in agent with ['sh']": lambda pod: agent(pod).update(command=["sh"]),
    "mounts /attempt in runner read-only": lambda pod: mount(runner(pod), "/attempt").update(
        readOnly=True
    ),
    "has /workspace of runner and of agent from two places": lambda pod: mount(
        agent(pod), "/workspace"
    ).update(name="tmp"),
    "at /etc/sdlc-runner that holds": lambda pod: mount(runner(pod), "/etc/sdlc-runner").update(
        name="home"
    ),
    "starts runner with ['single']": lambda pod: runner(pod).update(args=["single"]),
    "mounts nothing in runner at /attempt": lambda pod: unmount(runner(pod), "/attempt"),
    "mounts nothing in agent at /tmp": lambda pod: unmount(agent(pod), "/tmp"),
    "gives the agent /secrets/git": lambda pod: agent(pod)["volumeMounts"].append(
        {"name": "git-credentials", "mountPath": "/secrets/git"}
    ),
    "as spec.json": lambda pod: pod.update(volumes=[]),
    "to save unfinished work": lambda pod: pod.update(terminationGracePeriodSeconds=5),
    "a token for the cluster": lambda pod: pod.pop("automountServiceAccountToken"),
    "the node's namespaces: hostNetwork": lambda pod: pod.update(hostNetwork=True),
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
def test_what_breaks_the_contract_or_lets_the_agent_out_is_reported(sentence: str) -> None:
    assert sentence in "; ".join(wrong(Form.TWO, CHANGES[sentence]))


WEAK = {
    "to save unfinished work", "a token for the cluster", "the node's namespaces: hostNetwork",
    "folders of the node: host", "`runAsNonRoot: true`", "seccompProfile",
    "allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem",
}  # fmt: skip


@pytest.mark.parametrize("sentence", CHANGES)
def test_no_attempt_begins_where_none_could_work(sentence: str) -> None:
    made = pod_template(Form.TWO)
    CHANGES[sentence](made["template"]["spec"])
    template = parse_template(made, "test")
    with contextlib.ExitStack() as stack:
        if sentence not in WEAK:
            stack.enter_context(pytest.raises(UsageError, match=re.escape(sentence)))
        require(template)


def places(node: Any, path: Path = ()) -> Iterator[Path]:  # noqa: ANN401
    """Yield the path of everything within a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, key))


GARBAGE: tuple[Any, ...] = (None, 7, True, "x", [], {}, [None], [7], {"x": 7}, [[]], [{}])


@pytest.mark.parametrize("form", Form)
def test_whatever_stands_anywhere_is_a_sentence_or_a_job(form: Form) -> None:
    told = set()
    for path in places(pod_template(form)):
        for garbage in GARBAGE:
            found: Any = copy.deepcopy(pod_template(form))
            holder = functools.reduce(lambda node, key: node[key], path[:-1], found)
            holder[path[-1]] = copy.deepcopy(garbage)
            try:
                template = parse_template(found, "test")
                problems(template)
                list(quota_rooms(QUOTAS, template.pod["spec"]))
                with contextlib.suppress(UsageError):
                    agent_endpoint.secret_of(template.pod["spec"])
                build_job(template, SPEC, "here", Clocks(), 60, "another")
            except UsageError as error:
                told.add((error.code, str(error)))
    assert {code for code, _ in told} == {Code.BAD_POD_TEMPLATE}
    assert len(told) > 100
