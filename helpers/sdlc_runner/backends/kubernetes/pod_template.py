"""The pod template that attempts are made from: where it is read, and what it must have.

It comes from the namespace, a file, or a release that Helm renders here. What Kubernetes checks
itself, a dry run reports; checked here is what this package reads, and what the cluster would
accept silently although no attempt could work in it, or its agent would be out of bounds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from sdlc_runner import process
from sdlc_runner.backends.kubernetes.job_spec import AGENT, RUNNER, SPEC
from sdlc_runner.digest import digest
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sdlc_runner.backends.kubernetes.api import KubeApi

    _Mounts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class PodTemplate:
    """A core/v1 PodTemplate and where it came from."""

    source: str
    content: Mapping[str, Any]

    @property
    def pod(self) -> Mapping[str, Any]:
        """Its ``template``: metadata and spec of the pod."""
        found: Mapping[str, Any] = self.content["template"]
        return found

    @property
    def digest(self) -> str:
        """A hash that changes when the pods it makes do."""
        return digest(json.dumps(self.pod, sort_keys=True))[:16]

    @property
    def is_single(self) -> bool:
        """Whether one container is both runner and agent."""
        return not any(item["name"] == AGENT for item in _containers(self.pod))


def parse_template(found: object, source: str) -> PodTemplate:
    """Check that an object is a pod template that attempts can run in."""
    problem = _problem(found)
    if problem or not isinstance(found, dict):
        raise UsageError(
            Code.BAD_POD_TEMPLATE,
            f"The pod template {source} {problem}.",
            "Use the one of the chart agentic-sdlc-agent-runner.",
        )
    return PodTemplate(source, found)


def _problem(found: object) -> str:
    if not isinstance(found, dict) or found.get("kind") != "PodTemplate":
        return "is not a PodTemplate of core/v1"
    problem = misfit(found.get("template"))
    if problem:
        return problem
    named = [item["name"] for item in found["template"]["spec"]["containers"]]
    return "" if RUNNER in named else f"has no container named {RUNNER}"


def _containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spec = pod.get("spec") or {}
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


COMPONENT = "app.kubernetes.io/component=pod-template"
_INSTALL = (
    "Install the chart: `helm upgrade --install agentic-sdlc-agent-runner-dev "
    "releases/agentic-sdlc-agent-runner-dev -n {namespace} --create-namespace`."
)
_HELM_SECONDS = 60.0
_FILE_LIMIT = 1 << 20


def from_namespace(api: KubeApi, name: str) -> PodTemplate:
    """Read the template of that name; without one, the only one that the chart made there."""
    if name:
        found = [item for item in _list(api, "") if item["metadata"]["name"] == name]
    else:
        found = _list(api, COMPONENT)
    where = f"in the namespace {api.namespace}"
    if not found:
        text = f"There is no pod template {name} {where}." if name else f"No pod template {where}."
        hint = _INSTALL.format(namespace=api.namespace)
        raise UsageError(Code.NO_POD_TEMPLATE, text, hint)
    if len(found) > 1:
        names = ", ".join(sorted(item["metadata"]["name"] for item in found))
        text = f"There is more than one pod template {where}: {names}."
        raise UsageError(
            Code.NO_POD_TEMPLATE, text, "Name one: `--set kubernetes.pod_template=NAME`."
        )
    chosen = {"kind": "PodTemplate", **found[0]}
    return parse_template(chosen, f"{api.namespace}/{found[0]['metadata']['name']}")


def _list(api: KubeApi, labels: str) -> list[dict[str, Any]]:
    query = {"labelSelector": labels} if labels else {}
    return list(api.get(api.path("podtemplates"), **query).get("items", []))


def from_file(path: Path) -> PodTemplate:
    """Read the template in a YAML or JSON file."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_FILE_LIMIT)
            more = file.read(1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            Code.NO_POD_TEMPLATE, f"The pod template {path} cannot be read: {error}."
        ) from error
    if more:
        text = f"{path} has more than {_FILE_LIMIT >> 20} MiB: it is not a pod template."
        raise UsageError(Code.NO_POD_TEMPLATE, text)
    return _only(_documents(text, str(path)), str(path))


def from_release(api: KubeApi, folder: Path) -> PodTemplate:
    """Render a release as the cluster would have it: `helm template`."""
    version = str(api.get("/version").get("gitVersion", ""))
    argv = ["helm", "template", folder.name, str(folder), "--namespace", api.namespace]
    argv += ["--kube-version", version] if version else []
    done = process.run(argv, timeout=_HELM_SECONDS)
    if done.code == process.NOT_FOUND:
        raise UsageError(
            Code.NO_POD_TEMPLATE,
            "Helm is not installed, so the release cannot be rendered.",
            "Install Helm 3 or 4, or omit --release to use the template in the cluster.",
        )
    if not done.ok:
        lines = done.error_text.strip().splitlines()[-1:] or ["no error message"]
        raise UsageError(
            Code.NO_POD_TEMPLATE,
            f"helm cannot render {folder}: {lines[0][:300]}",
            f"`helm dependency build {folder}` fetches its dependencies.",
        )
    return _only(_documents(done.text, str(folder)), str(folder))


def _documents(text: str, source: str) -> list[object]:
    """Read a YAML stream; what is wrong with it is ``bad_config``, with its line."""
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        where = f"{source}, line {line}" if line else source
        problem = getattr(error, "problem", None) or "it is nested too deeply or malformed"
        raise UsageError(
            Code.BAD_CONFIG, f"{where}: this is not YAML: {problem}.", line=line
        ) from error


def _only(documents: Iterable[object], source: str) -> PodTemplate:
    found = [
        item for item in documents if isinstance(item, dict) and item.get("kind") == "PodTemplate"
    ]
    if len(found) != 1:
        raise UsageError(
            Code.NO_POD_TEMPLATE,
            f"{source} has {len(found)} PodTemplates; one is needed.",
            "Use the one of the chart agentic-sdlc-agent-runner.",
        )
    return parse_template(found[0], source)


_NAMES = {bool: "yes or no", dict: "an object", int: "a number", list: "a list", str: "a string"}
_REQUIRED = frozenset({"name", "mountPath", "secretName", "path", "key", "containers", "spec"})
_MOUNT = {"name": str, "mountPath": str, "readOnly": bool}
_SECURITY = {"seccompProfile": {"type": str}, "capabilities": {"drop": [str]}}
_CONTAINER = {
    "name": str,
    "image": str,
    "command": [str],
    "args": [str],
    "env": [{"name": str}],
    "volumeMounts": [_MOUNT],
    "resources": {"requests": {}, "limits": {}},
    "securityContext": _SECURITY,
}
_VOLUME = {
    "name": str,
    "secret": {"secretName": str, "items": [{"key": str, "path": str}]},
    "downwardAPI": {"items": [{"path": str, "fieldRef": {"fieldPath": str}}]},
}
_POD = {
    "metadata": {"labels": {}, "annotations": {}},
    "spec": {
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "volumes": [_VOLUME],
        "securityContext": _SECURITY,
        "terminationGracePeriodSeconds": int,
        "activeDeadlineSeconds": int,
    },
}


def misfit(pod: object) -> str:
    """Return the first place that does not fit, as the end of "the pod template …", or nothing."""
    return _misfit(pod, _POD, "template")


def _misfit(found: object, shape: Any, path: str) -> str:  # noqa: ANN401 - shapes nest
    kind = shape if isinstance(shape, type) else type(shape)
    if not isinstance(found, kind):
        return f"needs {_NAMES[kind]} at {path}"
    if isinstance(found, list):
        parts = [(each, shape[0], f"{path}[{at}]") for at, each in enumerate(found)]
    elif isinstance(found, dict) and isinstance(shape, dict):
        absent = sorted(name for name in _REQUIRED & shape.keys() if found.get(name) is None)
        if absent:
            return f"has no {path}.{absent[0]}"
        there = [name for name in shape if found.get(name) is not None]
        parts = [(found[name], shape[name], f"{path}.{name}") for name in there]
    else:
        parts = []
    return next(filter(None, (_misfit(*part) for part in parts)), "")


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


def problems(template: PodTemplate) -> list[str]:
    """Return what is wrong with a template, each as the end of "the pod template …"."""
    return [*_contract(template), *_bounds(template.pod["spec"])]


def require(template: PodTemplate) -> None:
    """Raise ``bad_pod_template`` for one that no attempt could work in.

    An agent out of bounds is reported by ``doctor``, and refused by the cluster's policy.
    """
    refuse(template, list(_contract(template)))


def require_single(template: PodTemplate) -> None:
    """Raise ``unsupported_backend`` for a template in which ``agent.command`` cannot run."""
    if not template.is_single:
        raise UsageError(
            Code.UNSUPPORTED_BACKEND,
            "agent.command needs a pod with one container; this template's agent is OpenCode.",
            "Unset agent.command, or render the chart with `agent.form: single`.",
        )


def refuse(template: PodTemplate, wrong: list[str]) -> None:
    """Raise ``bad_pod_template`` if anything is wrong with a template."""
    if wrong:
        text = f"The pod template {template.source} {'; it '.join(wrong)}."
        hint = "Upgrade the chart's release, or fix the template."
        raise UsageError(Code.BAD_POD_TEMPLATE, text, hint)


def _contract(template: PodTemplate) -> Iterator[str]:
    spec = template.pod["spec"]
    runner = _named(spec.get("containers"), RUNNER)
    agent = _named(spec.get("initContainers"), AGENT)
    if not template.is_single and not agent:
        yield f"has the container {AGENT} beside {RUNNER}: it belongs in initContainers"
    if agent and agent.get("restartPolicy") != "Always":
        yield f"has the container {AGENT} without `restartPolicy: Always`: it would never end"
    yield from _role(runner, "single" if template.is_single else "runner")
    if agent:
        yield from _role(agent, "agent")
        yield from _sides(_mounts(runner), _mounts(agent))
    if not _has_specification(spec, _mounts(runner).get(_SPECIFICATION, {})):
        yield f"has no volume at {_SPECIFICATION} that holds the annotation {SPEC} as spec.json"


def _role(container: Mapping[str, Any], role: str) -> Iterator[str]:
    name, mounts = container.get("name"), _mounts(container)
    if not container.get("image"):
        yield f"names no image for {name}"
    if container.get("command"):
        yield f"replaces what the image starts in {name} with {container['command']}"
    elif container.get("args") != [role]:
        yield f"starts {name} with {container.get('args')} instead of [{role}]"
    absent = [path for path in _MOUNTS[role] if path not in mounts]
    if absent:
        yield f"mounts nothing in {name} at {', '.join(absent)}"
    closed = [path for path in _WRITTEN if mounts.get(path, {}).get("readOnly")]
    if closed:
        yield f"mounts {', '.join(closed)} in {name} read-only"


def _sides(runner: _Mounts, agent: _Mounts) -> Iterator[str]:
    stolen = sorted({_GIT, _ATTEMPT} & agent.keys())
    if stolen:
        yield f"gives the agent {' and '.join(stolen)}, which only the runner may have"
    for path in sorted({*_BOTH, _SERVER} & runner.keys() & agent.keys()):
        if _place(runner[path]) != _place(agent[path]):
            yield f"has {path} of {RUNNER} and of {AGENT} from two places; they must share it"


def _place(mount: Mapping[str, Any]) -> tuple[object, object]:
    return mount.get("name"), mount.get("subPath")


def _has_specification(spec: Mapping[str, Any], mount: Mapping[str, Any]) -> bool:
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
        yield "gives the agent a token for the cluster; set `automountServiceAccountToken: false`"
    shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if shared:
        yield f"shares the node's namespaces: {', '.join(shared)}"
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
