"""What the runner must be allowed to do in its namespace: one table, asked of the cluster itself.

The chart's spawner Role grants exactly these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.backends.kubernetes.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sdlc_runner.backends.kubernetes.api import KubeApi

_REVIEW = "selfsubjectaccessreviews"
_NOT_FOUND = 404


class Right(NamedTuple):
    """One verb on one kind of object; ``use`` is what does not work without it."""

    verb: str
    kind: str
    use: str
    group: str = ""
    name: str = ""


_ATTEMPTS = "spawn, follow, cancel and gc"
_STEERING = "attach and send"
_NEEDED = (
    ("jobs", "create get list watch patch delete", _ATTEMPTS, "batch"),
    ("pods", "get list watch delete", _ATTEMPTS, ""),
    ("pods/log", "get", "follow and logs", ""),
    ("events", "list watch", "follow", ""),
)
_WANTED = (
    # WebSockets ask for "get"; newer servers for "create" as well.
    ("pods/portforward", "get create", _STEERING, ""),
    ("resourcequotas", "list", "doctor", ""),
)


def needed(*, template: bool) -> Iterator[Right]:
    """Yield what attempts cannot do without; ``template``: the pod template is in the cluster."""
    if template:
        yield Right("list", "podtemplates", "spawn")
    yield from _table(_NEEDED)


def wanted(namespace: str, secret: str) -> Iterator[Right]:
    """Yield what one verb or the other needs; ``secret`` holds the server password, if any."""
    yield from _table(_WANTED)
    yield Right("get", "namespaces", "doctor", name=namespace)
    if secret:
        yield Right("get", "secrets", _STEERING, name=secret)


def _table(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[Right]:
    for kind, verbs, use, group in rows:
        for verb in verbs.split():
            yield Right(verb, kind, use, group)


def missing(api: KubeApi, rights: Iterable[Right]) -> list[Right]:
    """Return those that we have not; raises ``ApiError``."""
    return [right for right in rights if not is_allowed(api, right)]


def is_allowed(api: KubeApi, right: Right) -> bool:
    """Ask the cluster whether we have a right."""
    kind, _, part = right.kind.partition("/")
    asked = {
        "namespace": api.namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": kind,
        "subresource": part,
        "name": right.name,
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
    """Return who the cluster takes us for; empty where it does not say (before 1.28)."""
    version = "authentication.k8s.io/v1"
    asked = {"apiVersion": version, "kind": "SelfSubjectReview"}
    try:
        found = api.create(f"/apis/{version}/selfsubjectreviews", asked)
    except ApiError as error:
        if error.status in {403, _NOT_FOUND}:
            return ""
        raise
    return str(((found.get("status") or {}).get("userInfo") or {}).get("username", ""))
