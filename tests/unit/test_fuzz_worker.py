"""Whatever an agent prints and whatever a repository holds: nothing raises, nothing leaks."""

from __future__ import annotations

import base64
import itertools
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sdlc_runner.attempt.spec import AttemptTask
from sdlc_runner.worker import prompt
from sdlc_runner.worker import prompt as worker_prompt
from sdlc_runner.worker.agents.local import JSON_LINE_LIMIT, LINE_LIMIT, Lines
from sdlc_runner.worker.agents.opencode_events import Translator
from sdlc_runner.worker.masking import Masker
from sdlc_runner.worker.secrets import secrets_from
from support.agent_fixtures import SPEC, Heard

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        *("id", "type", "tool", "state", "status", "input", "time", "start", "end", "text"),
        *("tokens", "cache", "read", "cost", "reason", "filePath", "command", "title", "data"),
        *("message", "name", "statusCode", "error", "part", "sessionID", "rejected", "v"),
    ]
)
VALUES = st.recursive(
    JSON | st.sampled_from(["tool", "text", "step-finish", "stop", "completed", "error", "\ud800"]),
    lambda inner: st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
PARTS = st.dictionaries(NAMES, VALUES, max_size=8)
TYPES = st.sampled_from(["text", "tool_use", "step_finish", "step_start", "error", "done", "x"])
RECORDS = st.builds(
    lambda type_, part, error: {"type": type_, "sessionID": "s", "part": part, "error": error},
    TYPES,
    PARTS,
    VALUES,
)
LETTERS = "ab+/\n"
SECRETS = st.lists(st.text(LETTERS, min_size=6, max_size=12), max_size=3)


@given(
    st.text() | RECORDS.map(json.dumps) | JSON.map(json.dumps),
    st.sampled_from(["stdout", "stderr"]),
)
def test_no_line_breaks_the_translator(line: str, stream: str) -> None:
    heard = Heard()
    translator = Translator(Path("/work"))
    for body in translator.feed(line, stream):
        heard.emit(body)
    heard.close()


@given(PARTS, st.booleans())
def test_no_part_breaks_the_translator(part: dict[str, Any], root: bool) -> None:  # noqa: FBT001
    heard = Heard()
    for body in Translator(Path("/work")).part(part, root=root):
        heard.emit(body)
    heard.close()


@st.composite
def leaking_bytes(draw: st.DrawFn) -> tuple[list[str], bytes]:
    secrets = draw(SECRETS)
    pieces = [st.text(LETTERS, max_size=8).map(str.encode), st.binary(max_size=4)]
    for secret in secrets:
        cut = draw(st.integers(0, len(secret)))
        encoded = base64.b64encode(b"x" * draw(st.integers(0, 2)) + secret.encode())
        pieces.append(st.sampled_from([secret.encode(), secret[:cut].encode(), encoded]))
    return secrets, b"".join(draw(st.lists(st.one_of(pieces), max_size=12)))


@given(leaking_bytes(), st.lists(st.integers(0, 120), max_size=8))
def test_masking_a_stream_is_masking_the_whole(
    leak: tuple[list[str], bytes], cuts: list[int]
) -> None:
    secrets, data = leak
    masker = Masker(secrets)
    whole = masker.stream()
    expected = whole.feed(data) + whole.flush()
    stream = masker.stream()
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [stream.feed(data[a:b]) for a, b in itertools.pairwise(borders)]
    assert b"".join([*pieces, stream.flush()]) == expected
    assert not masker.contains(expected)


@given(leaking_bytes())
def test_masking_a_text_is_masking_its_bytes(leak: tuple[list[str], bytes]) -> None:
    secrets, data = leak
    masker = Masker(secrets)
    text = data.decode("utf-8", "replace")
    stream = masker.stream()
    assert masker.mask(text).encode() == stream.feed(text.encode()) + stream.flush()


@given(st.lists(st.binary(max_size=30)))
def test_lines_lose_nothing(chunks: list[bytes]) -> None:
    lines = Lines(Masker([]).stream())
    heard = [line for chunk in chunks for line in lines.feed(chunk)]
    heard += lines.flush()
    whole = b"".join(chunks).decode("utf-8", "replace")
    assert [line for line in heard if line] == [
        line.rstrip("\r") for line in whole.split("\n") if line.rstrip("\r")
    ]


@settings(max_examples=20)
@given(st.integers(0, 3 * LINE_LIMIT), st.sampled_from(["x", "ü", "{", "\u20ac"]))
def test_long_lines_are_cut_and_lose_nothing(length: int, letter: str) -> None:
    data = (letter * length).encode()
    lines = Lines(Masker([]).stream())
    heard = [line for at in range(0, len(data), 9999) for line in lines.feed(data[at : at + 9999])]
    heard += lines.flush()
    limit = JSON_LINE_LIMIT if letter == "{" else LINE_LIMIT
    assert "".join(heard) == letter * length
    assert all(len(line.encode()) <= limit for line in heard)


@given(st.dictionaries(st.sampled_from(["A_TOKEN", "OPENCODE_AUTH_CONTENT"]), st.text()))
def test_no_environment_breaks_the_search_for_secrets(env: dict[str, str]) -> None:
    Masker(secrets_from(env, []))


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["spec.md", "plan.md", "contracts/a.md"]), st.binary(max_size=300)
    ),
    st.binary(max_size=300),
    st.text(max_size=50),
)
def test_no_repository_breaks_the_prompt(
    files: dict[str, bytes], constitution: bytes, text: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, content in {f"specs/001-demo/{name}": c for name, c in files.items()}.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_bytes(content)
        (work / ".specify/memory").mkdir(parents=True)
        (work / ".specify/memory/constitution.md").write_bytes(constitution)
        task = AttemptTask("T001", text, text + " a", text, (text,))
        packet = prompt.build(replace(SPEC, tasks=(task,)), task, work)
    packet.text.encode()


WORDS = st.lists(
    st.sampled_from(
        [
            "### User Story 1",
            "**Acceptance Scenarios**:",
            "1. **Given**",
            "- MUST",
            "<!--",
            "-->",
            "\n",
            "---",
        ]
    )
)


@given(WORDS.map("\n".join) | st.text())
def test_no_document_breaks_the_readers(text: str) -> None:
    worker_prompt.story(text, "US1")
    worker_prompt.musts(text)
    assert len(worker_prompt.cut(text, 10, "x").encode("utf-8", "replace")) <= max(
        len(text.encode("utf-8", "replace")), 60
    )
