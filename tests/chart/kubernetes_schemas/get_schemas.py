"""The API's own schemas of the kinds that the chart renders, trimmed and closed, beside this file.

usage: python tests/chart/kubernetes_schemas/get_schemas.py    writes all of them; needs Go

From the OpenAPI of Kubernetes and the CRD of External Secrets Operator, as their Go modules have
them. Closed means that an object takes no field but those that are named, as with
``kubectl --validate=strict``. Status and words are left out.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from sdlc_runner import process

Schema = dict[str, Any]

HERE = Path(__file__).resolve().parent
OLDEST, FIRST_WITH_SIDECARS, NEWEST = VERSIONS = ("1.25.16", "1.29.6", "1.37.2")
OPERATOR = "external-secrets"
_OPERATOR_MODULE = "github.com/external-secrets/external-secrets@v1.3.2"
_KINDS = (
    *("core.v1.ConfigMap", "core.v1.Namespace", "core.v1.Pod", "core.v1.PodTemplate"),
    *("core.v1.ResourceQuota", "core.v1.Secret", "core.v1.ServiceAccount", "batch.v1.Job"),
    *("networking.v1.NetworkPolicy", "rbac.v1.Role", "rbac.v1.RoleBinding"),
)
_WORDS = re.compile(r"description|default|format|x-kubernetes-.*")
_TYPES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"],
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
}


def file_of(name: str) -> Path:
    """Return where the schemas of a version of Kubernetes, or of the operator, are kept."""
    return HERE / f"{name}.json"


def of_kubernetes(version: str) -> Schema:
    """Read the kinds of one version, and all that they are made of."""
    folder = _module(f"k8s.io/kubernetes@v{version}")
    found = json.loads((folder / "api/openapi-spec/swagger.json").read_text(encoding="utf-8"))
    everything = found["definitions"]
    kinds: dict[str, str] = {}
    definitions: Schema = {}
    for name in (f"io.k8s.api.{kind}" for kind in _KINDS):
        (known,) = everything[name]["x-kubernetes-group-version-kind"]
        kinds["/".join(filter(None, (known["group"], known["version"], known["kind"])))] = name
        everything[name]["properties"].pop("status", None)
        _gather(name, everything, definitions)
    return {"kinds": kinds, "definitions": definitions}


def _gather(name: str, everything: Schema, into: Schema) -> None:
    """Add a definition, and those that it names."""
    if name not in into:
        into[name] = closed(everything[name])
        if name in _TYPES:
            into[name] = {"type": _TYPES[name]}
        for other in re.findall(r'"#/definitions/([^"]+)"', json.dumps(into[name])):
            _gather(other, everything, into)


def of_operator() -> Schema:
    """Read the ExternalSecret of the version that the chart names."""
    folder = _module(_OPERATOR_MODULE)
    file = folder / "config/crds/bases/external-secrets.io_externalsecrets.yaml"
    spec = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
    (v1,) = (each for each in spec["versions"] if each["name"] == "v1")
    schema = v1["schema"]["openAPIV3Schema"]
    del schema["properties"]["status"]
    kind = f"{spec['group']}/v1/{spec['names']['kind']}"
    return {"kinds": {kind: "ExternalSecret"}, "definitions": {"ExternalSecret": closed(schema)}}


def closed(node: Any) -> Any:  # noqa: ANN401
    """Return a schema without words, whose objects take no other fields than they name."""
    if not isinstance(node, dict):
        return node
    kept = {key: closed(value) for key, value in node.items() if not _WORDS.fullmatch(key)}
    if "properties" in node:  # whose keys are names of fields, whatever they are called
        kept["properties"] = {key: closed(value) for key, value in node["properties"].items()}
        kept["additionalProperties"] = False
    return kept


def _module(name: str) -> Path:
    done = process.run(["go", "mod", "download", "-json", name], timeout=600)
    if not done.ok:
        raise SystemExit(f"{name}: {done.error_text}")
    return Path(json.loads(done.text)["Dir"])


def _write(name: str, schemas: Schema) -> None:
    """Write one definition a line, so that a new version shows what is new."""
    lines = (f"{json.dumps(key)}: {_compact(schemas['definitions'][key])}" for key in
             sorted(schemas["definitions"]))  # fmt: skip
    text = ",\n".join(lines)
    kinds = json.dumps(schemas["kinds"], indent=0)
    file_of(name).write_text(f'{{"kinds": {kinds},\n"definitions": {{\n{text}\n}}}}\n')


def _compact(value: Schema) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


if __name__ == "__main__":
    for each in VERSIONS:
        _write(each, of_kubernetes(each))
    _write(OPERATOR, of_operator())
