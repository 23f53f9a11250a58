"""Accounts of a namespace: one with the chart's spawner Role and nothing else, one with nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from support.chart.rendering import CHART, Rendered, helm
from support.cluster import pod_security
from support.cluster.pod_template import NAME

if TYPE_CHECKING:
    from pathlib import Path

    from support.cluster.namespaces import Namespace

SPAWNER, NOBODY = "spawner", "nobody"


def create(namespace: Namespace) -> None:
    """Make both accounts, and the Role as the chart renders it."""
    accounts = [pod_security.service_account(name) for name in (SPAWNER, NOBODY)]
    namespace.kubectl.create(*accounts, *_role(namespace))


def _role(namespace: Namespace) -> list[dict[str, object]]:
    values = {
        "fullnameOverride": NAME,
        "secrets.server.existingSecret": "server-password",
        "spawner.serviceAccounts[0].name": SPAWNER,
    }
    flags = [f"--set={key}={value}" for key, value in values.items()]
    only = "--show-only=templates/rbac.yaml"
    done = helm("template", NAME, str(CHART), f"--namespace={namespace.name}", only, *flags)
    assert done.ok, done.error_text
    return Rendered(done.text).documents


def kubeconfig(namespace: Namespace, account: str, folder: Path) -> str:
    """Write a kubeconfig that acts as an account, by a token; return its path."""
    given = namespace.kubectl.run("config", "view", "--minify", "--raw", "--output=json")
    cluster = json.loads(given)["clusters"][0]["cluster"]
    token = namespace.kubectl.run("create", "token", account, "--duration=10m")
    file = folder / f"kubeconfig-{account}"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": account,
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": account, "user": {"token": token}}],
                "contexts": [{"name": account, "context": {"cluster": "test", "user": account}}],
            }
        )
    )
    file.chmod(0o600)
    return str(file)
