"""Every field of every rendered object is one that its kind has, as the API's own types say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from chart.rendering import RELEASES, STAGES, Rendered, render
from chart.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterator

models = pytest.importorskip("kubernetes.client.models")

KINDS = {
    ("v1", "ConfigMap"): "V1ConfigMap",
    ("v1", "Namespace"): "V1Namespace",
    ("v1", "Pod"): "V1Pod",
    ("v1", "PodTemplate"): "V1PodTemplate",
    ("v1", "ResourceQuota"): "V1ResourceQuota",
    ("v1", "Secret"): "V1Secret",
    ("v1", "ServiceAccount"): "V1ServiceAccount",
    ("networking.k8s.io/v1", "NetworkPolicy"): "V1NetworkPolicy",
    ("rbac.authorization.k8s.io/v1", "Role"): "V1Role",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "V1RoleBinding",
}
TYPES = {"str": str, "int": int, "bool": bool, "object": object, "bytes": str}
CONTAINERS = {"List": list, "Dict": dict}
EXTERNAL = {
    "refreshInterval": "1h",
    "secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"},
}


def faults(value: Any, name: str, path: str = "") -> Iterator[str]:  # noqa: ANN401
    """What of a value is not as the named type has it."""
    inner = re.fullmatch(r"(List|Dict)\[(?:str, )?(\w+)\]", name)
    if inner:
        yield from _each(value, inner[1], inner[2], path)
    elif name in TYPES:
        if not isinstance(value, TYPES[name]):
            yield f"{path}: {value!r} is no {name}"
    else:
        model = getattr(models, name)
        fields = {key: model.openapi_types[each] for each, key in model.attribute_map.items()}
        for key, part in value.items():
            if key in fields:
                yield from faults(part, fields[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: {name} has no such field"


def _each(value: Any, container: str, name: str, path: str) -> Iterator[str]:  # noqa: ANN401
    if not isinstance(value, CONTAINERS[container]):
        yield f"{path}: {value!r} is no {container}"
        return
    items = enumerate(value) if container == "List" else value.items()
    for key, part in items:
        yield from faults(part, name, f"{path}[{key}]")


def all_faults(rendered: Rendered) -> list[str]:
    named = [each for each in rendered.documents if each["kind"] != "ExternalSecret"]
    return [
        f"{each['kind']}{fault}"
        for each in named
        for fault in faults(each, KINDS[each["apiVersion"], each["kind"]])
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_known_fields_only(variant: str) -> None:
    assert not all_faults(render(*VARIANTS[variant]))


@pytest.mark.parametrize("stage", STAGES)
def test_every_release_has_known_fields_only(stage: str) -> None:
    assert not all_faults(render(chart=RELEASES[stage], name="sdlc"))


def test_a_wrong_field_is_found() -> None:
    pod = {"spec": {"restartPolcy": "Never", "containers": [{"name": 1}]}}
    assert [*faults(pod, "V1Pod", "pod")] == [
        "pod.spec.restartPolcy: V1PodSpec has no such field",
        "pod.spec.containers[0].name: 1 is no str",
    ]


def test_external_secrets_have_the_shape_of_their_kind() -> None:
    for each in render(*VARIANTS["external"]).all("ExternalSecret"):
        assert each["apiVersion"] == "external-secrets.io/v1"
        assert set(each["spec"]) == {*EXTERNAL, "target", "data"}
        assert each["spec"].items() >= EXTERNAL.items()
        for entry in each["spec"]["data"]:
            assert set(entry) == {"secretKey", "remoteRef"}
            assert set(entry["remoteRef"]) - {"property"} == {
                *("key", "conversionStrategy", "decodingStrategy", "metadataPolicy")
            }
