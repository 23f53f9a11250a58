"""``gc``: what was merged goes, whatever else may still be wanted stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.git.checkouts import picture
from support.harness import FEATURE
from support.scripted_agents import ONE, WRITE, agent, go, held, talked

if TYPE_CHECKING:
    from support.harness import Rig


def ours(rig: Rig) -> set[str]:
    return {ref for ref in rig.remote_refs() if "sdlc-runner" in ref}


def folders(rig: Rig) -> list[str]:
    return [path.name for path in (rig.state / "attempts").iterdir()]


def test_after_merging_nothing_of_ours_is_left(rig: Rig) -> None:
    rig.tasks(ONE + "- [ ] T002 [P] [ASYNC] Nothing\n- [ ] T003 [P] [ASYNC] Write T003.txt\n")
    agent(rig, "print('as it should be')\nif task != 'T002':\n    " + WRITE)
    assert rig.run("run").code == 0
    result = rig.run("gc")
    assert result.code == 0
    assert ours(rig) == set()
    assert folders(rig) == []
    kinds = [event["what"] for event in result.of("removed", "T001")]
    assert kinds == ["branch", "refs", "state"]
    assert [event["what"] for event in result.of("removed", "T002")] == ["refs", "state"]
    assert rig.remote_file("T001.txt") == "done by T001"
    assert rig.ticked() == {"T001", "T002", "T003"}
    again = rig.run("gc")
    assert [event["type"] for event in again.events] == ["summary"]
    assert again.events[-1]["counts"] == {"attempts": 0, "removed": 0}


def test_a_dry_run_says_the_same_and_touches_nothing(rig: Rig) -> None:
    talked(rig, 1)
    rig.run("merge")
    before = (rig.remote_refs(), picture(rig.state), picture(rig.checkout))
    dry = rig.run("gc", "--dry-run")
    assert (rig.remote_refs(), picture(rig.state), picture(rig.checkout)) == before
    assert all(event["dry_run"] for event in dry.of("removed"))
    real = rig.run("gc")
    assert not any("dry_run" in event for event in real.of("removed"))
    names = [[event["name"] for event in result.of("removed")] for result in (dry, real)]
    assert names[0] == names[1]


def test_what_is_not_merged_stays(rig: Rig) -> None:
    talked(rig, 1)
    before = ours(rig)
    assert len(before) == 3
    assert not rig.run("gc").of("removed")
    assert ours(rig) == before
    assert rig.run("merge").code == 0


def test_what_failed_stays_until_a_later_attempt_is_merged(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent(WRITE + "sys.exit(1)")
    rig.run("spawn", "T001", "--follow")
    assert not rig.run("gc").of("removed")
    assert any(ref.endswith("1/checkpoint") for ref in ours(rig))
    agent(rig)
    rig.run("retry", "T001", "--follow")
    rig.run("merge")
    rig.run("gc")
    assert ours(rig) == set()
    assert folders(rig) == []


def test_what_runs_stays(rig: Rig) -> None:
    held(rig)
    rig.tasks(ONE.replace("[ ]", "[x]"))
    assert not rig.run("gc").of("removed")
    go(rig)
    assert rig.run("follow", "T001").outcome("T001")["outcome"] == "succeeded"


def conflicting(rig: Rig) -> str:
    rig.write("shared.txt", "line\n")
    rig.tasks(ONE.replace("[ASYNC]", "[P] [ASYNC]") + "- [ ] T002 [P] [ASYNC] Write T002.txt\n")
    agent(rig, "pathlib.Path('shared.txt').write_text(task)")
    (conflict,) = rig.run("run").of("conflict")
    return str(conflict["branch"])


def test_a_branch_in_conflict_stays_even_when_its_box_is_ticked(rig: Rig) -> None:
    branch = conflicting(rig)
    rig.tasks(rig.tasks_file.read_text().replace("- [ ] T002", "- [x] T002"))
    rig.run("gc")
    assert f"refs/heads/{branch}" in ours(rig)
    assert f"refs/heads/sdlc-runner/{FEATURE}/T001-1" not in ours(rig)


def test_a_conflict_that_the_user_has_merged_goes(rig: Rig) -> None:
    branch = conflicting(rig)
    rig.git("fetch", "--quiet", "origin", branch)
    rig.git("merge", "--quiet", "-X", "ours", "FETCH_HEAD")
    rig.tasks(rig.tasks_file.read_text().replace("- [ ] T002", "- [x] T002"))
    rig.run("gc")
    assert ours(rig) == set()


def test_the_refs_of_every_task_of_a_bundle_go(rig: Rig) -> None:
    rig.tasks("- [ ] T001 [ASYNC] Begin src/a.py\n- [ ] T002 [ASYNC] End src/a.py\n")
    agent(rig)
    assert rig.run("run").code == 0
    assert any("/T002/1/start" in ref for ref in ours(rig))
    rig.run("gc")
    assert ours(rig) == set()


def test_the_user_s_own_branches_are_never_touched(rig: Rig) -> None:
    talked(rig, 1)
    rig.run("merge")
    rig.git(
        "push", "--quiet", "origin", f"HEAD:refs/heads/{FEATURE}-mine", "HEAD:refs/heads/T001-1"
    )
    rig.run("gc")
    assert {"refs/heads/main", f"refs/heads/{FEATURE}", f"refs/heads/{FEATURE}-mine"} < set(
        rig.remote_refs()
    )
    assert "refs/heads/T001-1" in rig.remote_refs()
