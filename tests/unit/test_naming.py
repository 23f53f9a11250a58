"""Names that git and Kubernetes accept, whatever people call their features and tasks."""

from __future__ import annotations

import itertools
import random
import re
from typing import TYPE_CHECKING

import pytest

from sdlc_runner import process
from sdlc_runner.attempt.naming import (
    META_BRANCHES,
    AttemptRefs,
    Identity,
    branch,
    clashes,
    ref_part,
)
from sdlc_runner.digest import digest, slug
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.git.remote_url import normalize_remote

if TYPE_CHECKING:
    from pathlib import Path

DNS_1123 = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
REMOTE = "https://example.invalid/team/app.git"

AWKWARD = [
    *("T001", "t001", "T-001", "T_001", "T.001", "T001-1", "T001--1", "T 001", "T001 ", " T001"),
    *("a/b", "/a", "a/", "a//b", "../..", "..", ".", ".a", "a.", "a..b", "a.b", "-a", "a-", "-"),
    *("x.lock", "x.lock.lock", ".lock", "x.LOCK", "@", "@{", "a@{1}", "HEAD", "refs/heads/x"),
    *("a~1", "a^", "a:b", "a?b", "a*b", "a[b", "a\\b", "a b", "a\tb", "a\nb", "a\x00b", "\x7f"),
    *("größer", "日本語", "👍", "👍🏽", "e\u0301", "é", "\u202eabc", "\ud800", "İ", "ß", "ﬁ"),
    *("", "x" * 63, "x" * 64, "x" * 100, "x" * 101, "x" * 200, "X" * 200, "x" * 199 + "y"),
    *("1", "1" * 200, "--option", "$(id)", "`id`", "a;b", "a'b", 'a"b', "%2e%2e", "sdlc-runner"),
]


def made_up(count: int) -> list[str]:
    """More of the kind, always the same ones."""
    chance = random.Random(1)  # noqa: S311  no secret, only variety
    letters = "aA0-_./ @{}~^:?*[\\lock\u00e9\U0001f44d\n"
    return ["".join(chance.choices(letters, k=chance.randint(1, 12))) for _ in range(count)]


TEXTS = list(dict.fromkeys([*AWKWARD, *made_up(1100)]))
KEYS = [
    *(AttemptKey("001-demo", text, 1) for text in TEXTS),
    *(AttemptKey(text, "T001", 1) for text in TEXTS),
    *(AttemptKey("001-demo", "T001", number) for number in (2, 11, 111, 10**9)),
]


def identity(key: AttemptKey, *, remote: str = REMOTE, text: str = "- [ ] do it") -> Identity:
    return Identity(remote, key, (key.task,), text)


def is_valid_ref(ref: str, where: Path) -> bool:
    return process.run(["git", "check-ref-format", ref], cwd=where).ok


def test_identities_are_dns_labels() -> None:
    wrong = [key for key in KEYS if not DNS_1123.fullmatch(identity(key).name)]
    assert not wrong


def test_identities_branches_and_refs_differ() -> None:
    keys = set(KEYS)
    assert len(keys) > 2000
    assert len({identity(key).name for key in keys}) == len(keys)
    assert len({branch("sdlc-runner", key) for key in keys}) == len(keys)
    assert len({AttemptRefs.of(key).start for key in keys}) == len(keys)


def test_identities_are_stable_over_versions() -> None:
    key = AttemptKey("001-demo", "T001", 1)
    assert identity(key).name == identity(key).name == "sdlc-001-demo-t001-1-f935d1d952"
    assert branch("sdlc-runner", AttemptKey("001-demo", "T 1", 1)) == (
        "sdlc-runner/001-demo/T-1-4e03301d-1"
    )


@pytest.mark.parametrize(
    "other",
    [
        identity(AttemptKey("001-demo", "T001", 2)),
        identity(AttemptKey("002-demo", "T001", 1)),
        identity(AttemptKey("001-demo", "T001", 1), text="- [ ] do something else"),
        identity(AttemptKey("001-demo", "T001", 1), remote="https://example.invalid/other/app"),
        Identity(REMOTE, AttemptKey("001-demo", "T001", 1), ("T001", "T002"), "- [ ] do it"),
    ],
    ids=["number", "feature", "text", "remote", "tasks"],
)
def test_all_that_makes_an_attempt_is_in_its_identity(other: Identity) -> None:
    assert identity(AttemptKey("001-demo", "T001", 1)).name != other.name


@pytest.mark.slow
def test_git_accepts_every_branch_and_ref(tmp_path: Path) -> None:
    refs = [
        ref
        for key in KEYS
        for ref in (f"refs/heads/{branch('sdlc-runner', key)}", AttemptRefs.of(key).checkpoint)
    ]
    assert not [ref for ref in refs if not is_valid_ref(ref, tmp_path)]


def test_git_holds_all_awkward_branches_at_once(tmp_path: Path) -> None:
    """The same as above for a real repository: one program for all, and their file names too."""
    process.run(["git", "init", "-q", "."], cwd=tmp_path)
    tree = process.run(["git", "mktree"], cwd=tmp_path).text
    who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    commit = process.run(["git", *who, "commit-tree", "-m", "x", tree], cwd=tmp_path).text
    refs = {
        ref
        for key in KEYS
        for ref in (
            f"refs/heads/{branch('sdlc-runner', key)}",
            AttemptRefs.of(key).transcript,
            AttemptRefs.of(key, META_BRANCHES).start,
        )
    }
    commands = "".join(f"create {ref} {commit}\n" for ref in sorted(refs))
    made = process.run(["git", "update-ref", "--stdin"], cwd=tmp_path, stdin=commands.encode())
    assert made.ok, made.error_text
    listed = process.run(["git", "for-each-ref", "--format=%(refname)"], cwd=tmp_path).text
    assert set(listed.split("\n")) == refs


@pytest.mark.parametrize("text", ["T001", "001-todo-app", "T001-1", "a.b", "A_b-c.d", "x" * 100])
def test_what_git_allows_stays_as_it_is(text: str) -> None:
    assert ref_part(text) == text


@pytest.mark.parametrize("text", ["", "---", "日本", "\n"])
def test_a_slug_is_never_empty(text: str) -> None:
    assert slug(text) == "x"


@pytest.mark.parametrize("limit", [1, 5, 40])
def test_a_slug_keeps_its_limit_and_ends_well(limit: int) -> None:
    for text in TEXTS:
        assert DNS_1123.fullmatch(slug(text, limit))
        assert len(slug(text, limit)) <= limit


def test_a_digest_says_lists_apart() -> None:
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("2:ab1:c",), ()]
    assert all(digest(*one) != digest(*two) for one, two in itertools.combinations(lists, 2))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.invalid/team/app",
        "https://example.invalid/team/app/",
        "https://example.invalid/team/app.git/",
        " https://example.invalid/team/app.git\n",
        "https://token@example.invalid/team/app.git",
        "https://user:pass@example.invalid/team/app.git",
        "https://Example.Invalid:443/team/app.git",
        "http://example.invalid:80/team/app",
        "ssh://git@example.invalid/team/app.git",
        "ssh://git@example.invalid:22/team/app.git",
        "git@example.invalid:team/app.git",
        "example.invalid:/team/app",
    ],
)
def test_one_repository_has_one_name_however_it_is_reached(url: str) -> None:
    assert normalize_remote(url) == "example.invalid/team/app"


@pytest.mark.parametrize("url", ["/srv/git/app", "../app", "C:/git/app", "/srv/a:b/app", "a/b:c"])
def test_paths_stay(url: str) -> None:
    assert normalize_remote(url) == url


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:///srv/app@2", "/srv/app@2"),
        ("https://example.invalid:8443/team/app", "example.invalid:8443/team/app"),
        ("ssh://git@[::1]:2222/app.git", "[::1]:2222/app"),
    ],
)
def test_what_says_repositories_apart_stays(url: str, name: str) -> None:
    assert normalize_remote(url) == name


@pytest.mark.parametrize(
    ("new", "existing", "clash"),
    [
        pytest.param("a/b/c", {"a"}, "a", id="a parent"),
        pytest.param("a/b/c", {"a/b"}, "a/b", id="a nearer parent"),
        pytest.param("a", {"a/b"}, "a/b", id="a child"),
        pytest.param("a", {"a/c/d", "a/b"}, "a/b", id="the first child"),
        pytest.param("a/b", {"a/b"}, None, id="itself"),
        pytest.param("a/b", {"a/c", "ab", "b"}, None, id="neighbours"),
        pytest.param("a/b", set(), None, id="nothing"),
        pytest.param("sdlc-runner/f/T1-1", {"sdlc-runner"}, "sdlc-runner", id="the prefix"),
    ],
)
def test_clashes(new: str, existing: set[str], clash: str | None) -> None:
    assert clashes(new, frozenset(existing)) == clash
