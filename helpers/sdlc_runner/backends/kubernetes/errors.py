"""What the Kubernetes API says when it does not do what it was asked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, RunnerError, UnreachableError
from sdlc_runner.events.codec import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PASSING = frozenset({None, 429, 500, 502, 503, 504})
_MESSAGE_LIMIT = 400
_FORBIDDEN = 403
# Not a right that is lacking, but what is asked for.
_POLICIES = {
    "exceeded quota": "Ended Jobs count too: `sdlc-runner gc` removes those that were merged.",
    "denied the request": "A policy of the cluster refuses it; its administrators know more.",
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

    def to_error(self, doing: str) -> RunnerError:
        """Say it to the user: what was being done, what the API said, what helps."""
        said = f"{doing}: {self.message}"
        refused = next((hint for words, hint in _POLICIES.items() if words in self.message), "")
        if self.status == _FORBIDDEN and refused:
            return RunnerError(Code.CLUSTER_REFUSED, said, refused)
        match self.status:
            case 401:
                hint = "Sign in to the cluster again; `kubectl auth whoami` shows who you are."
                return UnreachableError(Code.CLUSTER_FORBIDDEN, said, hint)
            case 403:
                hint = "An administrator gives you the spawner Role: `sdlc-runner doctor` says how."
                return UnreachableError(Code.CLUSTER_FORBIDDEN, said, hint)
            case 404 | 409:
                return RunnerError(Code.CLUSTER_REFUSED, said, "`sdlc-runner doctor` looks at it.")
            case 400 | 422:
                hint = "Mend the pod template; `sdlc-runner doctor` looks at it."
                return RunnerError(Code.CLUSTER_REFUSED, said, hint)
            case _:
                hint = "`kubectl cluster-info` tells more; attempts that run go on."
                return UnreachableError(Code.CLUSTER_UNREACHABLE, said, hint)


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
    """Read why no WebSocket was opened: the library tells it by what its error came from."""
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
