"""A program where the image has its first one; the template stays as it must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.cluster.kubectl import Manifest

_FIRST = "/usr/bin/tini"  # called with "--", the worker's command line and the role


def program(name: str, script: str) -> Manifest:
    """Return a ConfigMap that holds a script."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"tini": f"{script}\n"},
    }


def put(pod: dict[str, Any], container: dict[str, Any], name: str, *, starts: bool = True) -> None:
    """Have a container of a pod start that script; or, without the right to, nothing."""
    source = {"name": name, "defaultMode": 0o755 if starts else 0o644}
    pod["volumes"].append({"name": name, "configMap": source})
    mount = {"name": name, "mountPath": _FIRST, "subPath": "tini"}
    container["volumeMounts"].append(mount)
