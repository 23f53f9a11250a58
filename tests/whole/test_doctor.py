"""``doctor`` finds each broken link and says how to fix it; ``config`` shows every source."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.git.checkouts import picture
from support.harness import FEATURE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.harness import Event, Harness, Result

TASKS = "- [ ] T001 [ASYNC] Write `one.txt`\n"
LINKS = [
    *("python", "git", "repository", "branch", "identity", "feature", "remote", "published"),
    *("agent", "consent", "state"),
]


def bad(done: Result) -> list[Event]:
    return [event for event in done.of("check") if not event["ok"]]


def test_every_link_holds(harness: Harness) -> None:
    harness.tasks(TASKS)
    before, refs = picture(harness.checkout), harness.remote_refs()
    done = harness.run("doctor")
    assert done.code == 0, done.stdout
    assert [event["name"] for event in done.of("check")] == LINKS
    assert not bad(done)
    assert all(event["message"] for event in done.of("check"))
    assert done.events[-1]["ok"]
    assert (picture(harness.checkout), harness.remote_refs()) == (before, refs)


def no_identity(harness: Harness) -> None:
    (harness.folder / "home/.gitconfig").write_text("[user]\n\tname = User\n")


def no_opencode(harness: Harness) -> None:
    del harness.env["SDLC_RUNNER_AGENT_COMMAND"]
    folder = harness.folder / "bin"
    folder.mkdir()
    (folder / "git").symlink_to(str(shutil.which("git")))
    harness.env["PATH"] = str(folder)


def no_agent(harness: Harness) -> None:
    harness.env["SDLC_RUNNER_AGENT_COMMAND"] = "no-such-agent --now"


def no_state(harness: Harness) -> None:
    (harness.folder / "file").write_text("")
    harness.env["XDG_STATE_HOME"] = str(harness.folder / "file")


def no_git(harness: Harness) -> None:
    harness.env["PATH"] = str(harness.folder / "empty")


def old_git(harness: Harness) -> None:
    folder = harness.folder / "bin"
    folder.mkdir()
    (folder / "git").write_text("#!/bin/sh\necho git version 1.8.3\n")
    (folder / "git").chmod(0o755)
    harness.env["PATH"] = f"{folder}:{harness.env['PATH']}"


def no_consent(harness: Harness) -> None:
    harness.write(".opencode/sdlc-runner.jsonc", '{"verify": {"commands": ["make test"]}}')


def odd_config(harness: Harness) -> None:
    harness.write(".opencode/sdlc-runner.jsonc", '{"max_paralel": 3}')


def on_default(harness: Harness) -> None:
    harness.git("switch", "-q", "main")
    harness.git("merge", "-q", FEATURE)


BROKEN: dict[str, tuple[str, str, int, Callable[[Harness], object]]] = {
    "git": ("git", "no_git", 2, no_git),
    "old git": ("git", "no_git", 2, old_git),
    "configuration": ("repository", "bad_config", 2, odd_config),
    "detached": ("branch", "detached_head", 2, lambda r: r.git("switch", "-q", "--detach")),
    "identity": ("identity", "bad_config", 2, no_identity),
    "feature": ("feature", "no_tasks_file", 2, lambda r: r.tasks_file.unlink()),
    "no remote": ("remote", "no_remote", 2, lambda r: r.git("remote", "remove", "origin")),
    "remote gone": ("remote", "remote_unreachable", 3, lambda r: shutil.rmtree(r.remote)),
    "not pushed": (
        *("published", "feature_not_pushed", 2),
        lambda r: r.git("push", "-q", "origin", f":{FEATURE}"),
    ),
    "default branch": ("published", "on_default_branch", 2, on_default),
    "opencode": ("agent", "bad_config", 2, no_opencode),
    "own agent": ("agent", "bad_config", 2, no_agent),
    "consent": ("consent", "consent_needed", 2, no_consent),
    "state": ("state", "state_unwritable", 1, no_state),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_link_is_named_with_its_remedy(harness: Harness, name: str) -> None:
    link, code, exit_code, break_it = BROKEN[name]
    harness.tasks(TASKS)
    break_it(harness)
    done = harness.run("doctor")
    found = bad(done)
    assert found[0]["name"] == link
    assert found[0]["code"] == code
    assert found[0]["hint"]
    assert done.code == done.events[-1]["exit"] == exit_code
    names = [event["name"] for event in done.of("check")]
    assert names == LINKS[: len(names)]
    assert len(names) in (3, len(LINKS))


def test_works_outside_of_a_repository(harness: Harness) -> None:
    for directory in (str(harness.folder), str(harness.folder / "gone")):
        done = harness.run("doctor", "-C", directory, cwd=harness.folder)
        assert done.code == 2
        assert [(event["name"], event["code"]) for event in bad(done)] == [
            ("repository", "no_repository")
        ]


def test_an_address_is_shown_without_its_secret(harness: Harness) -> None:
    harness.tasks(TASKS)
    harness.git("remote", "set-url", "origin", f"file://user:hunter2@localhost{harness.remote}")
    done = harness.run("doctor")
    assert "hunter2" not in done.stdout + done.stderr


def settings(done: Result) -> dict[str, tuple[object, str]]:
    return {event["key"]: (event["value"], event["source"]) for event in done.of("setting")}


def test_config_shows_every_value_and_who_set_it(harness: Harness) -> None:
    harness.write(".opencode/sdlc-runner.jsonc", '{"max_parallel": 2, "clone": {"depth": 9}}')
    user: Path = harness.folder / "config/sdlc-runner/config.jsonc"
    user.parent.mkdir(parents=True)
    user.write_text('{"clone": {"depth": 8}, "limits": {"cost": 1.5}}')
    done = harness.run("config", "--set", "bundle.size=3", SDLC_RUNNER_LIMITS_TOKENS="7")
    shown = settings(done)
    assert [event["code"] for event in done.of("warning")] == ["old_setting"]
    assert shown["max_parallel"] == (2, "repository file")
    assert shown["clone.depth"] == (8, "user file")
    assert shown["limits.cost"] == (1.5, "user file")
    assert shown["limits.tokens"] == (7, "environment")
    assert shown["batch.size"] == (3, "flag")
    assert shown["verify.seconds"] == (600.0, "default")
    assert shown["agent.command"][1] == "environment"


def test_a_flag_of_a_verb_wins_over_set_and_both_are_checked(harness: Harness) -> None:
    harness.tasks(TASKS)
    for argv in (["--max-parallel", "0"], ["--set", "max_parallel=0"]):
        done = harness.run("run", *argv)
        assert (done.code, done.error["code"]) == (2, "bad_config")
    assert harness.run("run", "--set", "max_parallel=1", "--max-parallel", "2").code == 0


def test_consent_is_for_these_very_commands(harness: Harness) -> None:
    harness.write(".opencode/sdlc-runner.jsonc", '{"verify": {"commands": ["true"]}}')
    harness.tasks(TASKS)
    refused = harness.run("spawn", "T001")
    assert (refused.code, refused.error["code"]) == (2, "consent_needed")
    assert "true" in refused.error["message"]
    assert harness.run("config", "--allow-verify").code == 0
    assert harness.run("spawn", "T001", "--follow").code == 0
    harness.write(".opencode/sdlc-runner.jsonc", '{"verify": {"commands": ["true", "false"]}}')
    assert bad(harness.run("doctor"))[0]["code"] == "consent_needed"


def test_without_a_cluster_the_rest_of_the_chain_is_proved(harness: Harness) -> None:
    harness.tasks(TASKS)
    nowhere = str(harness.folder / "no-kubeconfig")
    done = harness.run("doctor", "--backend", "kubernetes", KUBECONFIG=nowhere)
    assert [event["name"] for event in done.of("check")] == [
        *LINKS[:-3],
        *("clone", "cluster", "opencode", "state"),
    ]
    assert [(event["name"], event["code"]) for event in bad(done)] == [
        ("clone", "bad_config"),
        ("cluster", "no_cluster"),
    ]
    assert all(event["hint"] for event in bad(done))
    assert done.code == 2


@pytest.mark.parametrize(
    ("url", "verdict", "told"),
    [
        ("https://example.org/a/b.git", "ok", ""),
        ("https://user:hunter2@example.org/a/b.git", "ok", "without its credentials"),
        ("http://example.org/a/b.git", "ok", "unencrypted"),
        ("ssh://git@example.org/a/b.git", "ok", "by SSH"),
        ("https://10.1.2.3/a/b.git", "ok", "private address"),
        ("https://localhost:8443/a/b.git", "bad", "of this machine"),
        ("ssh://git@127.0.0.1/a/b.git", "bad", "of this machine"),
        ("file:///srv/a.git", "bad", "of this machine"),
    ],
)
def test_an_address_for_pods_is_one_that_they_can_reach(
    harness: Harness, url: str, verdict: str, told: str
) -> None:
    harness.tasks(TASKS)
    nowhere = str(harness.folder / "no-kubeconfig")
    flags = ("--backend", "kubernetes", "--set", f"clone.url={url}")
    done = harness.run("doctor", *flags, KUBECONFIG=nowhere)
    (found,) = (event for event in done.of("check") if event["name"] == "clone")
    assert (found["ok"], told in found["message"]) == (verdict == "ok", True)
    assert "hunter2" not in done.stdout
