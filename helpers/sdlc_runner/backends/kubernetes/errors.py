"""Errors of the Kubernetes API, and what they mean to the user."""

from __future__ import annotations

import contextlib
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, RunnerError, UnreachableError
from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PASSING = frozenset({None, 429, 500, 502, 503, 504})
_MESSAGE_LIMIT = 400
# Not a missing permission: what was requested is refused.
_POLICIES = {
    "exceeded quota": "Ended Jobs count too: `sdlc-runner gc` removes those that were merged.",
    "denied the request": "A policy of the cluster refuses it; ask its administrators.",
}
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


class ApiError(Exception):
    """One failed request; ``status`` is None where no answer came at all."""

    def __init__(
        self, status: int | None, reason: str, message: str, retry_after: float = 0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Whether the same request may well succeed in a moment."""
        return self.status in _PASSING

    @property
    def is_not_found(self) -> bool:
        """Whether there is no such object."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def is_conflict(self) -> bool:
        """Whether it exists already, or is no longer the object that was meant."""
        return self.status == HTTPStatus.CONFLICT

    @property
    def is_forbidden(self) -> bool:
        """Whether the user lacks the permission, or a policy refuses the request."""
        return self.status == HTTPStatus.FORBIDDEN

    @property
    def is_unauthorized(self) -> bool:
        """Whether the user is not signed in, or lacks the permission."""
        return self.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

    def to_error(self, doing: str) -> RunnerError:
        """Return it for the user: what was being done, what the API answered, what to do."""
        message = f"{doing}: {self.message}"
        refused = next((hint for words, hint in _POLICIES.items() if words in self.message), "")
        if self.is_forbidden and refused:
            return RunnerError(Code.CLUSTER_REFUSED, message, refused)
        match self.status:
            case 401:
                hint = "Sign in to the cluster again; `kubectl auth whoami` shows who you are."
                return UnreachableError(Code.CLUSTER_FORBIDDEN, message, hint)
            case 403:
                hint = "Ask an administrator for the spawner Role; `sdlc-runner doctor` says how."
                return UnreachableError(Code.CLUSTER_FORBIDDEN, message, hint)
            case 404 | 409:
                return RunnerError(
                    Code.CLUSTER_REFUSED,
                    message,
                    "Run `sdlc-runner doctor` to see what is missing.",
                )
            case 400 | 422:
                hint = "Fix the pod template; `sdlc-runner doctor` checks it."
                return RunnerError(Code.CLUSTER_REFUSED, message, hint)
            case _:
                hint = "Check `kubectl cluster-info`; running attempts go on."
                return UnreachableError(Code.CLUSTER_UNREACHABLE, message, hint)


@contextlib.contextmanager
def api_errors(doing: str) -> Iterator[None]:
    """Report an ``ApiError`` in the block to the user; ``doing``: the action, as "Cannot …"."""
    try:
        yield
    except ApiError as error:
        raise error.to_error(doing) from None


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Read the Status object of a refusal; anything else is only text."""
    try:
        found = json.loads(body)
        message, reason = str(found["message"]), str(found.get("reason", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        message, reason = body[:_MESSAGE_LIMIT].decode("utf-8", "replace"), ""
    text = clean(message, _MESSAGE_LIMIT) or f"HTTP status {status}"
    return ApiError(status, reason, text, _seconds(headers.get("Retry-After", "")))


def refused_upgrade(error: Exception, doing: str) -> ApiError:
    """Read why no WebSocket was opened: it is in the context of the library's error."""
    cause = error.__context__
    status = getattr(cause, "status_code", None)
    if status is None:
        return ApiError(None, "", f"{doing}: {clean(str(cause or error), _MESSAGE_LIMIT)}")
    return failure_of(status, {}, getattr(cause, "resp_body", None) or b"")


def warnings_of(headers: Iterable[str]) -> tuple[str, ...]:
    """Read the text of each ``Warning`` header."""
    found = (text for header in headers for text in _WARNING.findall(header))
    return tuple(clean(text.replace('\\"', '"'), _MESSAGE_LIMIT) for text in found)


def _seconds(text: str) -> float:
    try:
        return max(0.0, min(float(text), 300.0))
    except ValueError:
        return 0.0
