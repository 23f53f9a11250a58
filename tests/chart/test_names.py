"""Names of objects: theirs to choose, never too long, never the same twice."""

from __future__ import annotations

import pytest

from chart.rendering import Rendered, render

LONG = "r" * 53  # Helm takes no longer name of a release


def names(rendered: Rendered) -> set[tuple[str, str]]:
    return {(each["kind"], each["metadata"]["name"]) for each in rendered.documents}


@pytest.mark.parametrize(
    ("release", "flags", "expected"),
    [
        ("x", (), "x-agentic-sdlc-agent-runner"),
        ("agentic-sdlc-agent-runner-dev", (), "agentic-sdlc-agent-runner-dev"),
        ("x", ("--set=nameOverride=agents",), "x-agents"),
        ("x", ("--set=fullnameOverride=agents",), "agents"),
        (LONG, (), f"{LONG}-agentic-s"),
    ],
)
def test_the_template_is_named_after_the_release(
    release: str, flags: tuple[str, ...], expected: str
) -> None:
    rendered = render(*flags, name=release)
    assert rendered.one("PodTemplate")["metadata"]["name"] == expected


def test_long_names_keep_their_endings() -> None:
    rendered = render(name=LONG)
    assert all(len(name) <= 63 for _, name in names(rendered))
    assert len(names(rendered)) == len(rendered.documents)
    assert rendered.one("Secret")["metadata"]["name"].endswith("r-server-password")
    assert rendered.one("Role")["metadata"]["name"].endswith("-spawner")


def test_a_cut_never_leaves_a_dash_at_the_end() -> None:
    for length in range(30, 54):
        assert "--" not in str(names(render(name="r" * length)))
