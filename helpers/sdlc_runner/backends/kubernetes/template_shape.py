"""Whether what somebody wrote has its lists, objects and texts where a pod template has them. Pure.

Only what the rest of the package reads: the cluster itself checks a pod as a whole.
"""

from __future__ import annotations

from typing import Any

_NAMES = {bool: "yes or no", dict: "an object", int: "a number", list: "a list", str: "a text"}
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
        return f"has something else than {_NAMES[kind]} at {path}"
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
