"""Addresses taken apart: scheme, who, host, port, path, and what may be shown of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.git.remote_url import RemoteUrl, is_address


@pytest.mark.parametrize(
    ("text", "scheme", "user", "host", "port", "is_local"),
    [
        ("https://example.org/a/b.git", "https", "", "example.org", 443, False),
        ("https://user:secret@example.org/a/b.git", "https", "user", "example.org", 443, False),
        (
            "https://user@corp:p@ss@example.org:8443/a",
            "https",
            "user@corp",
            "example.org",
            8443,
            False,
        ),
        ("HTTP://Example.org", "http", "", "Example.org", 80, False),
        ("ssh://git@[::1]:2222/a", "ssh", "git", "::1", 2222, False),
        ("git@example.org:a/b.git", "ssh", "git", "example.org", 22, False),
        ("example.org:a/b.git", "ssh", "", "example.org", 22, False),
        ("git://example.org/a", "git", "", "example.org", 9418, False),
        ("/srv/a.git", "", "", "", 0, True),
        ("../a.git", "", "", "", 0, True),
        ("file:///srv/a.git", "file", "", "", 0, True),
        ("C:/a.git", "", "", "", 0, True),
        ("", "", "", "", 0, True),
    ],
)
def test_its_parts(
    text: str, scheme: str, user: str, host: str, port: int, *, is_local: bool
) -> None:
    url = RemoteUrl.parse(text)
    assert (url.scheme, url.host, url.actual_port) == (scheme, host, port)
    assert url.user == user
    assert url.is_local is is_local


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@example.org/a", "https://example.org/a"),
        ("https://token@example.org/a@b", "https://example.org/a@b"),
        ("https://user:p@ss@example.org/a", "https://example.org/a"),
        ("ssh://git:secret@example.org/a", "ssh://git@example.org/a"),
        ("https://u:SECRET#x@h/o/r", "https://h/o/r"),
        ("https://u:SECRET?x@h/o/r", "https://h/o/r"),
        ("https://u:SECRET@h:port/o/r", "https://h:port/o/r"),
        ("git@example.org:a", "git@example.org:a"),
        ("/srv/a@b", "/srv/a@b"),
    ],
)
def test_no_password_is_shown(text: str, shown: str) -> None:
    assert RemoteUrl.parse(text).without_credentials == shown


def test_a_password_may_hold_an_at_sign() -> None:
    assert RemoteUrl.parse("https://user:p@ss@example.org/a").password == "p@ss"


@pytest.mark.parametrize("tail", ["#x@h/o/r", "?x@h/o/r", "@h:port/o/r", "@[h/o/r"])
def test_the_password_of_what_is_no_proper_url_is_hidden_and_known(tail: str) -> None:
    url = RemoteUrl.parse(f"https://u:SECRET{tail}")
    assert "SECRET" not in url.without_credentials
    assert "SECRET" not in url.repository
    assert url.password.startswith("SECRET")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("git+ssh://git@h:22/a", "h:22/a"),
        ("https://h:0443/a", "h:0443/a"),
        ("git@[host]:path", "[host]/path"),
        ("git@[host:2222]:path", "[host/2222]:path"),
        ("https://u:p@H:443/a/b.git/", "h/a/b"),
    ],
)
def test_the_names_that_identities_hash_stay(text: str, name: str) -> None:
    assert RemoteUrl.parse(text).repository == name


@pytest.mark.parametrize(
    ("word", "expected"),
    [("https://h/a", True), ("git@host:a", True), ("./a", True), ("T002", False), ("a b", False)],
)
def test_a_repository_is_told_from_a_task(word: str, *, expected: bool) -> None:
    assert is_address(word) is expected


@given(st.text(max_size=60) | st.text(alphabet="htps:/@[].-a1?#", max_size=40))
def test_hostile_text_never_raises_and_shows_no_password(text: str) -> None:
    url = RemoteUrl.parse(text)
    assert RemoteUrl.parse(url.without_credentials).password == ""
    assert isinstance(url.repository, str)
