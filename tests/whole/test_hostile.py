"""Agents, repositories and remotes that do what nobody expects: no work is lost, nothing is run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from support.git import repo_scan
from support.harness import FEATURE, Harness, until

if TYPE_CHECKING:
    from pathlib import Path

ONE = "## Phase 1: Setup\n\n- [ ] T001 [ASYNC] Write T001.txt\n"


def work(harness: Harness, task: str = "T001") -> set[str]:
    """Run one task and return what its branch changed."""
    base = harness.git("rev-parse", "HEAD")
    result = harness.run("spawn", task, "--follow")
    outcome = result.outcome(task)
    assert (outcome["outcome"], outcome["code"]) == ("succeeded", "verified"), result.stdout
    names = harness.git("diff", "--name-only", "-z", base, outcome["head"], cwd=harness.remote)
    return set(names.split("\0")) - {""}


def test_a_repository_inside_without_a_commit_loses_nothing(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent(
        """
        subprocess.run(["git", "init", "--quiet", "inner"], check=True)
        pathlib.Path("inner/a.txt").write_text("a")
        pathlib.Path("T001.txt").write_text("done")
        """
    )
    assert work(harness) == {"T001.txt", "inner/a.txt"}


def test_a_repository_inside_with_odd_names_loses_nothing(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent(
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
    harness.run("spawn", "T001", "--follow")
    names = harness.git(
        "ls-tree", "-r", "--name-only", f"sdlc-runner/{FEATURE}/T001-1", cwd=harness.remote
    )
    for name in (r'"inner/\377.txt"', "inner/-n", r'"inner/line\nbreak"', "inner/"):
        assert name in names


def test_odd_names_are_committed_and_reported(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent(
        rf"""
        for name in (b"\xff.txt", b"-n", b"line\nbreak", b"a\x1b[31m", b":(top)x", b"1:x"):
            with open(name, "w") as file:
                file.write("x")
        os.makedirs(b"specs/{FEATURE}/.async_state")
        with open(b"specs/{FEATURE}/.async_state/\xff", "w") as file:
            file.write("x")
        """
    )
    base = harness.git("rev-parse", "HEAD")
    result = harness.run("run", "T001", "--detail", "full")
    assert result.code == 0, result.stdout
    head = result.outcome("T001")["head"]
    shown = harness.git("diff", "--name-only", base, head, cwd=harness.remote).splitlines()
    assert set(shown) == {
        *(r'"\377.txt"', r'"a\033[31m"', r'"line\nbreak"', "-n", "1:x", ":(top)x")
    }
    assert "\x1b" not in result.stdout + result.stderr
    assert [event["code"] for event in result.of("warning", "T001")] == ["protected_file"]


def test_a_secret_in_a_file_whose_name_looks_like_a_stage_is_found(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent('pathlib.Path("0:T001.txt").write_text("hunter2-hunter2")')
    result = harness.run("spawn", "T001", "--follow", MY_TOKEN="hunter2-hunter2")
    assert result.outcome("T001")["code"] == "secret_in_diff"
    assert b"T001" in repo_scan.objects(harness)
    assert b"hunter2-hunter2" not in repo_scan.objects(harness)


def test_a_secret_with_line_breaks_is_nowhere_in_the_transcript(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent(
        r"""
        key = "-----BEGIN-----\nline-one-of-the-key-xxxxx\nline-two\"with-quote-yyyy\n-----END-----"
        print(key)
        """
    )
    key = '-----BEGIN-----\nline-one-of-the-key-xxxxx\nline-two"with-quote-yyyy\n-----END-----'
    result = harness.run("spawn", "T001", "--follow", DEPLOY_KEY=key)
    assert result.outcome("T001")["outcome"] == "no_change"
    for piece in (b"line-one-of-the-key-xxxxx", b"with-quote-yyyy"):
        assert piece not in repo_scan.objects(harness)


def test_settings_that_make_git_refuse_line_ends_lose_nothing(harness: Harness) -> None:
    harness.tasks(ONE)
    with (harness.folder / "home" / ".gitconfig").open("a") as file:
        file.write("[core]\n\tautocrlf = true\n\tsafecrlf = true\n")
    harness.agent('pathlib.Path("T001.txt").write_bytes(b"a\\nb\\r\\n")')
    assert work(harness) == {"T001.txt"}


def test_settings_for_the_users_own_clones_are_no_obstacle(harness: Harness) -> None:
    harness.tasks(ONE)
    with (harness.folder / "home" / ".gitconfig").open("a") as file:
        file.write(
            "[safe]\n\tbareRepository = explicit\n[submodule]\n\trecurse = true\n"
            "[clone]\n\tdefaultRemoteName = upstream\n\trejectShallow = true\n"
            '[protocol "file"]\n\tallow = user\n'
        )
    result = harness.run("run")
    assert result.outcome("T001")["code"] == "verified", result.stdout
    assert result.of("ticked", "T001")


def test_an_agent_that_replaces_the_feature_directory_ends_in_an_outcome(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.agent(
        f"""
        import shutil
        shutil.rmtree("specs/{FEATURE}")
        os.symlink("/etc", "specs/{FEATURE}")
        pathlib.Path("T001.txt").write_text("done")
        """
    )
    result = harness.run("spawn", "T001", "--follow")
    outcome = result.outcome("T001")
    kept = outcome.get("checkpoint") or f"sdlc-runner/{FEATURE}/T001-1"
    assert harness.remote_file("T001.txt", kept) == "done"
    assert "T001" in harness.remote_file(f"specs/{FEATURE}/tasks.md", kept)


def test_a_submodules_own_settings_run_nothing_on_the_git_side(harness: Harness) -> None:
    date = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    module = harness.folder / "module"
    make = (
        'git init --quiet -b main "$1" && cd "$1" && echo "*.txt filter=evil" > .gitattributes'
        " && echo x > a.txt && git add --all"
        " && git -c user.name=A -c user.email=a@b commit --quiet -m x"
    )
    subprocess.run(["sh", "-c", make, "sh", str(module)], check=True, env={**harness.env, **date})
    commit = harness.git("rev-parse", "HEAD", cwd=module)
    harness.git("update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    harness.git("commit", "--quiet", "-m", "Add a submodule")
    (harness.checkout / "module").mkdir()
    harness.tasks(ONE)
    mark = harness.folder / "mark"
    harness.agent(
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
    assert work(harness) == {"T001.txt"}
    assert not mark.exists()


def test_what_an_agent_commits_in_a_submodule_is_kept_as_files(harness: Harness) -> None:
    harness.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    harness.git("commit", "--quiet", "-m", "Add a submodule")
    (harness.checkout / "module").mkdir()
    harness.tasks(ONE)
    harness.agent(
        """
        git = ["git", "-C", "module", "-c", "user.name=A", "-c", "user.email=a@b"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        pathlib.Path("module/new.txt").write_text("new")
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "x"], check=True)
        """
    )
    assert work(harness) == {"module", "module/new.txt"}


def test_a_lock_whose_answer_was_lost_is_still_ours(harness: Harness) -> None:
    harness.tasks(ONE)
    hook = harness.remote / "hooks" / "post-receive"
    hook.write_text(
        "#!/bin/sh\n"
        f"test -e '{harness.folder}/cut' && exit 0\n"
        f"touch '{harness.folder}/cut'\n"
        "kill -9 $PPID\n"
    )
    hook.chmod(0o755)
    assert work(harness) == {"T001.txt"}
    assert (harness.folder / "cut").exists()


def test_gc_keeps_what_someone_else_put_on_a_branch(harness: Harness) -> None:
    harness.tasks(ONE)
    assert harness.run("run").code == 0
    branch = f"sdlc-runner/{FEATURE}/T001-1"
    harness.git("fetch", "--quiet", "origin", branch)
    harness.git("switch", "--quiet", "--detach", "FETCH_HEAD")
    harness.write("more.txt", "a person's work\n")
    harness.git("add", "--all")
    harness.git("commit", "--quiet", "-m", "Mine")
    harness.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    harness.git("switch", "--quiet", FEATURE)
    harness.run("gc")
    assert harness.remote_file("more.txt", branch) == "a person's work"


def test_bundles_are_judged_by_their_own_transcript(harness: Harness) -> None:
    harness.tasks(
        "## Phase 1: Setup\n\n"
        "- [ ] T001 [ASYNC] Write `a.txt`\n"
        "- [ ] T002 [ASYNC] Look at `a.txt`\n"
    )
    harness.agent(
        """
        if task == "T001":
            pathlib.Path("a.txt").write_text("a")
        print("it is right as it is")
        """
    )
    harness.run("spawn", "T001", "T002", "--follow")
    result = harness.run("verify")
    assert result.code == 0, result.stdout
    assert result.outcome("T001")["code"] == "verified"
    assert result.outcome("T002")["code"] == "no_change"


def test_hooks_of_the_repository_run_in_no_merge(harness: Harness, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    harness.git("config", "core.hooksPath", ".githooks")
    harness.tasks(ONE)
    harness.agent(
        f"""
        folder = pathlib.Path(".githooks")
        folder.mkdir()
        for name in ("post-checkout", "post-merge", "pre-push", "reference-transaction"):
            (folder / name).write_text("#!/bin/sh\\necho {{0}} >> {mark}\\n".format(name))
            (folder / name).chmod(0o755)
        """
    )
    harness.write("dirty.txt", "x")
    harness.git("add", "dirty.txt")
    assert harness.run("run").code == 0
    assert harness.run("merge").code == 0
    assert not mark.exists() or not mark.read_text()


def test_a_branch_switched_away_from_is_left_alone(harness: Harness) -> None:
    harness.tasks(ONE)
    harness.git("push", "--quiet", "origin", f"{FEATURE}:refs/heads/other")
    go = harness.folder / "go"
    harness.agent(
        f"""
        while not pathlib.Path({str(go)!r}).exists():
            time.sleep(0.02)
        pathlib.Path("T001.txt").write_text("done")
        """
    )
    process = harness.start("run")
    until(lambda: list((harness.state / "attempts").glob("*/work/README.md")))
    harness.git("switch", "--quiet", "main")
    before = harness.git("rev-parse", "main")
    go.touch()
    process.communicate(timeout=60)
    assert harness.git("rev-parse", "main") == before
    assert harness.git("rev-parse", "HEAD") == before
    assert harness.git("rev-parse", "main", cwd=harness.remote) == before
