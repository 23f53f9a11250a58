"""kubectl with one kubeconfig, in one namespace."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdlc_runner import process

if TYPE_CHECKING:
    from collections.abc import Iterable

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Kubectl:
    """What tests ask the cluster by."""

    config: str
    namespace: str = "default"

    @property
    def argv(self) -> list[str]:
        return ["kubectl", f"--kubeconfig={self.config}", f"--namespace={self.namespace}"]

    def inside(self, namespace: str) -> Kubectl:
        return replace(self, namespace=namespace)

    def try_run(self, *args: str, stdin: bytes = b"", seconds: float = 60) -> process.Completed:
        return process.run([*self.argv, *args], stdin=stdin, timeout=seconds)

    def run(self, *args: str, stdin: bytes = b"", seconds: float = 60) -> str:
        """Return its output; raises ``AssertionError`` with its complaint."""
        done = self.try_run(*args, stdin=stdin, seconds=seconds)
        assert done.ok, f"kubectl {' '.join(args)}: {done.error_text}"
        return done.text

    def get(self, *args: str) -> Manifest:
        """Return an object, or a list with ``items``."""
        found: Manifest = json.loads(self.run("get", *args, "--output=json"))
        return found

    def items(self, *args: str) -> list[Manifest]:
        found: list[Manifest] = self.get(*args)["items"]
        return found

    def apply(self, *manifests: Manifest) -> None:
        self.run("apply", "--filename=-", stdin=_listed(manifests))

    def create(self, *manifests: Manifest) -> None:
        """Quicker than ``apply``, for what is new."""
        self.run("create", "--filename=-", stdin=_listed(manifests))

    def server(self) -> str:
        """Return the API server's address, as the kubeconfig has it."""
        view = "jsonpath={.clusters[0].cluster.server}"
        return self.run("config", "view", "--minify", "--output", view)


def _listed(manifests: Iterable[Manifest]) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}).encode()


def config_file() -> Path:
    """Return the kubeconfig that kubectl would take (of several, the first)."""
    named = os.environ.get("KUBECONFIG", "").split(":")[0]
    return Path(named) if named else Path.home() / ".kube/config"
