from __future__ import annotations

import fnmatch
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdlc_runner.cli.commands import COMMANDS
from sdlc_runner.config import jsonc
from sdlc_runner.install import permissions
from sdlc_runner.install.permissions import CALL

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ACTION = st.sampled_from(["allow", "ask", "deny"])
RULES = st.dictionaries(st.sampled_from(["*", "git *", f"{CALL} plan *", "//x", "/*"]), ACTION)
TOOLS = st.dictionaries(st.sampled_from(["*", "bash", "task", "edit"]), ACTION | RULES)
CONFIG = st.fixed_dictionaries({}, optional={"permission": ACTION | TOOLS, "model": JSON})
PLAN = f"{CALL} plan *"
WANTED = permissions.rules([row.name for row in COMMANDS.values() if row.in_session])


def merge(text: str) -> tuple[str, tuple[str, ...]]:
    return permissions.merge(text, WANTED)


def with_comments(text: str) -> str:
    """The same with what JSONC allows: comments and trailing commas, outside of texts."""
    parts = re.split(r'("(?:[^"\\]|\\.)*")', text)
    for at in range(0, len(parts), 2):
        parts[at] = re.sub(r"(?<=[\]}\w])(?=\s*\n\s*[}\]])", ", // }\n", parts[at])
        parts[at] = parts[at].replace(":", " /* : { */ :")
    return "".join(parts)


def plain(node: jsonc.Node, text: str) -> Any:  # noqa: ANN401
    if node.members is None:
        return node.text if node.text is not None else text[node.start : node.end]
    return {member.key: plain(member.value, text) for member in node.members}


def is_within(short: str, long: str) -> bool:
    """Whether a text is another with more put in, and nothing taken away."""
    letters = iter(long)
    return all(letter in letters for letter in short)


@given(JSON, st.sampled_from([None, 2]))
@example({"a": {"b": "//"}}, None)
def test_finds_its_way_through_any_json(value: Any, indent: int | None) -> None:  # noqa: ANN401
    text = json.dumps(value, indent=indent)
    for written in (text, with_comments(text) if indent else f" {text}\n// end"):
        node = jsonc.parse(written)
        assert (node.members is not None) == isinstance(value, dict)
        if isinstance(value, dict):
            assert [member.key for member in node.members or ()] == list(value)
        elif isinstance(value, str):
            assert node.text == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a"}',
        '{"a":}',
        '{"a":1 "b":2}',
        "[1 2]",
        '{"a":1}}',
        '"a\n"',
        "[" * 10**5,
        "/* {}",
    ],
)
def test_what_is_no_json_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not JSON|too deeply"):
        jsonc.parse(text)


@given(CONFIG, st.sampled_from([None, 2]))
@example({"permission": {"bash": {}}}, 2)
@example({"permission": {"*": "ask", "edit": "deny"}}, None)
def test_rules_are_added_and_nothing_is_lost(config: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(config, indent=indent)
    text = with_comments(text) if indent else text
    merged, inserted = merge(text)
    assert is_within(text, merged)
    assert (merged == text) == (not inserted)
    assert merge(merged) == (merged, ())
    node = jsonc.parse(merged)
    before, after = plain(jsonc.parse(text), text), plain(node, merged)
    permission = after.pop("permission", None)
    stood = before.pop("permission", None)
    assert after == before
    for tool, rules in WANTED.items():
        first = action(stood, tool, "rm -rf x")
        assert action(permission, tool, "rm -rf x") == first  # only our calls are let through
        if first is not None and not overruled(stood, tool):
            for call, answer in rules.items():
                is_there = isinstance(permission, dict) and call in permission.get(tool, ())
                wanted = said(stood, tool, call, answer if is_there else "allow")
                assert action(permission, tool, call) == wanted


def test_a_flag_that_steers_where_and_as_what_attempts_run_is_not_let_through() -> None:
    merged, _ = merge('{"permission": {"bash": "ask"}}')
    rules = plain(jsonc.parse(merged), merged)["permission"]["bash"]

    def decided(call: str) -> str:
        fits = [rules[pattern] for pattern in rules if fnmatch.fnmatchcase(call, pattern)]
        return str(fits[-1])

    assert decided(f"{CALL} spawn T001 --follow") == "allow"
    for flag in permissions.STEERING:
        assert decided(f"{CALL} spawn T001 {flag} x") == "deny"


def said(permission: Any, tool: str, call: str, otherwise: str) -> str:  # noqa: ANN401
    """What a configuration says of this very call, which stays the user's word."""
    rules = permission.get(tool) if isinstance(permission, dict) else None
    named = isinstance(rules, dict) and call in rules
    return str(action(permission, tool, call)) if named else otherwise


def overruled(permission: Any, tool: str) -> bool:  # noqa: ANN401
    """Whether a last "*" decides over the tool's own rules, which are dead already."""
    names = list(permission) if isinstance(permission, dict) else []
    return {"*", tool} <= {*names} and names.index("*") > names.index(tool)


def action(permission: Any, tool: str, call: str) -> str | None:  # noqa: ANN401
    """What OpenCode decides of a call: the last rule that matches, None if there is none."""
    rules = permission if isinstance(permission, dict) else {"*": permission or "none"}
    decided = None
    for name, what in rules.items():
        if name not in {"*", tool} or what == "none":
            continue
        patterns = what if isinstance(what, dict) else {"*": what}
        for pattern, decision in patterns.items():
            if pattern in {"*", call}:
                decided = decision
    return decided


@given(CONFIG, st.sampled_from([None, 2]))
def test_what_was_added_can_be_taken_out(config: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(config, indent=indent)
    merged, inserted = merge(text)
    taken = permissions.take_out(merged, inserted)
    assert taken in {text, None}
    if len(inserted) == len(set(inserted)) == 1:
        assert taken == text


LAID_OUT = """\
{
  // ours
  "$schema": "https://opencode.ai/config.json",
  "permission": {
    "edit": "ask",
    "bash": {
      "*": "ask",
      "git *": "allow", // mine
    }
  }
}
"""


def test_reads_as_a_person_would_write_it() -> None:
    merged, _ = merge(LAID_OUT)
    first = (
        '      "git *": "allow",\n      "python3 .opencode/sdlc-runner/run.py plan *": "allow",\n'
    )
    assert first in merged
    assert "report *" in merged


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"permission": "ask"}', '{"permission": {"*": "ask", "bash": {'),
        ('{"permission": {"bash": "deny"}}', '{"permission": {"bash": {"*": "deny", "python3 '),
        ('{"permission": {"task": {"x": "deny"}}}', '{"x": "deny", "async-runner": "allow"}'),
    ],
)
def test_a_single_word_goes_on_to_hold_for_the_rest(text: str, wanted: str) -> None:
    assert wanted in merge(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"permission": "allow"}',
        '{"permission": {"edit": "ask"}}',
        '{"permission": {"bash": "allow", "*": "allow"}}',
    ],
)
def test_nothing_is_added_where_nothing_is_restricted(text: str) -> None:
    assert merge(text) == (text, ())
