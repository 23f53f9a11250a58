"""A store of secrets, and the part of External Secrets Operator: what is fetched becomes Secrets.

The operator itself needs no cluster of ours; its objects do: they are real, and so is the API's
check of them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.cluster.kubectl import Kubectl, Manifest

KIND = "externalsecrets.external-secrets.io"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LABEL = {"reconcile.external-secrets.io/managed": "true"}  # the operator puts it on its Secrets


class NotStoredError(Exception):
    """The store has no such entry, or no such property in it."""


@dataclass
class Store:
    """What a provider holds: entries by name, with properties; the whole entry is named ""."""

    entries: dict[str, dict[str, str]] = field(default_factory=dict)

    def put(self, key: str, value: str, property_: str = "") -> None:
        self.entries.setdefault(key, {})[property_] = value

    def get(self, reference: Manifest) -> str:
        """Return what a ``remoteRef`` means."""
        try:
            return self.entries[reference["key"]][reference.get("property", "")]
        except KeyError:
            raise NotStoredError(f"Secret does not exist: {reference['key']}") from None

    def values(self) -> list[str]:
        return [value for entry in self.entries.values() for value in entry.values()]

    def sync(self, kubectl: Kubectl) -> dict[str, bool]:
        """Do what the operator does at each refresh; returns which ExternalSecret is ready."""
        return {
            each["metadata"]["name"]: self._reconcile(kubectl, each) for each in kubectl.items(KIND)
        }

    def _reconcile(self, kubectl: Kubectl, external: Manifest) -> bool:
        try:
            made = self._secret(external)
        except NotStoredError as error:
            _tell(kubectl, external, _condition("False", "SecretSyncedError", str(error)))
            return False
        flags = ("--server-side", "--force-conflicts", "--filename=-")
        kubectl.run("apply", *flags, stdin=json.dumps(made).encode())
        _tell(kubectl, external, _condition("True", "SecretSynced", "secret synced"))
        return True

    def _secret(self, external: Manifest) -> Manifest:
        spec = external["spec"]
        found = {each["secretKey"]: self.get(each["remoteRef"]) for each in spec["data"]}
        metadata: dict[str, Any] = {"name": spec["target"]["name"], **_marks(external)}
        if spec["target"]["creationPolicy"] == "Owner":
            metadata["ownerReferences"] = [_owner(external)]
        data = {key: base64.b64encode(value.encode()).decode() for key, value in found.items()}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def _marks(external: Manifest) -> dict[str, dict[str, str]]:
    """Return labels and annotations: the operator copies them, those of Argo CD too."""
    given = external["metadata"]
    notes = {
        key: text for key, text in given.get("annotations", {}).items() if key != _LAST_APPLIED
    }
    return {"labels": {**given.get("labels", {}), **_LABEL}, "annotations": notes}


def _owner(external: Manifest) -> dict[str, Any]:
    named = {key: external["metadata"][key] for key in ("name", "uid")}
    kind = {"apiVersion": external["apiVersion"], "kind": external["kind"]}
    return {**kind, **named, "controller": True, "blockOwnerDeletion": True}


def _condition(status: str, reason: str, message: str) -> Manifest:
    return {"type": "Ready", "status": status, "reason": reason, "message": message}


def _tell(kubectl: Kubectl, external: Manifest, condition: Manifest) -> None:
    patch = json.dumps({"status": {"conditions": [condition]}})
    where = ("externalsecret", external["metadata"]["name"], "--subresource=status")
    kubectl.run("patch", *where, "--type=merge", f"--patch={patch}")
