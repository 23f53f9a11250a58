"""Which cluster, and who we are there: a kubeconfig's context, or the pod that we run in.

Exec plugins, tokens, client certificates, proxies and private CAs are what the official client
makes of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kubernetes import client, config
from kubernetes.config import ConfigException, incluster_config

from sdlc_runner.backends.kubernetes.api import KubeApi
from sdlc_runner.errors import Code, UnreachableError, UsageError


class ClusterConfig(NamedTuple):
    """Which cluster, as kubeconfig names it; empty: its current context, or the pod we run in."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


def open_api(cluster: ClusterConfig, requests_per_second: float) -> KubeApi:
    """Open the cluster that kubeconfig, or the pod we run in, names."""
    try:
        return _open(cluster, requests_per_second)
    except ConfigException as error:
        raise UsageError(
            Code.NO_CLUSTER,
            f"No cluster is configured: {str(error)[:200]}",
            "Set KUBECONFIG, or `--set kubernetes.context=NAME`; `kubectl config get-contexts`.",
        ) from None
    except Exception as error:  # noqa: BLE001 - the library raises anything for a broken file
        raise UnreachableError(
            Code.NO_CLUSTER,
            f"The kubeconfig cannot be used: {str(error)[:200]}",
            "Check it with `kubectl config view`.",
        ) from None


def _open(cluster: ClusterConfig, requests_per_second: float) -> KubeApi:
    configuration = client.Configuration()
    files = cluster.kubeconfig or "~/.kube/config"
    there = any(Path(file).expanduser().exists() for file in files.split(":"))
    if there or cluster.kubeconfig or cluster.context:
        context = cluster.context or None
        config.load_kube_config(  # type: ignore[no-untyped-call]
            files, context, configuration, persist_config=False
        )
        namespace = cluster.namespace or _namespace_of(files, context)
    else:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        mounted = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
        namespace = cluster.namespace or mounted.read_text(encoding="utf-8").strip()
    return KubeApi(client.ApiClient(configuration), namespace, requests_per_second)


def _namespace_of(files: str, context: str | None) -> str:
    contexts, active = config.list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
    named = [item for item in contexts if item["name"] == context] if context else [active]
    return str(named[0]["context"].get("namespace") or "default") if named else "default"
