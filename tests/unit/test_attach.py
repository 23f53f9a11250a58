from __future__ import annotations

import io
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from sdlc_runner.backends.kubernetes.agent_endpoint import forwarded
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.commands.send import TEXT_BYTES, text_of
from sdlc_runner.errors import Code, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(
    ("words", "stdin", "text"),
    [
        (["use", "the", "parser"], b"", "use the parser"),
        (["-"], b"from\nstdin\n", "from\nstdin\n"),
        (["a", "-"], b"left alone", "a -"),
        (["-"], b"x" * TEXT_BYTES, "x" * TEXT_BYTES),
    ],
)
def test_a_message_is_words_or_what_stdin_has(
    words: Sequence[str], stdin: bytes, text: str
) -> None:
    assert text_of(words, io.BytesIO(stdin)) == text


@pytest.mark.parametrize(
    ("stdin", "code"),
    [
        (b" \n", Code.BAD_ARGUMENT),
        (b"x" * (TEXT_BYTES + 1), Code.BAD_ARGUMENT),
        (b"\xff\xfe", Code.NOT_UTF8),
    ],
)
def test_a_message_is_bounded_text(stdin: bytes, code: Code) -> None:
    with pytest.raises(UsageError) as raised:
        text_of(["-"], io.BytesIO(stdin))
    assert raised.value.code is code


def echo(side: socket.socket) -> None:
    with side:
        while piece := side.recv(1 << 16):
            side.sendall(piece.upper())


def connect() -> socket.socket:
    near, far = socket.socketpair()
    threading.Thread(target=echo, args=(far,), daemon=True).start()
    return near


def test_each_connection_gets_a_way_of_its_own_for_as_long_as_the_block_lasts() -> None:
    with forwarded(connect) as forward:
        ways = [socket.create_connection(("127.0.0.1", forward.port)) for _ in range(5)]
        for number, way in enumerate(ways):
            way.sendall(b"text %d" % number)
        assert [way.recv(100) for way in ways] == [b"TEXT %d" % number for number in range(5)]
        for way in ways:
            way.close()
        port = forward.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_connection_without_a_way_ends_and_the_reason_is_kept() -> None:
    def refuse() -> socket.socket:
        raise ApiError(403, "Forbidden", "no way")

    with forwarded(refuse) as forward:
        with socket.create_connection(("127.0.0.1", forward.port)) as way:
            assert way.recv(100) == b""
        assert forward.failure is not None
        assert forward.failure.status == 403
