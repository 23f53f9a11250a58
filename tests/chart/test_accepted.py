"""The API server takes what the chart renders, and Pod Security lets attempts in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.chart.rendering import RELEASES, STAGES, Document, Rendered, render
from support.chart.variants import VARIANTS

if TYPE_CHECKING:
    from support.cluster.kubectl import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
EXTERNAL = "customresourcedefinition/externalsecrets.external-secrets.io"


def known(agents: Kubectl, documents: list[Document]) -> list[Document]:
    """What the cluster has kinds for: External Secrets Operator may be absent."""
    served = agents.try_run("get", EXTERNAL).ok
    return [each for each in documents if served or each["kind"] != "ExternalSecret"]


def moved(document: Document, namespace: str) -> Document:
    metadata = {**document["metadata"], "namespace": namespace}
    found = {**document, "metadata": metadata}
    if document["kind"] == "Namespace":
        del metadata["namespace"]
    if document["kind"] == "Pod":  # a dry run makes no ServiceAccount for it
        found["spec"] = {**document["spec"], "serviceAccountName": "default"}
    return found


def dry_run(agents: Kubectl, rendered: Rendered) -> None:
    documents = [moved(each, agents.namespace) for each in known(agents, rendered.documents)]
    listed = {"apiVersion": "v1", "kind": "List", "items": documents}
    flags = ["--dry-run=server", "--validate=strict", "--filename=-"]
    agents.run("create", *flags, stdin=json.dumps(listed).encode())


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_server_takes_every_variant(agents: Kubectl, variant: str) -> None:
    placed = variant == "placed"  # classes that this cluster does not have
    rendered = render(*VARIANTS[variant], *(["--set=test.enabled=false"] if placed else []))
    dry_run(agents, rendered)


@pytest.mark.parametrize("stage", STAGES)
def test_the_api_server_takes_every_release(agents: Kubectl, stage: str) -> None:
    dry_run(agents, render(chart=RELEASES[stage], name=RELEASES[stage].name))


@pytest.mark.parametrize("form", ["sidecar", "single"])
def test_pod_security_restricted_admits_attempts(agents: Kubectl, form: str) -> None:
    rendered = render(
        f"--set=agent.form={form},pod.caBundle=ca,serviceAccount.create=false",
        "--set=secrets.git.existingSecret=a,secrets.model.existingSecret=b",
    )
    pod = {"apiVersion": "v1", "kind": "Pod", **rendered.pod}
    pod["metadata"] = {**pod["metadata"], "name": "attempt"}
    agents.run("create", "--dry-run=server", "--filename=-", stdin=json.dumps(pod).encode())


def test_a_pod_that_is_not_restricted_is_refused_here(agents: Kubectl) -> None:
    refused = agents.try_run("run", "x", "--image=x", "--dry-run=server")
    assert "violates PodSecurity" in refused.error_text
