"""Where the pod template comes from: the namespace, a file, or a release that Helm renders here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from sdlc_runner import process
from sdlc_runner.backends.kubernetes.job_spec import PodTemplate, parse_template
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sdlc_runner.backends.kubernetes.api import KubeApi

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
        text = f"{path} has more than {_FILE_LIMIT >> 20} MiB: it is no pod template."
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
            "helm is not there to render the release.",
            "Install Helm 3 or 4, or leave --release out: the cluster has the template.",
        )
    if not done.ok:
        said = done.error_text.strip().splitlines()[-1:] or ["it ended without a word"]
        raise UsageError(
            Code.NO_POD_TEMPLATE,
            f"helm cannot render {folder}: {said[0][:300]}",
            f"`helm dependency build {folder}` fetches what a release rests on.",
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
            "Take the one that the chart agentic-sdlc-agent-runner makes.",
        )
    return parse_template(found[0], source)
