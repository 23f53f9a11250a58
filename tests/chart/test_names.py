"""Names of objects: theirs to choose, never too long, never the same twice."""

from __future__ import annotations

import re

import pytest

from support.chart.rendering import Rendered, render

pytestmark = pytest.mark.helm

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
    assert rendered.one("Secret")["metadata"]["name"].endswith("-server-password")
    assert rendered.one("Role")["metadata"]["name"].endswith("-spawner")
    assert rendered.guard["Job"]["metadata"]["name"].endswith("-uninstall-guard")


def test_two_long_names_stay_two() -> None:
    one, other = (names(render(name=LONG[:-1] + end)) for end in "ab")
    assert not one & other


@pytest.mark.parametrize("fullname", ["f" * 63, "f" * 45 + "." + "f" * 7])
def test_what_is_cut_is_still_a_name(fullname: str) -> None:
    override = "." not in fullname
    flags = (f"--set=fullnameOverride={fullname}",) if override else ()
    rendered = render(*flags, name="sdlc" if override else fullname)
    for _, name in names(rendered):
        assert len(name) <= 63
        assert re.fullmatch(
            r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name
        )


def test_a_cut_never_leaves_a_dash_or_a_dot_at_the_end() -> None:
    for length in range(40, 54):
        for name in ("r" * length, f"{'r' * (length - 5)}.rrrr"):
            found = str(names(render(name=name)))
            assert "--" not in found
            assert ".-" not in found
