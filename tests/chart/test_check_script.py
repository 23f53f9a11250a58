"""What ``helm test`` runs: one line a check, and its exit code."""

from __future__ import annotations

import socket
import sys

from sdlc_runner import process
from support.chart.rendering import CHART

SCRIPT = CHART / "files" / "check.py"


def check(*arguments: str) -> dict[str, str]:
    done = process.run([sys.executable, "-I", str(SCRIPT), *arguments], env={"PATH": ""})
    assert done.code == 1, "this machine is no attempt's pod"
    assert not done.error_text
    lines = [line.split(maxsplit=1) for line in done.text.splitlines()]
    return {rest.partition(": ")[0]: word for word, rest in lines}


def test_every_check_has_its_line_though_others_fail() -> None:
    found = check("open")
    assert {"user", "programs", "server password", "opencode configuration"} <= {
        name for name, word in found.items() if word == "FAILED"
    }
    assert found["git credentials"] == found["model keys"] == "ok"
    assert "metadata" not in found


def test_metadata_is_looked_at_where_it_must_be_shut_off() -> None:
    assert "metadata" in check("shut")


def test_places_that_answer_are_reported_from_those_that_do_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answers = f"127.0.0.1:{server.getsockname()[1]}"
        silent = f"127.0.0.1:{closed.getsockname()[1]}"
        found = check("open", answers, silent)
    assert (found[answers], found[silent]) == ("ok", "FAILED")
