"""Every rendered object has the fields of its kind and no other, by the API's own schemas.

Of the oldest Kubernetes, of the first where the agent has a container of its own, and of the
newest; ``kubernetes_schemas/get_schemas.py`` fetches them.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from chart.kubernetes_schemas.get_schemas import (
    FIRST_WITH_SIDECARS,
    NEWEST,
    OLDEST,
    OPERATOR,
    VERSIONS,
    file_of,
)
from support.chart.rendering import RELEASES, STAGES, Document, Rendered, refusal, render
from support.chart.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.helm

every_version = pytest.mark.parametrize("version", VERSIONS)


@cache
def validators(version: str) -> dict[str, jsonschema.Draft7Validator]:
    """What checks an object, by its apiVersion and kind."""
    found = {}
    for name in (version, OPERATOR):
        schemas = json.loads(file_of(name).read_text(encoding="utf-8"))
        for kind, definition in schemas["kinds"].items():
            schema = {"$ref": f"#/definitions/{definition}", "definitions": schemas["definitions"]}
            found[kind] = jsonschema.Draft7Validator(schema)
    return found


def faults(document: Document, version: str) -> Iterator[str]:
    """What of an object is not as this version of its kind has it."""
    kind = f"{document['apiVersion']}/{document['kind']}"
    for error in validators(version)[kind].iter_errors(document):
        yield f"{kind} {error.json_path}: {error.message}"


def all_faults(rendered: Rendered, version: str) -> list[str]:
    return [fault for each in rendered.documents for fault in faults(each, version)]


@every_version
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_known_fields_only(variant: str, version: str) -> None:
    rendered = render(f"--kube-version={version}", *VARIANTS[variant])
    assert not all_faults(rendered, version)


@every_version
@pytest.mark.parametrize("stage", STAGES)
def test_every_release_has_known_fields_only(stage: str, version: str) -> None:
    flags = [f"--kube-version={version}"]
    if stage == "prod" and version == OLDEST:
        assert "native sidecars begin with 1.29" in refusal(*flags, chart=RELEASES[stage])
        flags += ["--set=agentic-sdlc-agent-runner.agent.form=single"]
    assert not all_faults(render(*flags, chart=RELEASES[stage]), version)


@every_version
def test_every_kind_that_is_rendered_has_a_schema(version: str) -> None:
    rendered = (render(*flags) for flags in VARIANTS.values())
    kinds = {f"{each['apiVersion']}/{each['kind']}" for one in rendered for each in one.documents}
    assert kinds == {*validators(version)}


def changed(**spec: Any) -> Document:  # noqa: ANN401
    """The pod template, with its pod changed."""
    found = copy.deepcopy(render().one("PodTemplate"))
    found["template"]["spec"].update(spec)
    return found


@every_version
@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"restartPolcy": "Never"}, "('restartPolcy' was unexpected)"),
        ({"terminationGracePeriodSeconds": "60"}, "'60' is not of type 'integer'"),
        ({"automountServiceAccountToken": "false"}, "'false' is not of type 'boolean'"),
        ({"containers": [{"image": "x"}]}, "'name' is a required property"),
        ({"volumes": [{"name": "x", "emptyDir": {"size": "1Gi"}}]}, "('size' was unexpected)"),
    ],
)
def test_a_wrong_field_or_type_is_found(version: str, spec: dict[str, Any], said: str) -> None:
    found = [*faults(changed(initContainers=[], **spec), version)]
    assert len(found) == 1
    assert said in found[0]


def test_what_a_version_does_not_have_yet_is_found() -> None:
    sidecar = render("--kube-version=1.29.0").one("PodTemplate")
    (found,) = faults(sidecar, OLDEST)
    assert "initContainers[0]" in found
    assert "('restartPolicy' was unexpected)" in found
    assert not [*faults(sidecar, FIRST_WITH_SIDECARS), *faults(sidecar, NEWEST)]


def test_a_wrong_field_of_an_external_secret_is_found() -> None:
    external = copy.deepcopy(render(*VARIANTS["external"]).all("ExternalSecret")[0])
    external["spec"]["target"]["creationPolicy"] = "Sometimes"
    external["spec"]["data"][0]["remoteRef"]["propperty"] = "p"
    found = "\n".join(faults(external, NEWEST))
    assert "('propperty' was unexpected)" in found
    assert "'Sometimes' is not one of" in found
