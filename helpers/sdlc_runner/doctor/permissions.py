"""What the namespace allows: the user's permissions, and how many attempts its quotas fit.

The chart's spawner Role grants exactly the permissions in the tables.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.backends.kubernetes.api import quantity
from sdlc_runner.backends.kubernetes.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sdlc_runner.backends.kubernetes.api import KubeApi

_REVIEW = "selfsubjectaccessreviews"


class Permission(NamedTuple):
    """One verb on one kind of object; ``use`` is what does not work without it."""

    verb: str
    kind: str
    use: str
    group: str = ""
    name: str = ""


_ATTEMPTS = "spawn, follow, cancel and gc"
_ATTACH = "attach and send"
_NEEDED = (
    ("jobs", "create get list watch patch delete", _ATTEMPTS, "batch"),
    ("pods", "get list watch delete", _ATTEMPTS, ""),
    ("pods/log", "get", "follow and logs", ""),
    ("events", "list watch", "follow", ""),
)
_WANTED = (
    # WebSockets ask for "get"; newer servers for "create" as well.
    ("pods/portforward", "get create", _ATTACH, ""),
    ("resourcequotas", "list", "doctor", ""),
)


def needed(*, template: bool) -> Iterator[Permission]:
    """Yield what attempts need; ``template``: the pod template is in the cluster."""
    if template:
        yield Permission("list", "podtemplates", "spawn")
    yield from _table(_NEEDED)


def wanted(namespace: str, secret: str) -> Iterator[Permission]:
    """Yield what some commands need; ``secret`` holds the server password, if any."""
    yield from _table(_WANTED)
    yield Permission("get", "namespaces", "doctor", name=namespace)
    if secret:
        yield Permission("get", "secrets", _ATTACH, name=secret)


def _table(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[Permission]:
    for kind, verbs, use, group in rows:
        for verb in verbs.split():
            yield Permission(verb, kind, use, group)


def missing(api: KubeApi, permissions: Iterable[Permission]) -> list[Permission]:
    """Return those that the user lacks; raises ``ApiError``."""
    return [item for item in permissions if not is_allowed(api, item)]


def is_allowed(api: KubeApi, permission: Permission) -> bool:
    """Ask the cluster whether we have a permission."""
    kind, _, part = permission.kind.partition("/")
    asked = {
        "namespace": api.namespace,
        "verb": permission.verb,
        "group": permission.group,
        "resource": kind,
        "subresource": part,
        "name": permission.name,
    }
    found = api.create(
        f"/apis/authorization.k8s.io/v1/{_REVIEW}",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        },
    )
    return bool((found.get("status") or {}).get("allowed"))


def own_name(api: KubeApi) -> str:
    """Return the user's name in the cluster; empty where it does not say (before 1.28)."""
    version = "authentication.k8s.io/v1"
    asked = {"apiVersion": version, "kind": "SelfSubjectReview"}
    try:
        found = api.create(f"/apis/{version}/selfsubjectreviews", asked)
    except ApiError as error:
        if error.is_forbidden or error.is_not_found:
            return ""
        raise
    return str(((found.get("status") or {}).get("userInfo") or {}).get("username", ""))


_COUNTED = frozenset({"pods", "count/pods", "count/jobs.batch"})


class QuotaRoom(NamedTuple):
    """What is left of one limit: ``attempts`` more fit now, and ``ever`` into the whole of it."""

    quota: str
    resource: str
    used: str
    hard: str
    attempts: int
    ever: int

    def __str__(self) -> str:
        return f"{self.resource} {self.used} of {self.hard}"


def quota_rooms(quotas: Iterable[Mapping[str, Any]], pod: Mapping[str, Any]) -> Iterator[QuotaRoom]:
    """Yield every limit that an attempt's pod (its spec) counts against."""
    for quota in quotas:
        status = quota.get("status") or {}
        for resource, hard in (status.get("hard") or {}).items():
            need = _need(resource, pod)
            if need:
                used = (status.get("used") or {}).get(resource, "0")
                left = max(quantity(hard) - quantity(used), Decimal(0))
                name = str(quota["metadata"]["name"])
                fits = int(left // need), int(quantity(hard) // need)
                yield QuotaRoom(name, resource, str(used), str(hard), *fits)


def _need(resource: str, pod: Mapping[str, Any]) -> Decimal:
    if resource in _COUNTED:
        return Decimal(1)
    side, dot, name = resource.partition(".")
    if not dot:
        side, name = "requests", resource  # "cpu" is short for "requests.cpu"
    containers = [*(pod.get("initContainers") or []), *pod["containers"]]
    return sum((_of(container, side, name) for container in containers), Decimal(0))


def _of(container: Mapping[str, Any], side: str, name: str) -> Decimal:
    given = container.get("resources") or {}
    found = (given.get(side) or {}).get(name)
    if found is None and side == "requests":
        found = (given.get("limits") or {}).get(name)  # what Kubernetes takes then
    return quantity(found) if found is not None else Decimal(0)
