from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.errors import Code, UsageError
from sdlc_runner.git.command import Git
from sdlc_runner.worker.git.credentials import Credentials
from sdlc_runner.worker.masking import Masker
from sdlc_runner.worker.secrets import SecretFiles, environment

if TYPE_CHECKING:
    from pathlib import Path

REMOTE = "https://git.example.test:8443/team/project.git"


def put(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", "-")).write_text(text)
    return folder


def asked(folder: Path, remote: str, url: str = "") -> dict[str, str]:
    """What git would send to a URL when it works for the remote."""
    access = Credentials(folder, remote).access()
    git = Git(folder, access.options, {**access.env, "HOME": str(folder)})
    done = git.try_run("credential", "fill", stdin=f"url={url or remote}\n\n".encode())
    return dict(line.split("=", 1) for line in done.text.splitlines())


def test_a_token_is_given_to_its_host(tmp_path: Path) -> None:
    found = asked(put(tmp_path, token="s3cret-token\n"), REMOTE)
    assert (found["username"], found["password"]) == ("x-access-token", "s3cret-token")


def test_a_username_goes_along(tmp_path: Path) -> None:
    found = asked(put(tmp_path, token="s3cret-token", username="robot\n"), REMOTE)
    assert (found["username"], found["password"]) == ("robot", "s3cret-token")


def test_the_username_of_the_address_is_kept(tmp_path: Path) -> None:
    remote = REMOTE.replace("git.example", "robot@git.example")
    assert asked(put(tmp_path, token="s3cret-token"), remote)["username"] == "robot"


@pytest.mark.parametrize(
    "url", ["https://other.example.test/x.git", "http://git.example.test:8443/team/project.git"]
)
def test_no_other_host_is_given_anything(tmp_path: Path, url: str) -> None:
    assert "password" not in asked(put(tmp_path, token="s3cret-token"), REMOTE, url)


def test_a_token_is_read_again_each_time(tmp_path: Path) -> None:
    folder = put(tmp_path, token="first-token")
    access = Credentials(folder, REMOTE).access()
    put(folder, token="second-token")
    git = Git(folder, access.options, access.env)
    done = git.try_run("credential", "fill", stdin=f"url={REMOTE}\n\n".encode())
    assert "password=second-token" in done.text.splitlines()


def test_a_token_is_never_an_argument_or_a_variable(tmp_path: Path) -> None:
    folder = put(tmp_path, token="s3cret-token", username="robot")
    assert "s3cret-token" not in str(Credentials(folder, REMOTE).access())


def test_odd_folders_and_users_are_quoted(tmp_path: Path) -> None:
    folder = put(tmp_path / "a 'b\" $(touch mark)", token="s3cret-token")
    remote = REMOTE.replace("git.example", "$(touch mark)@git.example")
    assert asked(folder, remote, REMOTE)["password"] == "s3cret-token"
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("remote", [REMOTE, "git@git.example.test:x.git", "/srv/x.git"])
def test_without_credentials_git_is_left_as_it_is(tmp_path: Path, remote: str) -> None:
    access = Credentials(tmp_path, remote).access()
    assert (access.options, access.env) == ((), {})


def ssh(folder: Path) -> dict[str, str]:
    """The settings that ssh would use, by its own account."""
    env = Credentials(folder, "git@git.example.test:x.git").access().env
    command = [*shlex.split(env["GIT_SSH_COMMAND"]), "-G", "git.example.test"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_ssh_checks_the_host_and_uses_this_key_alone(tmp_path: Path) -> None:
    folder = put(tmp_path / "a b", ssh_privatekey="a key\n")
    (folder / "known_hosts").write_text("git.example.test ssh-ed25519 AAAA\n")
    found = ssh(folder)
    assert found["stricthostkeychecking"] in {"true", "yes"}
    assert found["userknownhostsfile"] == str(folder / "known_hosts")
    assert found["globalknownhostsfile"] == "/dev/null"
    assert found["identityfile"] == str(folder / "ssh-privatekey")
    assert found["identitiesonly"] == "yes"
    assert found["batchmode"] == "yes"


def test_a_key_without_known_hosts_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path, ssh_privatekey="a key\n")
    with pytest.raises(UsageError) as raised:
        Credentials(folder, "ssh://git@git.example.test/x.git").access()
    assert raised.value.code is Code.NO_KNOWN_HOSTS


def test_a_key_that_lost_its_last_line_break_is_reported(tmp_path: Path) -> None:
    folder = put(tmp_path, ssh_privatekey="a key", known="x")
    (folder / "known_hosts").write_text("x\n")
    with pytest.raises(UsageError) as raised:
        Credentials(folder, "git@git.example.test:x.git").access()
    assert raised.value.code is Code.BAD_CREDENTIALS


def test_secrets_of_files_are_known_as_they_change(tmp_path: Path) -> None:
    folder = put(tmp_path / "git", token="first-token\n")
    masker = Masker([], SecretFiles(folder, tmp_path / "absent").news)
    assert masker.mask("first-token second-token") == "*** second-token"
    put(folder, token="second-token")
    assert masker.mask("first-token second-token") == "*** ***"
    assert masker.contains(b"second-token")
    stream = masker.stream()
    put(folder, token="third--token")
    assert stream.feed(b"third--tok") + stream.feed(b"en first-token.") == b"*** ***."


def test_a_volume_that_kubernetes_replaces_is_read_again(tmp_path: Path) -> None:
    for at, secret in enumerate(("first-token", "other-token")):
        put(tmp_path / f"..{at}", token=secret)
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "token").symlink_to("..data/token")
    files = SecretFiles(tmp_path)
    assert files.news() == ("first-token",)
    assert files.news() == ()
    (tmp_path / "..new").symlink_to("..1")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert files.news() == ("other-token",)


def test_what_is_no_secret_is_not_masked(tmp_path: Path) -> None:
    folder = put(tmp_path, AWS="x" * 20, username="somebody")
    for name in ("known_hosts", "AWS_REGION", "OPENAI_BASE_URL"):
        (folder / name).write_text("eu-central-1.example.test")
    assert SecretFiles(folder).news() == ("x" * 20,)


def test_keys_become_variables(tmp_path: Path) -> None:
    folder = put(tmp_path, KEY="value\n")
    (folder / "no-name").write_text("x")
    (folder / "..data").mkdir()
    (folder / "FOLDER").mkdir()
    assert environment(folder) == {"KEY": "value"}
    assert environment(tmp_path / "absent") == {}


def test_looking_for_changes_is_quick(tmp_path: Path) -> None:
    folder = put(tmp_path, **{f"KEY{n}": f"value-of-key-{n}" for n in range(5)})
    files = SecretFiles(folder)
    files.news()
    before = os.times()
    for _ in range(1000):
        files.news()
    after = os.times()
    assert after.user + after.system - before.user - before.system < 0.5
