"""A pod template from a file, or from a release that cannot be rendered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes import pod_template
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = {
    "apiVersion": "v1",
    "kind": "PodTemplate",
    "metadata": {"name": "x"},
    "template": {"spec": {"containers": [{"name": "runner", "image": "x"}]}},
}


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "template.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_json_and_yaml_and_what_helm_prints_are_read(tmp_path: Path) -> None:
    for text in (
        json.dumps(TEMPLATE),
        json.dumps(TEMPLATE, indent=2),
        f"---\n# Source: x\nkind: Service\n---\n---\n{json.dumps(TEMPLATE)}\n",
    ):
        found = pod_template.from_file(written(tmp_path, text))
        assert found.content == TEMPLATE
        assert found.is_single


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", Code.NO_POD_TEMPLATE),
        ("kind: Service\n", Code.NO_POD_TEMPLATE),
        (f"{json.dumps(TEMPLATE)}\n---\n{json.dumps(TEMPLATE)}\n", Code.NO_POD_TEMPLATE),
        ("kind: PodTemplate\n", Code.BAD_POD_TEMPLATE),
        ("kind: PodTemplate\ntemplate: []\n", Code.BAD_POD_TEMPLATE),
        ("kind: PodTemplate\ntemplate: {spec: {containers: [null, 7]}}\n", Code.BAD_POD_TEMPLATE),
        ("a: [", Code.BAD_CONFIG),
        ("a: !!python/object:os.system x\n", Code.BAD_CONFIG),
        ("a: !!timestamp x\n", Code.BAD_CONFIG),
        ("a: !!bool x\n", Code.BAD_CONFIG),
        ("[" * 5000, Code.BAD_CONFIG),
        (b"\xff\xfe", Code.NO_POD_TEMPLATE),
        ("# " + "x" * (1 << 20) + "\n" + json.dumps(TEMPLATE), Code.NO_POD_TEMPLATE),
    ],
)
def test_anything_else_is_reported(tmp_path: Path, content: str | bytes, code: Code) -> None:
    with pytest.raises(UsageError) as raised:
        pod_template.from_file(written(tmp_path, content))
    assert raised.value.code is code


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        pod_template.from_file(tmp_path / "none.yaml")
    assert raised.value.code is Code.NO_POD_TEMPLATE
