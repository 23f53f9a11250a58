"""Agents, repositories and remotes that do what nobody expects: no work is lost, nothing is run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.git import repo_scan
from support.harness import FEATURE, Rig, until

if TYPE_CHECKING:
    from pathlib import Path

ONE = "## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write T001.txt\n"


def work(rig: Rig, task: str = "T001") -> set[str]:
    """Run one task and return what its branch changed."""
    base = rig.git("rev-parse", "HEAD")
    result = rig.run("spawn", task, "--follow")
    outcome = result.outcome(task)
    assert (outcome["outcome"], outcome["code"]) == ("succeeded", "verified"), result.stdout
    names = rig.git("diff", "--name-only", "-z", base, outcome["head"], cwd=rig.remote)
    return set(names.split("\0")) - {""}


def test_a_repository_inside_without_a_commit_loses_nothing(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent(
        """
        subprocess.run(["git", "init", "--quiet", "inner"], check=True)
        pathlib.Path("inner/a.txt").write_text("a")
        pathlib.Path("T001.txt").write_text("done")
        """
    )
    assert work(rig) == {"T001.txt", "inner/a.txt"}


def test_a_repository_inside_with_odd_names_loses_nothing(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent(
        r"""
        subprocess.run(["git", "init", "--quiet", "inner"], check=True)
        for name in (b"\xff.txt", b"-n", b"line\nbreak", "ü \t\"q".encode()):
            with open(b"inner/" + name, "w") as file:
                file.write("x")
        git = ["git", "-C", "inner", "-c", "user.name=A", "-c", "user.email=a@b"]
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "x"], check=True)
        """
    )
    rig.run("spawn", "T001", "--follow")
    names = rig.git("ls-tree", "-r", "--name-only", f"sdlc-runner/{FEATURE}/T001-1", cwd=rig.remote)
    for name in (r'"inner/\377.txt"', "inner/-n", r'"inner/line\nbreak"', "inner/"):
        assert name in names


def test_odd_names_are_committed_and_told(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent(
        rf"""
        for name in (b"\xff.txt", b"-n", b"line\nbreak", b"a\x1b[31m", b":(top)x", b"1:x"):
            with open(name, "w") as file:
                file.write("x")
        os.makedirs(b"specs/{FEATURE}/.async_state")
        with open(b"specs/{FEATURE}/.async_state/\xff", "w") as file:
            file.write("x")
        """
    )
    base = rig.git("rev-parse", "HEAD")
    result = rig.run("run", "T001", "--detail", "full")
    assert result.code == 0, result.stdout
    head = result.outcome("T001")["head"]
    shown = rig.git("diff", "--name-only", base, head, cwd=rig.remote).splitlines()
    assert set(shown) == {
        *(r'"\377.txt"', r'"a\033[31m"', r'"line\nbreak"', "-n", "1:x", ":(top)x")
    }
    assert "\x1b" not in result.stdout + result.stderr
    assert [event["code"] for event in result.of("warning", "T001")] == ["protected_file"]


def test_a_secret_in_a_file_whose_name_looks_like_a_stage_is_found(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent('pathlib.Path("0:T001.txt").write_text("hunter2-hunter2")')
    result = rig.run("spawn", "T001", "--follow", MY_TOKEN="hunter2-hunter2")
    assert result.outcome("T001")["code"] == "secret_in_diff"
    assert b"T001" in repo_scan.objects(rig)
    assert b"hunter2-hunter2" not in repo_scan.objects(rig)


def test_a_secret_with_line_breaks_is_nowhere_in_the_transcript(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent(
        r"""
        key = "-----BEGIN-----\nline-one-of-the-key-xxxxx\nline-two\"with-quote-yyyy\n-----END-----"
        print(key)
        """
    )
    key = '-----BEGIN-----\nline-one-of-the-key-xxxxx\nline-two"with-quote-yyyy\n-----END-----'
    result = rig.run("spawn", "T001", "--follow", DEPLOY_KEY=key)
    assert result.outcome("T001")["outcome"] == "no_change"
    for piece in (b"line-one-of-the-key-xxxxx", b"with-quote-yyyy"):
        assert piece not in repo_scan.objects(rig)


def test_settings_that_make_git_refuse_line_ends_lose_nothing(rig: Rig) -> None:
    rig.tasks(ONE)
    with (rig.folder / "home" / ".gitconfig").open("a") as file:
        file.write("[core]\n\tautocrlf = true\n\tsafecrlf = true\n")
    rig.agent('pathlib.Path("T001.txt").write_bytes(b"a\\nb\\r\\n")')
    assert work(rig) == {"T001.txt"}


def test_settings_for_the_users_own_clones_are_no_obstacle(rig: Rig) -> None:
    rig.tasks(ONE)
    with (rig.folder / "home" / ".gitconfig").open("a") as file:
        file.write(
            "[safe]\n\tbareRepository = explicit\n[submodule]\n\trecurse = true\n"
            "[clone]\n\tdefaultRemoteName = upstream\n\trejectShallow = true\n"
            '[protocol "file"]\n\tallow = user\n'
        )
    result = rig.run("run")
    assert result.outcome("T001")["code"] == "verified", result.stdout
    assert result.of("ticked", "T001")


def test_an_agent_that_replaces_the_feature_directory_ends_in_an_outcome(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.agent(
        f"""
        import shutil
        shutil.rmtree("specs/{FEATURE}")
        os.symlink("/etc", "specs/{FEATURE}")
        pathlib.Path("T001.txt").write_text("done")
        """
    )
    result = rig.run("spawn", "T001", "--follow")
    outcome = result.outcome("T001")
    kept = outcome.get("checkpoint") or f"sdlc-runner/{FEATURE}/T001-1"
    assert rig.remote_file("T001.txt", kept) == "done"
    assert "T001" in rig.remote_file(f"specs/{FEATURE}/tasks.md", kept)


def test_a_submodules_own_settings_run_nothing_on_the_git_side(rig: Rig) -> None:
    date = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    module = rig.folder / "module"
    make = (
        'git init --quiet -b main "$1" && cd "$1" && echo "*.txt filter=evil" > .gitattributes'
        " && echo x > a.txt && git add --all"
        " && git -c user.name=A -c user.email=a@b commit --quiet -m x"
    )
    subprocess.run(["sh", "-c", make, "sh", str(module)], check=True, env={**rig.env, **date})
    commit = rig.git("rev-parse", "HEAD", cwd=module)
    rig.git("update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    rig.git("commit", "--quiet", "-m", "Add a submodule")
    (rig.checkout / "module").mkdir()
    rig.tasks(ONE)
    mark = rig.folder / "mark"
    rig.agent(
        f"""
        os.rmdir("module")
        subprocess.run(["sh", "-c", {make!r}, "sh", "module"], check=True,
                       env={{**os.environ, **{date!r}}})
        for key, value in (
            ("filter.evil.clean", "sh -c 'id > {mark}; cat'"),
            ("filter.evil.process", "sh -c 'id > {mark}'"),
            ("core.fsmonitor", "sh -c 'id > {mark}'"),
        ):
            subprocess.run(["git", "-C", "module", "config", key, value], check=True)
        pathlib.Path("module/a.txt").write_text("y\\n")  # of the same size: git must look
        pathlib.Path("T001.txt").write_text("done")
        """
    )
    assert work(rig) == {"T001.txt"}
    assert not mark.exists()


def test_what_an_agent_commits_in_a_submodule_is_kept_as_files(rig: Rig) -> None:
    rig.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    rig.git("commit", "--quiet", "-m", "Add a submodule")
    (rig.checkout / "module").mkdir()
    rig.tasks(ONE)
    rig.agent(
        """
        git = ["git", "-C", "module", "-c", "user.name=A", "-c", "user.email=a@b"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        pathlib.Path("module/new.txt").write_text("new")
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "x"], check=True)
        """
    )
    assert work(rig) == {"module", "module/new.txt"}


def test_a_lock_whose_answer_was_lost_is_still_ours(rig: Rig) -> None:
    rig.tasks(ONE)
    hook = rig.remote / "hooks" / "post-receive"
    hook.write_text(
        "#!/bin/sh\n"
        f"test -e '{rig.folder}/cut' && exit 0\n"
        f"touch '{rig.folder}/cut'\n"
        "kill -9 $PPID\n"
    )
    hook.chmod(0o755)
    assert work(rig) == {"T001.txt"}
    assert (rig.folder / "cut").exists()


def test_gc_keeps_what_somebody_else_put_on_a_branch(rig: Rig) -> None:
    rig.tasks(ONE)
    assert rig.run("run").code == 0
    branch = f"sdlc-runner/{FEATURE}/T001-1"
    rig.git("fetch", "--quiet", "origin", branch)
    rig.git("switch", "--quiet", "--detach", "FETCH_HEAD")
    rig.write("more.txt", "a person's work\n")
    rig.git("add", "--all")
    rig.git("commit", "--quiet", "-m", "Mine")
    rig.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    rig.git("switch", "--quiet", FEATURE)
    rig.run("gc")
    assert rig.remote_file("more.txt", branch) == "a person's work"


def test_bundles_are_judged_by_their_own_transcript(rig: Rig) -> None:
    rig.tasks(
        "## Phase 1: Setup\n\n"
        "- [ ] T001 [ASYNC] Write `a.txt`\n"
        "- [ ] T002 [ASYNC] Look at `a.txt`\n"
    )
    rig.agent(
        """
        if task == "T001":
            pathlib.Path("a.txt").write_text("a")
        print("it is right as it is")
        """
    )
    rig.run("spawn", "T001", "T002", "--follow")
    result = rig.run("verify")
    assert result.code == 0, result.stdout
    assert result.outcome("T001")["code"] == "verified"
    assert result.outcome("T002")["code"] == "no_change"


def test_hooks_of_the_repository_run_in_no_merge(rig: Rig, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    rig.git("config", "core.hooksPath", ".githooks")
    rig.tasks(ONE)
    rig.agent(
        f"""
        folder = pathlib.Path(".githooks")
        folder.mkdir()
        for name in ("post-checkout", "post-merge", "pre-push", "reference-transaction"):
            (folder / name).write_text("#!/bin/sh\\necho {{0}} >> {mark}\\n".format(name))
            (folder / name).chmod(0o755)
        """
    )
    rig.write("dirty.txt", "x")
    rig.git("add", "dirty.txt")
    assert rig.run("run").code == 0
    assert rig.run("merge").code == 0
    assert not mark.exists() or not mark.read_text()


def test_a_branch_switched_away_from_is_left_alone(rig: Rig) -> None:
    rig.tasks(ONE)
    rig.git("push", "--quiet", "origin", f"{FEATURE}:refs/heads/other")
    go = rig.folder / "go"
    rig.agent(
        f"""
        while not pathlib.Path({str(go)!r}).exists():
            time.sleep(0.02)
        pathlib.Path("T001.txt").write_text("done")
        """
    )
    process = rig.start("run")
    until(lambda: list((rig.state / "attempts").glob("*/work/README.md")))
    rig.git("switch", "--quiet", "main")
    before = rig.git("rev-parse", "main")
    go.touch()
    process.communicate(timeout=60)
    assert rig.git("rev-parse", "main") == before
    assert rig.git("rev-parse", "HEAD") == before
    assert rig.git("rev-parse", "main", cwd=rig.remote) == before
