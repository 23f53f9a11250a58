"""Secrets, masked by literal value and never by shape; committed files are never changed.

Found as they are, JSON-escaped, percent-encoded and in base64, also across the borders of chunks.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MASK = b"***"
SHORTEST = 6
"""A shorter secret would mask ordinary text everywhere."""
_SHORTEST_LINE = 16
_COLUMNS = (76, 64)  # where base64 programs break their lines
_UNSTABLE_START = (0, 2, 3)  # base64 digits that depend on the bytes before, by alignment


class Masker:
    """Knows the secrets of one attempt in every form that it masks."""

    def __init__(self, secrets: Iterable[str], news: Callable[[], Iterable[str]] = tuple) -> None:
        """Prepare all forms; secrets of fewer than six characters are ignored.

        ``news`` is asked before every use for secrets that have come to be since the last one.
        """
        self._all: set[bytes] = set()
        self._known: tuple[bytes, ...] = ()
        self._news = news
        self._learn(secrets)

    def _learn(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            self._all.update(_forms(secret))
        self._known = tuple(sorted(self._all, key=lambda form: (-len(form), form)))

    @property
    def forms(self) -> tuple[bytes, ...]:
        """All that is masked, the longest first."""
        new = tuple(self._news())
        if new:
            self._learn(new)
        return self._known

    @property
    def has_secrets(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.forms)

    def mask(self, text: str) -> str:
        """Mask a whole text."""
        forms = self.forms
        if not forms:
            return text
        data = text.encode("utf-8", "surrogatepass")
        masked = _replace(forms, data)
        return text if masked is data else masked.decode("utf-8", "replace")

    def stream(self) -> MaskStream:
        """Return a masker for one stream of bytes."""
        return MaskStream(self)

    def contains(self, data: bytes) -> bool:
        """Whether any secret, in any form, is in the data."""
        return any(form in data for form in self.forms)


class MaskStream:
    """Masks bytes that come in pieces; holds back only what may be the beginning of a secret."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece, and return what is certain by now."""
        forms = self._masker.forms
        if not forms:
            return chunk
        data = self._held + chunk
        undecided = min(_partial(data, form) for form in forms)
        pieces, at = [], 0
        for match in _matches(forms, data):
            if match.start() >= undecided:
                break
            pieces += [data[at : match.start()], MASK]
            at = match.end()
        end = max(at, undecided)
        self._held = data[end:]
        return b"".join([*pieces, data[at:end]])

    def flush(self) -> bytes:
        """Return the rest: nothing comes any more."""
        held, self._held = self._held, b""
        return _replace(self._masker.forms, held)


def _matches(forms: Sequence[bytes], data: bytes) -> Iterator[re.Match[bytes]]:
    # Looking for each form is much faster than one large alternation, and mostly finds none.
    present = [re.escape(form) for form in forms if form in data]
    return re.finditer(b"|".join(present), data) if present else iter(())


def _replace(forms: Sequence[bytes], data: bytes) -> bytes:
    pieces, at = [], 0
    for match in _matches(forms, data):
        pieces += [data[at : match.start()], MASK]
        at = match.end()
    return b"".join([*pieces, data[at:]]) if pieces else data


def _partial(data: bytes, form: bytes) -> int:
    """Return where the longest beginning of a form starts that the data ends with."""
    at = data.find(form[:1], max(0, len(data) - len(form) + 1))
    while at >= 0:
        if form.startswith(data[at:]):
            return at
        at = data.find(form[:1], at + 1)
    return len(data)


def _forms(secret: str) -> Iterator[bytes]:
    secret = secret.strip()
    if len(secret) < SHORTEST:
        return
    yield from _encoded(secret)
    lines = [line.strip() for line in secret.splitlines()]
    for line in lines if len(lines) > 1 else ():
        # "-----BEGIN PRIVATE KEY-----" is no secret, and stands in many a document
        if len(line) >= _SHORTEST_LINE and not line.startswith("-----"):
            yield from _encoded(line)


def _encoded(secret: str) -> Iterator[bytes]:
    data = secret.encode("utf-8", "surrogateescape")
    yield data
    for ascii_only in (True, False):
        text = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield text.encode("utf-8", "surrogateescape")
    for percent in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield percent.encode()
        yield re.sub("%..", lambda code: code[0].lower(), percent).encode()
    yield from _base64(data)


def _base64(data: bytes) -> Iterator[bytes]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift, start in enumerate(_UNSTABLE_START):
            # the last digit may depend on the bytes that follow: left out, as is the padding
            yield encode(bytes(shift) + data)[start : (shift + len(data)) * 8 // 6]
    whole = base64.b64encode(data)
    for column in _COLUMNS:
        pieces = [whole[at : at + column] for at in range(0, len(whole), column)]
        yield from (piece for piece in pieces if len(piece) >= _SHORTEST_LINE)
