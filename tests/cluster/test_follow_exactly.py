"""Following while connections break and followers die: every event once, and the right end."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.cluster import api_link, speaker
from support.cluster.background_verb import Followed
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from support.cluster.api_link import Line
    from support.cluster.harness import ClusterHarness
    from support.harness import Event

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

ONE = "- [ ] T001 [ASYNC] Write `T001.txt`\n"
THREE = "".join(f"- [ ] T00{n} [P] [ASYNC] Write `T00{n}.txt`\n" for n in (1, 2, 3))


@pytest.fixture
def api_line(harness: ClusterHarness) -> Iterator[Line]:
    """The way of the rig's commands to the API server."""
    laid = api_link.lay(harness.namespace.kubectl, harness.folder / "by-line")
    harness.env["KUBECONFIG"] = str(harness.folder / "by-line")
    yield laid
    laid.close()


def speaking(harness: ClusterHarness, *tasks: str) -> None:
    """Start attempts whose agents speak."""
    harness.tasks(THREE if len(tasks) > 1 else ONE)
    harness.agent(speaker.SPEAK)
    assert harness.run("spawn", *tasks).code == 0
    wait_for(lambda: len(harness.model.notes()) == len(tasks), what="speech")


def test_several_attempts_are_watched_through_broken_and_dead_connections(
    harness: ClusterHarness, api_line: Line
) -> None:
    tasks = ("T001", "T002", "T003")
    speaking(harness, *tasks)
    watch = Followed(harness.start("watch", "--detail", "full"))
    for task in tasks:
        watch.wait_for("log", task=task)
    for seconds in (0.05, 0.2, 0.5, 1.1):
        api_line.cut()
        time.sleep(seconds)
        api_line.restore()
        time.sleep(0.3)
    api_line.hold()
    time.sleep(1)
    api_line.restore()
    harness.model.open("T002")
    watch.wait_for("outcome", task="T002")
    api_line.cut()
    for task in ("T001", "T003"):
        harness.model.open(task)
    time.sleep(12)  # they end while nobody sees it
    api_line.restore()
    result = watch.result()
    assert result.code == 0, result.stdout[-2000:]
    for task in tasks:
        assert result.outcome(task)["outcome"] == "succeeded"
        speaker.assert_exact(result.events, task)
        assert not result.of("gap", task)


def kept(path: Path) -> list[Event]:
    """What a consumer can read in its file; a line that was killed half written is no JSON."""
    found = []
    for text in path.read_bytes().splitlines():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def follow_into(harness: ClusterHarness, path: Path) -> subprocess.Popen[str]:
    with path.open("ab") as file:
        return harness.start("follow", "T001", "--cursor", f"@{path}", stdout=file)


def wait_for_growth(path: Path) -> None:
    size = path.stat().st_size
    wait_for(lambda: path.stat().st_size > size, what="progress", every=0.01)


def ended(child: subprocess.Popen[str]) -> int:
    child.communicate(timeout=60)
    return child.returncode


def test_a_consumer_killed_ten_times_goes_on_from_its_own_file_beside_another(
    harness: ClusterHarness, tmp_path: Path
) -> None:
    speaking(harness, "T001")
    other = Followed(harness.start("follow", "T001"))
    path = tmp_path / "kept.jsonl"
    path.touch()
    for number in range(10):
        child = follow_into(harness, path)
        wait_for_growth(path)
        time.sleep(0.037 * number)
        child.kill()
        ended(child)
    last = follow_into(harness, path)
    harness.model.open("T001")
    assert ended(last) == 0
    events = kept(path)
    speaker.assert_exact(events)
    assert events[-1]["outcome"] == "succeeded"
    result = other.result()
    speaker.assert_exact(result.events)
    middle = len(speaker.of(events, "T001")) // 2
    rest = harness.run("follow", "T001", "--cursor", f"T001-1:{middle}")
    own = speaker.of(events, "T001")
    assert [event["seq"] for event in speaker.of(rest.events, "T001")] == [
        event["seq"] for event in own[middle:]
    ]
    assert rest.outcome("T001")["outcome"] == "succeeded"


FLOOD = """
print('line 0', flush=True)
hold('flood')
for number in range(1, 3400):
    print('line', number, 'x' * 3900)
sys.stdout.flush()
hold('more')
for number in range(3400, 3500):
    print('line', number, flush=True)
hold('end')
pathlib.Path(f'{task}.txt').write_text('done')
"""


def has_lost_its_beginning(harness: ClusterHarness, pod: str) -> bool:
    """Whether the newest file of the pod's log does not begin with its first event any more."""
    path = f"/api/v1/namespaces/{harness.namespace.name}/pods/{pod}/log?limitBytes=9000"
    text = harness.namespace.kubectl.run("get", f"--raw={path}")
    return not text or json.loads(text.partition("\n")[0])["seq"] > 1


def test_what_was_rotated_away_while_the_line_was_cut_is_a_gap_that_the_transcript_fills(
    harness: ClusterHarness, api_line: Line
) -> None:
    harness.tasks(ONE)
    harness.agent(FLOOD)
    harness.run("spawn", "T001")
    follow = Followed(harness.start("follow", "T001"))
    follow.wait_for("log", text="line 0")
    api_line.cut()
    harness.model.open("flood")
    (pod,) = (pod["metadata"]["name"] for pod in harness.namespace.pods())
    wait_for(lambda: has_lost_its_beginning(harness, pod), 90, "rotation", every=0.5)
    harness.model.open("more")
    api_line.restore()
    follow.wait_for("log", text="line 3499")
    harness.model.open("end")
    result = follow.result()
    assert result.outcome("T001")["outcome"] == "succeeded"
    assert [event["recovered"] for event in result.of("gap")] == [False, True]
    seqs = [event["seq"] for event in speaker.of(result.events, "T001")]
    assert sorted(seqs) == list(range(1, len(seqs) + 1))
    numbers = {int(event["text"].split()[1]) for event in result.of("log")}
    assert numbers == set(range(3500))
    codes = [event["code"] for event in result.of("warning")]
    assert codes in (["cluster_unreachable"] * times for times in range(3))  # the end may be first


def test_the_outcome_comes_soon_after_the_api_reports_the_end(harness: ClusterHarness) -> None:
    """The promise is one second, measured by the benchmark; the others are for a busy machine."""
    speaking(harness, "T001")
    follow = Followed(harness.start("follow", "T001"))
    follow.wait_for("log")
    seen: list[float] = []

    def look() -> None:
        while not seen:
            status = harness.namespace.pods()[0]["status"]["containerStatuses"][0]
            if "terminated" in status["state"]:
                seen.append(time.monotonic())

    looker = threading.Thread(target=look)
    looker.start()
    harness.model.open("T001")
    follow.wait_for("outcome")
    told = time.monotonic()
    looker.join()
    assert told - seen[0] < 5
    assert follow.result().outcome("T001")["outcome"] == "succeeded"


def test_ctrl_c_detaches_at_once_while_the_cluster_does_not_answer(
    harness: ClusterHarness, api_line: Line
) -> None:
    speaking(harness, "T001")
    follow = Followed(harness.start("follow", "T001"))
    follow.wait_for("log")
    api_line.hold()
    time.sleep(0.5)
    began = time.monotonic()
    follow.child.send_signal(signal.SIGINT)
    follow.child.wait(30)
    assert time.monotonic() - began < 1.5
    assert follow.result().code == 130
    api_line.restore()
    harness.model.open("T001")
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"
