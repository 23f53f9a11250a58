"""The pod template with something wrong, or something else, in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.cluster.pod_template import Form, pod_template

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster.harness import ClusterHarness

    PodSpec = dict[str, Any]
    Change = Callable[[PodSpec], object]


def change(harness: ClusterHarness, changed: Change, form: Form = Form.ONE) -> None:
    """Put the template into the namespace, its pod's specification changed."""
    template = pod_template(form)
    changed(template["template"]["spec"])
    harness.namespace.kubectl.apply(template)


def runner(pod: PodSpec) -> dict[str, Any]:
    found: dict[str, Any] = pod["containers"][0]
    return found


def agent(pod: PodSpec) -> dict[str, Any]:
    found: dict[str, Any] = pod["initContainers"][0]
    return found


def volume(pod: PodSpec, name: str) -> dict[str, Any]:
    """Return a volume, to be changed in place."""
    found: dict[str, Any] = next(item for item in pod["volumes"] if item["name"] == name)
    return found
