"""The page: what it says, what it leaves out, and that nothing hostile becomes markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sdlc_runner.report import markdown, model
from sdlc_runner.report.model import Mood, ProblemReport, TaskReport, UsageReport
from support.report_records import NINE, attempt, run

if TYPE_CHECKING:
    from markdown_it.token import Token

USED = UsageReport(1200, 34, 0.0125)
DONE = TaskReport(
    "T001",
    "Write the model",
    "succeeded",
    is_done=True,
    line=3,
    attempts=("T001-1",),
    seconds=60,
    usage=USED,
    commits=("1f0c2f6a3b99",),
    merged="abcdef0123456",
)
FAILED = TaskReport(
    "T002",
    "Write the service",
    "failed",
    attempts=("T002-1", "T002-2"),
    trouble=ProblemReport(
        "It ended with 3.", "`sdlc-runner retry T002` tries again.", ("one", "two")
    ),
)
YOURS = TaskReport("T003", "Decide", "sync", is_sync=True, line=9)


def tokens(text: str) -> list[Token]:
    """Read Markdown as a host would: tables, bare links, HTML."""
    found = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [each for token in found for each in (token, *(token.children or ()))]


def kinds(text: str) -> set[str]:
    return {token.type for token in tokens(text)}


def test_a_whole_page() -> None:
    page = markdown.write(
        run([attempt(usage=USED, branch="sdlc-runner/001-demo/T001-1", backend="local")], [DONE]),
        "timeline.svg",
    )
    assert (
        page
        == """\
<!-- Written by sdlc-runner report -->

# 001-demo

Branch `001-demo`, as of 2026-01-01 10:00 UTC. 1 of 1 tasks done; 1 attempt: 1 succeeded; \
1,234 tokens, \\$0.0125.

![1 attempt: 1 succeeded, from 2026-01-01 09:00 to 2026-01-01 09:01 UTC.](timeline.svg)

## Tasks

| task | what | state | attempts | time | tokens | cost | commits | merged as |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| T001 | Write the model | succeeded | 1 | 1 min 00 s | 1,234 | \\$0.0125 | `1f0c2f6a3b` | \
`abcdef0123` |

## Attempts

| attempt | tasks | outcome | began (UTC) | time | in | out | cost | branch |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| T001-1 | T001 | succeeded | 2026-01-01 09:00:00 | 1 min 00 s | 1,200 | 34 | \\$0.0125 | \
`sdlc-runner/001-demo/T001-1` (local) |
"""
    )


def test_what_failed_has_its_excerpt_and_the_next_command() -> None:
    page = markdown.write(run([], [DONE, FAILED]), "")
    part = page.partition("## Yours to settle\n\n")[2]
    assert part == (
        "### T002: failed\n\nWhy: It ended with 3.\n\n```text\none\ntwo\n```\n\n"
        "Next: `sdlc-runner retry T002` tries again.\n"
    )
    assert "1 in need of you: T002" in page


def test_sync_work_is_a_list_of_its_own() -> None:
    page = markdown.write(run([], [DONE, YOURS]), "")
    assert page.endswith("## SYNC work\n\n- [ ] T003 Decide (line 9)\n")
    assert "| T003" not in page


def test_columns_without_anything_are_left_out() -> None:
    page = markdown.write(run([], [FAILED]), "")
    assert "| task | what | state | attempts |\n" in page
    assert "![" not in page


HOSTILE = [
    "<script>alert(1)</script>",
    "<!-- -->",
    "![x](http://localhost/track.png)",
    "[click](javascript:alert(1))",
    "see http://localhost/x and www.example.org",
    "a | b | c",
    "`code` and ``more``",
    "**bold** __init__ ~~gone~~ *it*",
    "&lt;b&gt; &#60;",
    "@someone and someone@example.org",
    "# heading",
    "\\",
    "\\`",
    "$$x$$",
    "line\r\n# heading\n\n| --- |",
    "\x1b[31mred\x1b[0m\u202e",
    "````",
    "x" * 5000,
]
MARKUP = {"link_open", "html_inline", "html_block", "strong_open", "em_open", "s_open"}


def page_of(hostile: str) -> str:
    trouble = ProblemReport(hostile, hostile, (hostile, hostile))
    bad = TaskReport(hostile, hostile, hostile, attempts=("a",), trouble=trouble, merged=hostile)
    sync = TaskReport(hostile, hostile, hostile, is_sync=True)
    one = attempt(name=hostile, tasks=(hostile,), outcome=hostile, code=hostile, branch=hostile)
    return markdown.write(run([one], [bad, sync]), "timeline.svg")


def images(body: str) -> list[object]:
    return [token.attrs["src"] for token in tokens(body) if token.type == "image"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hostile_is_markup(hostile: str) -> None:
    page = page_of(hostile)
    body = page.removeprefix(markdown.MARK)
    assert not kinds(body) & MARKUP
    assert images(body) == ["timeline.svg"]
    headings = [token for token in tokens(body) if token.type == "heading_open"]
    assert [token.tag for token in headings] == ["h1", "h2", "h2", "h3", "h2", "h2"]
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == 6
    assert len([token for token in tokens(body) if token.type == "fence"]) == 1
    assert len(page) < 12_000
    assert "\x1b" not in page
    assert "\u202e" not in page


@given(st.text(st.sampled_from("`*_[]()<>!&|~$\\@:/#-w.a1 \n"), max_size=40))
def test_nothing_made_of_marks_is_markup(hostile: str) -> None:
    body = page_of(f"x{hostile}").removeprefix(markdown.MARK)
    assert not kinds(body) & MARKUP
    assert images(body) == ["timeline.svg"]
    assert len([token for token in tokens(body) if token.type == "fence"]) == 1


def test_bare_addresses_are_broken() -> None:
    assert "http://" not in model.text("http://localhost")
    assert "www." not in model.text("www.example.org")
    assert "@someone" not in model.text("@someone")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("src/todo_app.py", "src/todo_app.py"),
        ("__init__.py", "\\_\\_init\\_\\_.py"),
        ("no_change", "no_change"),
        ("a < b & c", "a &lt; b &amp; c"),
    ],
)
def test_plain_words_stay_readable(value: str, written: str) -> None:
    assert model.text(value) == written


def test_commands_in_prose_are_code_and_a_lone_backtick_is_not() -> None:
    assert model.prose("Do `a | b`, then c.") == "Do `a \u00a6 b`, then c."
    assert model.prose("`x` y ` z") == "`x` y \\` z"


def test_a_picture_elsewhere_is_a_path_that_links_take() -> None:
    page = markdown.write(run([attempt()]), "/a folder (1)/timeline.svg")
    assert images(page) == ["/a%20folder%20%281%29/timeline.svg"]


def test_a_failed_attempt_names_its_code() -> None:
    bad = attempt(outcome="failed", mood=Mood.BAD, code="agent_failed", began=NINE)
    assert "| failed (`agent_failed`) |" in markdown.write(run([bad]), "")
