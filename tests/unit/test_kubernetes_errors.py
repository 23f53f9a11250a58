"""What the API says when it refuses, and what the user is told of it."""

from __future__ import annotations

import json

import pytest

from sdlc_runner.backends.kubernetes.errors import ApiError, failure_of
from sdlc_runner.errors import Code, ExitCode


def status(message: str, reason: str = "") -> bytes:
    return json.dumps({"kind": "Status", "message": message, "reason": reason}).encode()


def test_a_status_object_is_read() -> None:
    failure = failure_of(403, {}, status("jobs.batch is forbidden", "Forbidden"))
    assert (failure.status, failure.reason) == (403, "Forbidden")
    assert failure.message == "jobs.batch is forbidden"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway", b"[]", b"null", b"7", b'{"kind": "Status"}', b"[" * 9000, b"\xff"],
)
def test_what_is_no_status_object_is_only_text(body: bytes) -> None:
    failure = failure_of(502, {}, body)
    assert failure.status == 502
    assert failure.is_passing
    assert failure.message


def test_a_hostile_message_is_cleaned_and_bounded() -> None:
    failure = failure_of(500, {}, status("\x1b[31mred\n" + "x" * 10_000))
    assert failure.message.startswith("red ")
    assert len(failure.message) <= 400


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3), ("0", 0), ("-5", 0), ("99999", 300), ("", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)],
)
def test_retry_after_is_read_in_seconds(header: str, seconds: float) -> None:
    assert failure_of(429, {"Retry-After": header}, b"").retry_after == seconds


@pytest.mark.parametrize("code", [None, 429, 500, 502, 503, 504])
def test_these_may_pass(code: int | None) -> None:
    assert ApiError(code, "", "x").is_passing


@pytest.mark.parametrize(
    ("code", "named", "exit_code"),
    [
        (401, Code.CLUSTER_FORBIDDEN, ExitCode.UNREACHABLE),
        (403, Code.CLUSTER_FORBIDDEN, ExitCode.UNREACHABLE),
        (404, Code.CLUSTER_REFUSED, ExitCode.TASK_FAILED),
        (409, Code.CLUSTER_REFUSED, ExitCode.TASK_FAILED),
        (422, Code.CLUSTER_REFUSED, ExitCode.TASK_FAILED),
        (302, Code.CLUSTER_UNREACHABLE, ExitCode.UNREACHABLE),
        (500, Code.CLUSTER_UNREACHABLE, ExitCode.UNREACHABLE),
        (None, Code.CLUSTER_UNREACHABLE, ExitCode.UNREACHABLE),
    ],
)
def test_the_user_is_reported_what_was_done_and_what_helps(
    code: int | None, named: Code, exit_code: ExitCode
) -> None:
    error = ApiError(code, "", "it said no").to_error("No Job was created")
    assert error.code is named
    assert error.exit_code is exit_code
    assert error.message == "No Job was created: it said no"
    assert error.hint
