"""``follow`` gone on from a cursor, stopped by a limit, or with holes in the log: still exact."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from support.harness import FEATURE
from support.scripted_agents import ONE, WRITE, agent, go, held, seqs, talked, whole

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from support.harness import Event, Harness


def test_a_cursor_goes_on_exactly_after_it(harness: Harness) -> None:
    talked(harness)
    result = harness.run("follow", "T001", "--cursor", "T001-1:7")
    assert seqs(result.events) == whole(harness)[7:]


def test_a_cursor_with_a_gap_gets_what_the_log_still_has(harness: Harness) -> None:
    talked(harness)
    result = harness.run("follow", "T001", "--cursor", "T001-1:9!3-5")
    late = [event["seq"] for event in result.events if event.get("refilled")]
    assert late == [3, 4, 5]
    assert sorted(seqs(result.events)) == [3, 4, 5, *whole(harness)[9:]]
    (gap,) = result.of("gap")
    assert (gap["from"], gap["to"], gap["recovered"]) == (3, 5, True)


@pytest.mark.parametrize(
    "text", ["nonsense", "T001-0:5", "T001-1:x", "T001-1:5!4-3", "T001-1:5!4-9"]
)
def test_what_is_no_cursor_is_refused(harness: Harness, text: str) -> None:
    talked(harness, 1)
    result = harness.run("follow", "T001", "--cursor", text)
    assert (result.code, result.error["code"]) == (2, "bad_cursor")


def kept(path: Path) -> list[Event]:
    """What a consumer can read in its file; a line that was killed half written is no JSON."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def follow_into(harness: Harness, path: Path) -> subprocess.Popen[str]:
    with path.open("ab") as file:
        return harness.start("follow", "T001", "--cursor", f"@{path}", stdout=file)


def ended(child: subprocess.Popen[str]) -> int:
    child.communicate(timeout=60)
    return child.returncode


@pytest.mark.slow
def test_killed_ten_times_and_gone_on_from_its_own_file_nothing_is_lost_or_doubled(
    harness: Harness, tmp_path: Path
) -> None:
    harness.tasks(ONE)
    agent(
        harness,
        "for n in range(3000):\n    print('line', n, 'x' * 400)\n    time.sleep(0.001)\n" + WRITE,
    )
    harness.run("spawn", "T001")
    path = tmp_path / "kept.jsonl"
    for number in range(10):
        child = follow_into(harness, path)
        time.sleep(0.15 + 0.03 * number)
        child.kill()
        ended(child)
    assert ended(follow_into(harness, path)) == 0
    events = kept(path)
    assert sorted(seqs(events)) == whole(harness)
    assert events[-1]["type"] == "outcome"


def test_a_half_written_line_of_a_killed_consumer_costs_no_event(
    harness: Harness, tmp_path: Path
) -> None:
    talked(harness)
    path = tmp_path / "kept.jsonl"
    lines = (harness.attempt() / "events.jsonl").read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]) + lines[5][:30])
    assert ended(follow_into(harness, path)) == 0
    assert seqs(kept(path)) == whole(harness)


def cut(harness: Harness, *numbers: int) -> list[int]:
    """Take events out of the local log; return the numbers of those that are left."""
    path = harness.attempt() / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    left = [n for n in range(1, len(lines) + 1) if n not in numbers]
    path.write_bytes(b"".join(lines[n - 1] for n in left))
    return left


def test_a_hole_is_named_and_filled_from_the_transcript(harness: Harness) -> None:
    talked(harness)
    everything, left = whole(harness), cut(harness, 4, 5, 6, 20)
    result = harness.run("follow", "T001")
    gaps = [(gap["from"], gap["to"], gap["recovered"]) for gap in result.of("gap")]
    assert gaps == [(4, 6, False), (20, 20, False), (4, 6, True), (20, 20, True)]
    late = [event["seq"] for event in result.events if event.get("refilled")]
    assert late == [4, 5, 6, 20]
    assert seqs(result.events) == [*left, *late]
    assert sorted(seqs(result.events)) == everything
    assert result.events[-1]["type"] == "outcome"


def test_a_lost_end_of_the_log_comes_from_the_transcript(harness: Harness) -> None:
    talked(harness)
    everything = whole(harness)
    cut(harness, *everything[-6:])
    assert seqs(harness.run("follow", "T001").events) == everything


def test_a_hole_without_a_transcript_stays_a_gap_and_is_in_the_cursor(harness: Harness) -> None:
    talked(harness)
    harness.git(
        "update-ref", "-d", f"refs/sdlc-runner/{FEATURE}/T001/1/transcript", cwd=harness.remote
    )
    left = cut(harness, 4, 5)
    result = harness.run("follow", "T001")
    assert [(gap["from"], gap["recovered"]) for gap in result.of("gap")] == [(4, False)]
    assert seqs(result.events) == left
    assert result.outcome("T001")["outcome"] == "succeeded"
    more = harness.run("follow", "T001", "--max-lines", "8")
    assert more.of("continue")[0]["cursor"] == "T001-1:9!4-5"


@pytest.mark.parametrize("most", [1, 7, 30])
def test_a_limit_of_lines_is_exact_and_goes_on_exactly(harness: Harness, most: int) -> None:
    talked(harness)
    seen, cursor = [], ""
    for _ in range(200):
        result = harness.run("follow", "T001", "--max-lines", str(most), "--cursor", cursor)
        seen += seqs(result.events)
        if result.code != 4:
            break
        assert len(seqs(result.events)) == most
        assert result.events[-1]["type"] == "continue"
        cursor = result.events[-1]["cursor"]
        assert f"sdlc-runner follow T001 --cursor {cursor}" in result.events[-1]["hint"]
        if most == 1 and len(seen) == 5:
            break
    assert seen == whole(harness)[: len(seen)]
    assert most == 1 or seen == whole(harness)


def test_a_limit_of_seconds_stops_the_looking_and_not_the_work(harness: Harness) -> None:
    held(harness)
    began = time.monotonic()
    first = harness.run("follow", "T001", "--max-seconds", "0.7")
    assert 0.6 < time.monotonic() - began < 3
    assert first.code == 4
    go(harness)
    rest = harness.run("follow", "T001", "--cursor", first.of("continue")[0]["cursor"])
    assert seqs(first.events) + seqs(rest.events) == whole(harness)
    assert rest.outcome("T001")["outcome"] == "succeeded"
