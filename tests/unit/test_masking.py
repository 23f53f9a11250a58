from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from sdlc_runner.worker.masking import Masker
from sdlc_runner.worker.secrets import secrets_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN = "ghp_0123456789abcdefABCDEF/+x"
PEM = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE\n"
    "bm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQy\n"
    "shorttail=\n"
    "-----END OPENSSH PRIVATE KEY-----\n"
)


def streamed(masker: Masker, *pieces: bytes) -> bytes:
    stream = masker.stream()
    return b"".join(stream.feed(piece) for piece in pieces) + stream.flush()


def test_a_literal_secret_is_masked_wherever_it_is() -> None:
    masker = Masker([TOKEN])
    assert masker.mask(f"https://x:{TOKEN}@host {TOKEN}{TOKEN}") == "https://x:***@host ******"


def test_a_secret_cut_by_chunks_is_masked() -> None:
    data = f"a {TOKEN} b".encode()
    for cut in range(len(data)):
        assert streamed(Masker([TOKEN]), data[:cut], data[cut:]) == b"a *** b"


def test_one_byte_at_a_time_is_masked() -> None:
    data = f"{TOKEN[:9]}{TOKEN}{TOKEN[:5]}\n".encode()
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert streamed(Masker([TOKEN]), *pieces) == f"{TOKEN[:9]}***{TOKEN[:5]}\n".encode()


def test_what_cannot_be_a_secret_is_not_held_back() -> None:
    stream = Masker([TOKEN]).stream()
    assert stream.feed(b"hello ghp_01") == b"hello "
    assert stream.feed(b"9") == b"ghp_019"


@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
@pytest.mark.parametrize("after", ["", "x", "xy", "xyz", "\n"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_masked_at_every_alignment(
    before: str, after: str, encode: Callable[[bytes], bytes]
) -> None:
    data = encode((before + TOKEN + after).encode()).decode()
    masker = Masker([TOKEN])
    for text in (data, data.rstrip("=")):
        masked = masker.mask(f"<{text}>")
        assert "***" in masked
        assert len(masked) < len(before) * 2 + len(after) * 2 + 14
        assert masker.contains(text.encode())


@pytest.mark.parametrize("columns", [64, 76])
def test_base64_in_lines_is_masked(columns: int) -> None:
    secret = "s3cr3t-" * 20
    encoded = base64.b64encode(secret.encode()).decode()
    lines = [encoded[at : at + columns] for at in range(0, len(encoded), columns)]
    assert Masker([secret]).mask("\n".join(lines)) == "\n".join(["***"] * len(lines))


def test_percent_and_json_forms_are_masked() -> None:
    secret = 'p@ss/word "ü" 1'
    masker = Masker([secret])
    encoded = quote(secret, safe="")
    lower = encoded.replace("%2F", "%2f").replace("%C3%BC", "%c3%bc")
    for form in (encoded, lower, quote(secret), encoded.replace("%20", "+")):
        assert masker.mask(f"[{form}]") == "[***]"
    assert masker.mask(json.dumps({"a": secret})) == '{"a": "***"}'
    assert masker.mask(json.dumps({"a": secret}, ensure_ascii=False)) == '{"a": "***"}'


def test_the_lines_of_a_key_are_masked_but_not_its_frame() -> None:
    masker = Masker([PEM])
    assert masker.mask(PEM) == "***\n"
    body = PEM.splitlines()[1]
    assert masker.mask(f"+{body}") == "+***"
    assert masker.mask("-----BEGIN OPENSSH PRIVATE KEY-----") == PEM.splitlines()[0]
    assert "shorttail=" in masker.mask("shorttail=")


def test_a_short_secret_is_ignored() -> None:
    masker = Masker(["abcde", "", "  \n"])
    assert masker.mask("abcde") == "abcde"
    assert not masker.has_secrets


def test_the_longer_of_two_secrets_wins() -> None:
    masker = Masker(["secret", "secret-and-more"])
    assert masker.mask("secret-and-more secret") == "*** ***"
    assert streamed(masker, b"secret-and-", b"other secret-and-more") == b"***-and-other ***"


def test_without_secrets_everything_passes() -> None:
    masker = Masker([])
    text = "x" * 10
    assert masker.mask(text) is text
    assert masker.stream().feed(b"x") == b"x"
    assert not masker.contains(b"x")


def test_text_without_a_secret_is_returned_as_it_is() -> None:
    text = "lone \ud800 surrogate"
    assert Masker([TOKEN]).mask(text) is text


def test_many_long_lines_are_fast() -> None:
    masker = Masker([TOKEN, PEM * 20, "another-secret"])
    data = (b"x" * 997 + b"ghp\n") * 2000
    began = time.perf_counter()
    assert streamed(masker, *(data[at : at + 16384] for at in range(0, len(data), 16384))) == data
    assert time.perf_counter() - began < 5


def test_secrets_are_known_by_the_name_of_their_variable() -> None:
    secret = {
        "ANTHROPIC_API_KEY": "sk-ant-1",
        "OPENAI_APIKEY": "sk-open-1",
        "GH_TOKEN": "ghp_abcdef",
        "DB_PASSWORD": "letmein",
        "CLIENT_SECRET": "shhhhhh",
        "AWS_SECRET_ACCESS_KEY": "/abcdefgh",
        "token": "lowercase1",
    }
    public = {
        "PATH": "/usr/bin",
        "SSH_PUBLIC_KEY": "ssh-ed25519 AAAA",
        "SORT_KEY": "created",
        "SSL_KEY": "/etc/hostname",
        "MONKEY": "business1",
        "TOKENIZERS_PARALLELISM": "falsefalse",
        "EMPTY_TOKEN": "",
    }
    assert set(secrets_from({**secret, **public}, [])) == set(secret.values())


def test_secrets_inside_of_opencodes_variables_are_found() -> None:
    auth = {"openai": {"type": "api", "key": "sk-1"}, "x": {"type": "wellknown", "token": "tok"}}
    headers = {"Authorization": "Bearer abcdefgh"}
    config = {"model": "a/b", "provider": {"a": {"options": {"apiKey": "k-9", "headers": headers}}}}
    env = {
        "OPENCODE_AUTH_CONTENT": json.dumps(auth),
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
    }
    found = secrets_from(env, [])
    assert set(found) == {"sk-1", "tok", "k-9", "Bearer abcdefgh", "abcdefgh"}


@pytest.mark.parametrize("content", ["[" * 100_000, "{", "null", "1", '"x"', "\ud800"])
def test_broken_variables_have_no_secrets(content: str) -> None:
    assert secrets_from({"OPENCODE_CONFIG_CONTENT": content}, []) == ()


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    stored = tmp_path / "credentials"
    stored.write_text("https://me:pa55word@host\n")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine host login me password n3trc-pw\n")
    app = tmp_path / "app.json"
    app.write_text('{"type": "app", "private": {"key": "inner-key"}}')
    found = Masker(secrets_from({}, [token, stored, netrc, app, tmp_path / "absent", tmp_path]))
    assert found.mask(f"{TOKEN} pa55word n3trc-pw inner-key") == "*** *** *** ***"
