"""Whether a pod template keeps the contract with the worker, and its agent in bounds. Pure.

What Kubernetes itself checks, a dry run tells; here is what it would take without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.kubernetes.job_spec import AGENT, RUNNER, SPEC
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sdlc_runner.backends.kubernetes.job_spec import PodTemplate

    _Mounts = Mapping[str, Mapping[str, Any]]

_GIT, _ATTEMPT = "/secrets/git", "/attempt"
_SPECIFICATION = "/etc/sdlc-runner"
_BOTH = ("/workspace", _SPECIFICATION)
_SERVER = "/secrets/server"
_OWN = ("/home/agent", "/tmp")  # noqa: S108 - a mount point
_MOUNTS = {
    "runner": (*_BOTH, _ATTEMPT, _SERVER),
    "agent": (*_BOTH, *_OWN, _SERVER),
    "single": (*_BOTH, *_OWN, _ATTEMPT),
}
_WRITTEN = ("/workspace", _ATTEMPT, *_OWN)
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
_LEAST_GRACE = 30


def faults(template: PodTemplate) -> list[str]:
    """Return what is wrong with a template, each as the end of "the pod template …"."""
    return [*_contract(template), *_bounds(template.pod["spec"])]


def require(template: PodTemplate) -> None:
    """Raise ``bad_pod_template`` for one that no attempt could work in.

    An agent out of bounds is what ``doctor`` tells, and what the cluster's policy refuses.
    """
    refuse(template, list(_contract(template)))


def refuse(template: PodTemplate, wrong: list[str]) -> None:
    """Raise ``bad_pod_template`` if anything is wrong with a template."""
    if wrong:
        text = f"The pod template {template.source} {'; it '.join(wrong)}."
        hint = "Upgrade the chart's release, or mend the template."
        raise UsageError(Code.BAD_POD_TEMPLATE, text, hint)


def _contract(template: PodTemplate) -> Iterator[str]:
    spec = template.pod["spec"]
    runner = _named(spec.get("containers"), RUNNER)
    agent = _named(spec.get("initContainers"), AGENT)
    if not template.is_single and not agent:
        yield f"has the container {AGENT} beside {RUNNER}: it belongs into initContainers"
    if agent and agent.get("restartPolicy") != "Always":
        yield f"has the container {AGENT} without `restartPolicy: Always`: it would never end"
    yield from _role(runner, "single" if template.is_single else "runner")
    if agent:
        yield from _role(agent, "agent")
        yield from _sides(_mounts(runner), _mounts(agent))
    if not _tells_specification(spec, _mounts(runner).get(_SPECIFICATION, {})):
        yield f"has no volume at {_SPECIFICATION} that holds the annotation {SPEC} as spec.json"


def _role(container: Mapping[str, Any], role: str) -> Iterator[str]:
    name, mounts = container.get("name"), _mounts(container)
    if not container.get("image"):
        yield f"names no image for {name}"
    if container.get("command"):
        yield f"replaces what the image starts in {name} by {container['command']}"
    elif container.get("args") != [role]:
        yield f"starts {name} with {container.get('args')} and not with [{role}]"
    absent = [path for path in _MOUNTS[role] if path not in mounts]
    if absent:
        yield f"mounts nothing in {name} at {', '.join(absent)}"
    closed = [path for path in _WRITTEN if mounts.get(path, {}).get("readOnly")]
    if closed:
        yield f"mounts {', '.join(closed)} in {name} read-only"


def _sides(runner: _Mounts, agent: _Mounts) -> Iterator[str]:
    stolen = sorted({_GIT, _ATTEMPT} & agent.keys())
    if stolen:
        yield f"gives the agent {' and '.join(stolen)}, which is the runner's alone"
    for path in sorted({*_BOTH, _SERVER} & runner.keys() & agent.keys()):
        if _place(runner[path]) != _place(agent[path]):
            yield f"has {path} of {RUNNER} and of {AGENT} from two places: they share it"


def _place(mount: Mapping[str, Any]) -> tuple[object, object]:
    return mount.get("name"), mount.get("subPath")


def _tells_specification(spec: Mapping[str, Any], mount: Mapping[str, Any]) -> bool:
    wanted = ("spec.json", f"metadata.annotations['{SPEC}']")
    volume = _named(spec.get("volumes"), str(mount.get("name")))
    items = (volume.get("downwardAPI") or {}).get("items") or []
    return wanted in [
        (item["path"], (item.get("fieldRef") or {}).get("fieldPath")) for item in items
    ]


def _bounds(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield what lets an agent out of its pod, or is refused, or costs work that was done."""
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < _LEAST_GRACE:
        yield f"leaves less than {_LEAST_GRACE} s to save unfinished work"
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


def _named(found: Sequence[Mapping[str, Any]] | None, name: str) -> Mapping[str, Any]:
    return next((item for item in found or () if item.get("name") == name), {})


def _mounts(container: Mapping[str, Any]) -> _Mounts:
    return {item["mountPath"]: item for item in container.get("volumeMounts") or []}
