"""values.yaml, its schema and the README cover each other, leaf by leaf."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import yaml

from support.chart import values_table

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads(values_table.SCHEMA.read_text(encoding="utf-8"))
VALUES = yaml.safe_load(values_table.VALUES.read_text(encoding="utf-8"))
HELMS_OWN = {"global"}


def branches(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of the schema's leaves: what has no properties of its own."""
    for key, node in schema["properties"].items():
        if "properties" in node:
            yield from branches(node, f"{path}{key}.")
        else:
            yield path + key


def leaves(values: dict[str, Any], known: set[str], path: str = "") -> Iterator[str]:
    """Paths of the leaves of values.yaml: what the schema calls a leaf, or no mapping."""
    for key, value in values.items():
        if isinstance(value, dict) and path + key not in known:
            yield from leaves(value, known, f"{path}{key}.")
        else:
            yield path + key


def closed(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Paths of objects with properties that would take any other."""
    if "properties" in schema and schema.get("additionalProperties") is not False:
        yield path
    for key, node in schema.get("properties", {}).items():
        yield from closed(node, f"{path}.{key}")


def test_every_value_is_in_the_schema_and_the_other_way_round() -> None:
    schema = set(branches(SCHEMA)) - HELMS_OWN
    assert set(leaves(VALUES, schema)) == schema


def test_every_value_has_a_comment() -> None:
    documented = [value.path for value in values_table.values()]
    assert sorted(documented) == sorted(set(branches(SCHEMA)) - HELMS_OWN)
    assert all(value.words.endswith(".") for value in values_table.values())


def test_the_schema_and_the_readme_say_what_the_comments_say() -> None:
    again = "run python tests/support/chart/values_table.py"
    assert values_table.SCHEMA.read_text(encoding="utf-8") == values_table.schema_text(), again
    assert values_table.README.read_text(encoding="utf-8") == values_table.readme_text(), again


def test_the_schema_is_closed_and_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert not list(closed(SCHEMA))
    assert not [name for name, node in SCHEMA["definitions"].items() if list(closed(node))]


def test_the_defaults_fit_the_schema() -> None:
    jsonschema.validate(VALUES, SCHEMA)
