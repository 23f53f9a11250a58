"""What is read without PyYAML is what PyYAML reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.config import plain_yaml, yaml_file
from sdlc_runner.errors import RunnerError

GROUPS = frozenset({"clone", "limits"})
PATH = Path("sdlc-runner.yaml")

WORDS = st.sampled_from(
    [
        *"1 0 010 1.5 1. .5 1e3 -3 true True yes on null ~ x a/b a-b a.b 1:30 0x10 'q' [a]".split(),
        *'2026-01-01 1_000 a:b *a !x | > {} @a %a `a` # "q"'.split(),
        *("", "- a", "a b", "a # c", "&a b", "a: b"),
    ]
)
KEYS = st.sampled_from(["remote", "clone", "limits", "depth", "tokens", "A", "a b", "1", "x"])
LINES = st.builds(
    "{}{}:{}{}".format,
    st.sampled_from(["", "  ", "    ", "\t", " "]),
    KEYS,
    st.sampled_from([" ", "", "  ", "\t"]),
    WORDS,
)
TEXTS = st.lists(LINES | st.sampled_from(["", "# note", "   # note", "---", "- a"]), max_size=6)


@given(TEXTS.map("\n".join) | st.text(alphabet="ab: \n-#1.0'", max_size=30))
def test_both_read_the_same(text: str) -> None:
    found = plain_yaml.leaves(text, GROUPS)
    if found is not None:
        read = list(yaml_file.leaves(text.encode(), PATH, GROUPS))
        assert [(k, v, type(v), n) for k, v, n in found] == [(k, v, type(v), n) for k, v, n in read]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("remote: up\n", [("remote", "up", 1)], id="word"),
        pytest.param("# a\n\nremote: up", [("remote", "up", 3)], id="comments"),
        pytest.param("clone:\n  depth: 3\n", [("clone.depth", 3, 2)], id="group"),
        pytest.param("x: 1.5\ny_z: true\n", [("x", 1.5, 1), ("y_z", True, 2)], id="kinds"),
    ],
)
def test_the_plain_is_read_here(text: str, expected: list[plain_yaml.Leaf]) -> None:
    assert plain_yaml.leaves(text, GROUPS) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("a: yes", "a: 010", "a: 'x'", "a: [x]", "a: x # y", "a: x\na: y", "clone: 1", "clone:"),
        *("a:", "clone:\nremote: x", "a: x\n  b: y", "clone:\n  a: 1\n   b: 2", "a:x", "\ta: x"),
        "a: 1\r",
    ],
)
def test_the_rest_is_left_to_pyyaml(text: str) -> None:
    assert plain_yaml.leaves(text, GROUPS) is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        list(yaml_file.leaves(text.encode("utf-8", "replace"), PATH, GROUPS))
    except RunnerError:
        assert plain_yaml.leaves(text, GROUPS) is None
