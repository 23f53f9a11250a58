"""Whether a pod template keeps the contract with the agent wrapper, and its agent in bounds. Pure.

What Kubernetes itself checks, a dry run tells; here is what it would take without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.kube.manifest import AGENT, RUNNER, SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdlc_runner.kube.manifest import PodTemplate

_GIT, _ATTEMPT = "/secrets/git", "/attempt"
_BOTH = ("/workspace", "/etc/sdlc-runner")
_SERVER = "/secrets/server"
_OWN = ("/home/agent", "/tmp")  # noqa: S108 - a mount point
_MOUNTS = {
    "runner": (*_BOTH, _ATTEMPT, _SERVER),
    "agent": (*_BOTH, *_OWN, _SERVER),
    "single": (*_BOTH, *_OWN, _ATTEMPT),
}
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
_LEAST_GRACE = 30


def faults(template: PodTemplate) -> list[str]:
    """Return what is wrong with a template, each as the end of "the pod template …"."""
    spec = template.pod["spec"]
    return [*_contract(template, spec), *_bounds(spec)]


def _contract(template: PodTemplate, spec: Mapping[str, Any]) -> Iterator[str]:
    runner = _named(spec.get("containers"), RUNNER)
    agent = _named(spec.get("initContainers"), AGENT)
    if not template.is_single and not agent:
        yield f"has the container {AGENT} beside {RUNNER}: it belongs into initContainers"
    if agent and agent.get("restartPolicy") != "Always":
        yield f"has the container {AGENT} without `restartPolicy: Always`: it would never end"
    yield from _role(runner, "single" if template.is_single else "runner")
    if agent:
        yield from _role(agent, "agent")
        stolen = sorted({_GIT, _ATTEMPT} & _mounts(agent))
        if stolen:
            yield f"gives the agent {' and '.join(stolen)}, which is the runner's alone"
    if _spec_annotation(spec) != SPEC:
        yield f"has no volume that holds the annotation {SPEC} as spec.json"
    if int(spec.get("terminationGracePeriodSeconds", _LEAST_GRACE)) < _LEAST_GRACE:
        yield f"leaves less than {_LEAST_GRACE} s to save unfinished work"


def _role(container: Mapping[str, Any], role: str) -> Iterator[str]:
    name = container.get("name")
    if container.get("args") != [role]:
        yield f"starts {name} with {container.get('args')} and not with [{role}]"
    absent = [path for path in _MOUNTS[role] if path not in _mounts(container)]
    if absent:
        yield f"mounts nothing in {name} at {', '.join(absent)}"


def _spec_annotation(spec: Mapping[str, Any]) -> str:
    for volume in spec.get("volumes") or []:
        for item in (volume.get("downwardAPI") or {}).get("items") or []:
            field = str((item.get("fieldRef") or {}).get("fieldPath", ""))
            if item.get("path") == "spec.json":
                return field.removeprefix("metadata.annotations['").removesuffix("']")
    return ""


def _bounds(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield what lets an agent out of its pod, or Pod Security ``restricted`` refuses."""
    if spec.get("automountServiceAccountToken") is not False:
        yield "gives the agent a token of the cluster: `automountServiceAccountToken: false`"
    shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if shared:
        yield f"shares the node's own: {', '.join(shared)}"
    paths = [volume["name"] for volume in spec.get("volumes") or [] if volume.get("hostPath")]
    if paths:
        yield f"mounts folders of the node: {', '.join(paths)}"
    own = spec.get("securityContext") or {}
    for container in (*(spec.get("initContainers") or []), *spec["containers"]):
        lacks = list(_lacks(own, container.get("securityContext") or {}))
        if lacks:
            yield f"leaves {container.get('name')} without {', '.join(lacks)}"


def _lacks(pod: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[str]:
    both = {**pod, **container}
    if not both.get("runAsNonRoot"):
        yield "`runAsNonRoot: true`"
    if (both.get("seccompProfile") or {}).get("type") not in _SECCOMP:
        yield "`seccompProfile: {type: RuntimeDefault}`"
    if container.get("allowPrivilegeEscalation") is not False or container.get("privileged"):
        yield "`allowPrivilegeEscalation: false`"
    if "ALL" not in ((container.get("capabilities") or {}).get("drop") or []):
        yield "`capabilities: {drop: [ALL]}`"
    if not container.get("readOnlyRootFilesystem"):
        yield "`readOnlyRootFilesystem: true`"


def _named(containers: object, name: str) -> Mapping[str, Any]:
    found = containers if isinstance(containers, list) else []
    return next((item for item in found if item.get("name") == name), {})


def _mounts(container: Mapping[str, Any]) -> set[str]:
    return {str(item.get("mountPath")) for item in container.get("volumeMounts") or []}
