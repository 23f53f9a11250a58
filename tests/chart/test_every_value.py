"""No value is dead: each changes what is rendered; and Helm 3 renders what Helm 4 does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.chart import values_table
from support.chart.rendering import CHART, MAJORS, Document, Rendered, helm, render, template
from support.chart.variants import VARIANTS

pytestmark = pytest.mark.helm

KUBERNETES = "--kube-version=1.34.0"
PEER = {"cidr": "10.0.0.9/32", "ports": [3128]}
CACHE = {"name": "cache", "emptyDir": {}}
MOUNT = {"name": "cache", "mountPath": "/cache"}
SAMPLES: dict[str, Any] = {
    "nameOverride": "other",
    "fullnameOverride": "other",
    "commonLabels": {"a": "b"},
    "namespace.create": True,
    "namespace.name": "elsewhere",
    "namespace.labels": {"a": "b"},
    "pod.image.repository": "example.com/agent",
    "pod.image.tag": "1.2",
    "pod.image.digest": f"sha256:{'a' * 64}",
    "pod.image.pullPolicy": "Always",
    "pod.image.pullSecrets": ["registry"],
    "pod.labels": {"a": "b"},
    "pod.annotations": {"a": "b"},
    "pod.nodeSelector": {"disk": "fast"},
    "pod.tolerations": [{"operator": "Exists"}],
    "pod.affinity": {"nodeAffinity": {}},
    "pod.priorityClassName": "low",
    "pod.runtimeClassName": "gvisor",
    "pod.terminationGracePeriodSeconds": 90,
    "pod.caBundle": "company",
    "pod.extraVolumes": [CACHE],
    "pod.volumes.workspace": "1Gi",
    "pod.volumes.attempt": "1Gi",
    "pod.volumes.home": "1Gi",
    "pod.volumes.tmp": "1Gi",
    "agent.form": "single",
    "agent.resources": {"limits": {"memory": "3Gi"}},
    "agent.extraEnv": [{"name": "A", "value": "1"}],
    "agent.extraVolumeMounts": [MOUNT],
    "runner.resources": {"limits": {"memory": "3Gi"}},
    "runner.extraEnv": [{"name": "A", "value": "1"}],
    "runner.extraVolumeMounts": [MOUNT],
    "opencode.model": "a/b",
    "opencode.smallModel": "a/b",
    "opencode.providers": {"a": {}},
    "opencode.enabledProviders": ["a"],
    "opencode.config": {"instructions": ["RULES.md"]},
    "secrets.git.existingSecret": "mine",
    "secrets.model.existingSecret": "mine",
    "secrets.server.existingSecret": "mine",
    "secrets.server.generate": False,
    "externalSecret.enabled": True,
    "externalSecret.refreshInterval": "5m",
    "externalSecret.secretStore.name": "other",
    "externalSecret.secretStore.kind": "SecretStore",
    "externalSecret.remoteRef.key": "other",
    "externalSecret.remoteRef.property": "p",
    "externalSecret.git": {"token": {"key": "k"}},
    "externalSecret.model": {"A_KEY": {"key": "k"}},
    "serviceAccount.create": False,
    "serviceAccount.name": "mine",
    "serviceAccount.annotations": {"a": "b"},
    "spawner.create": False,
    "spawner.users": ["ann"],
    "spawner.groups": ["devs"],
    "spawner.serviceAccounts": [{"name": "ci"}],
    "egressProxy.url": "http://other:3128",
    "egressProxy.noProxy": [".svc"],
    "networkPolicy.enabled": False,
    "networkPolicy.dns": [{"cidr": "10.0.0.9/32"}],
    "networkPolicy.git": [PEER],
    "networkPolicy.model": [PEER],
    "networkPolicy.proxy": [PEER],
    "networkPolicy.extra": [PEER],
    "resourceQuota.enabled": True,
    "resourceQuota.hard": {"pods": "1"},
    "kueue.queueName": "agents",
    "uninstallGuard.enabled": False,
    "test.enabled": False,
    "test.connect": ["git.example.com:443"],
}
BESIDES: dict[str, dict[str, Any]] = {
    "externalSecret": {
        "externalSecret.enabled": True,
        "externalSecret.secretStore.name": "store",
        "externalSecret.remoteRef.key": "entry",
    },
    "egressProxy": {"egressProxy.url": "http://proxy:3128", "networkPolicy.proxy": [PEER]},
    "networkPolicy.proxy": {"egressProxy.url": "http://proxy:3128"},
    "namespace.labels": {"namespace.create": True},
    "resourceQuota.hard": {"resourceQuota.enabled": True},
    "agent.extraVolumeMounts": {"pod.extraVolumes": [CACHE]},
    "runner.extraVolumeMounts": {"pod.extraVolumes": [CACHE]},
}
"""What must be set besides for a value, or for those of a section, to mean something."""


def flags(settings: dict[str, Any]) -> list[str]:
    return [f"--set-json={path}={json.dumps(value)}" for path, value in settings.items()]


def outcome(settings: dict[str, Any]) -> list[Document] | str:
    """What is rendered, or why nothing is."""
    done = template(KUBERNETES, *flags(settings))
    return without_password(Rendered(done.text)) if done.ok else done.error_text


def without_password(rendered: Rendered) -> list[Document]:
    for secret in rendered.all("Secret"):
        assert secret["data"].pop("server-password"), "new each time"
    return rendered.documents


def test_every_value_has_a_sample() -> None:
    assert [each.path for each in values_table.values()] == list(SAMPLES)


@pytest.mark.parametrize("path", SAMPLES)
def test_a_value_changes_what_is_rendered(path: str) -> None:
    besides = {**BESIDES.get(path.partition(".")[0], {}), **BESIDES.get(path, {})}
    besides = {key: value for key, value in besides.items() if key != path}
    changed = outcome({**besides, path: SAMPLES[path]})
    assert changed != outcome(besides)
    assert path == "secrets.server.generate" or not isinstance(changed, str), changed


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_helms_render_the_same(variant: str) -> None:
    three, four = (render(KUBERNETES, *VARIANTS[variant], major=major) for major in MAJORS)
    assert without_password(three) == without_password(four)


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_variant_is_blamed_by_lint(variant: str, major: int) -> None:
    done = helm("lint", "--strict", str(CHART), KUBERNETES, *VARIANTS[variant], major=major)
    assert done.ok, done.text
