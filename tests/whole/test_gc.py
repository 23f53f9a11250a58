"""``gc``: what was merged goes, whatever else may still be wanted stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.git.checkouts import picture
from support.harness import FEATURE
from support.scripted_agents import ONE, WRITE, agent, go, held, talked

if TYPE_CHECKING:
    from support.harness import Harness


def ours(harness: Harness) -> set[str]:
    return {ref for ref in harness.remote_refs() if "sdlc-runner" in ref}


def folders(harness: Harness) -> list[str]:
    return [path.name for path in (harness.state / "attempts").iterdir()]


def test_after_merging_nothing_of_ours_is_left(harness: Harness) -> None:
    harness.tasks(ONE + "- [ ] T002 [P] [ASYNC] Nothing\n- [ ] T003 [P] [ASYNC] Write T003.txt\n")
    agent(harness, "print('as it should be')\nif task != 'T002':\n    " + WRITE)
    assert harness.run("run").code == 0
    result = harness.run("gc")
    assert result.code == 0
    assert ours(harness) == set()
    assert folders(harness) == []
    kinds = [event["what"] for event in result.of("removed", "T001")]
    assert kinds == ["branch", "refs", "state"]
    assert [event["what"] for event in result.of("removed", "T002")] == ["refs", "state"]
    assert harness.remote_file("T001.txt") == "done by T001"
    assert harness.ticked() == {"T001", "T002", "T003"}
    again = harness.run("gc")
    assert [event["type"] for event in again.events] == ["summary"]
    assert again.events[-1]["counts"] == {"attempts": 0, "removed": 0}


def test_a_dry_run_says_the_same_and_touches_nothing(harness: Harness) -> None:
    talked(harness, 1)
    harness.run("merge")
    before = (harness.remote_refs(), picture(harness.state), picture(harness.checkout))
    dry = harness.run("gc", "--dry-run")
    assert (harness.remote_refs(), picture(harness.state), picture(harness.checkout)) == before
    assert all(event["dry_run"] for event in dry.of("removed"))
    real = harness.run("gc")
    assert not any("dry_run" in event for event in real.of("removed"))
    names = [[event["name"] for event in result.of("removed")] for result in (dry, real)]
    assert names[0] == names[1]


def test_what_is_not_merged_stays(harness: Harness) -> None:
    talked(harness, 1)
    before = ours(harness)
    assert len(before) == 3
    assert not harness.run("gc").of("removed")
    assert ours(harness) == before
    assert harness.run("merge").code == 0


def test_what_failed_stays_until_a_later_attempt_is_merged(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent(WRITE + "sys.exit(1)")
    harness.run("spawn", "T001", "--follow")
    assert not harness.run("gc").of("removed")
    assert any(ref.endswith("1/checkpoint") for ref in ours(harness))
    agent(harness)
    harness.run("retry", "T001", "--follow")
    harness.run("merge")
    harness.run("gc")
    assert ours(harness) == set()
    assert folders(harness) == []


def test_what_runs_stays(harness: Harness) -> None:
    held(harness)
    harness.tasks(ONE.replace("[ ]", "[x]"))
    assert not harness.run("gc").of("removed")
    go(harness)
    assert harness.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


def conflicting(harness: Harness) -> str:
    harness.write("shared.txt", "line\n")
    harness.tasks(ONE.replace("[ASYNC]", "[P] [ASYNC]") + "- [ ] T002 [P] [ASYNC] Write T002.txt\n")
    agent(harness, "pathlib.Path('shared.txt').write_text(task)")
    (conflict,) = harness.run("run").of("conflict")
    return str(conflict["branch"])


def test_a_branch_in_conflict_stays_even_when_its_box_is_ticked(harness: Harness) -> None:
    branch = conflicting(harness)
    harness.tasks(harness.tasks_file.read_text().replace("- [ ] T002", "- [x] T002"))
    harness.run("gc")
    assert f"refs/heads/{branch}" in ours(harness)
    assert f"refs/heads/sdlc-runner/{FEATURE}/T001-1" not in ours(harness)


def test_a_conflict_that_the_user_has_merged_goes(harness: Harness) -> None:
    branch = conflicting(harness)
    harness.git("fetch", "--quiet", "origin", branch)
    harness.git("merge", "--quiet", "-X", "ours", "FETCH_HEAD")
    harness.tasks(harness.tasks_file.read_text().replace("- [ ] T002", "- [x] T002"))
    harness.run("gc")
    assert ours(harness) == set()


def test_the_refs_of_every_task_of_a_bundle_go(harness: Harness) -> None:
    harness.tasks("- [ ] T001 [ASYNC] Begin src/a.py\n- [ ] T002 [ASYNC] End src/a.py\n")
    agent(harness)
    assert harness.run("run").code == 0
    assert any("/T002/1/start" in ref for ref in ours(harness))
    harness.run("gc")
    assert ours(harness) == set()


def test_the_user_s_own_branches_are_never_touched(harness: Harness) -> None:
    talked(harness, 1)
    harness.run("merge")
    harness.git(
        "push", "--quiet", "origin", f"HEAD:refs/heads/{FEATURE}-mine", "HEAD:refs/heads/T001-1"
    )
    harness.run("gc")
    assert {"refs/heads/main", f"refs/heads/{FEATURE}", f"refs/heads/{FEATURE}-mine"} < set(
        harness.remote_refs()
    )
    assert "refs/heads/T001-1" in harness.remote_refs()
