"""``attach`` and ``send`` where there is nobody to talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.harness import Harness

VERBS = [["attach", "T001"], ["attach", "T001", "--url"], ["send", "T001", "use", "less"]]


@pytest.mark.parametrize("verb", VERBS)
def test_a_local_agent_has_no_server(harness: Harness, verb: list[str]) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Write `one.txt`\n")
    none = harness.run(*verb)
    assert (none.code, none.error["code"]) == (2, "no_attempt")
    harness.run("spawn", "T001", "--follow")
    done = harness.run(*verb)
    assert (done.code, done.error["code"]) == (2, "unsupported_backend")
    assert "backend: kubernetes" in done.error["hint"]


@pytest.mark.parametrize("text", [" ", "x" * 40_000])
def test_a_text_that_cannot_be_sent_is_refused_before_anything_else(
    harness: Harness, text: str
) -> None:
    done = harness.run("send", "T001", text)
    assert (done.code, done.error["code"]) == (2, "bad_argument")
