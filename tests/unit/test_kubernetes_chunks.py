"""The chunked transfer coding, in whatever pieces it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlc_runner.backends.kubernetes.chunks import Chunks


def sent(content: list[bytes]) -> bytes:
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in content]
    return b"".join([*chunks, b"0\r\n\r\n"])


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    st.lists(st.integers(1, 30), min_size=1),
)
def test_content_comes_whole_in_whatever_pieces(content: list[bytes], sizes: list[int]) -> None:
    data, chunks, found, at = sent(content), Chunks(), b"", 0
    while at < len(data):
        assert not chunks.over or data[at:] in b"0\r\n\r\n"
        size = sizes[at % len(sizes)]
        found += chunks.feed(data[at : at + size])
        at += size
    assert found == b"".join(content)
    assert chunks.over


def test_what_has_come_of_a_chunk_is_not_held_back() -> None:
    chunks = Chunks()
    assert chunks.feed(b"ffffffffff;name=value\r\nthe beginning") == b"the beginning"
    assert chunks.feed(b" of much") == b" of much"
    assert not chunks.over


@pytest.mark.parametrize("bad", [b"-5\r\n", b"no size\r\n", b"\r\n", b"1\r\nab\r\n2", b"1" * 5000])
def test_what_is_no_chunk_is_refused(bad: bytes) -> None:
    chunks = Chunks()
    with pytest.raises(ValueError, match=r"."):
        chunks.feed(bad + b"\r\nx\r\n")
