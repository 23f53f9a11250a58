"""Every way in which the runner itself says no: one code, one sentence, one remedy.

A ``RunnerError`` is what a user reads; anything else that escapes is a defect.

    RunnerError
    ├── UsageError        the call, the repository or the configuration is wrong   exit 2
    └── UnreachableError  the remote or the cluster cannot be reached or refuses   exit 3
"""

from __future__ import annotations

import errno
from enum import Enum, IntEnum


class ExitCode(IntEnum):
    """How a verb ends, for shells and CI jobs."""

    OK = 0
    TASK_FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    TIME_LIMIT = 4
    INTERRUPTED = 130


class Code(str, Enum):
    """The stable names of what can be wrong; scripts may rely on them."""

    # the call and the configuration
    BAD_ARGUMENT = "bad_argument"
    BAD_CONFIG = "bad_config"
    BAD_CURSOR = "bad_cursor"
    CONSENT_NEEDED = "consent_needed"
    BAD_SCOPE = "bad_scope"
    FOREIGN_FILE = "foreign_file"
    UNSUPPORTED_BACKEND = "unsupported_backend"
    # the repository
    NO_GIT = "no_git"
    GIT_FAILED = "git_failed"
    NO_REPOSITORY = "no_repository"
    NO_REMOTE = "no_remote"
    NO_COMMITS = "no_commits"
    DETACHED_HEAD = "detached_head"
    ON_DEFAULT_BRANCH = "on_default_branch"
    FEATURE_NOT_PUSHED = "feature_not_pushed"
    SPEC_NOT_PUSHED = "spec_not_pushed"
    BRANCH_CLASH = "branch_clash"
    FEATURE_MOVED = "feature_moved"
    MERGE_IN_PROGRESS = "merge_in_progress"
    NOT_OURS = "not_ours"
    SECOND_COMMAND = "second_command"
    STOCK_COMMAND = "stock_command"
    BAD_LEDGER = "bad_ledger"
    NOT_INSTALLED = "not_installed"
    NOTHING_TO_PUBLISH = "nothing_to_publish"
    PUBLISH_CONFLICT = "publish_conflict"
    # the remote
    REMOTE_UNREACHABLE = "remote_unreachable"
    UNREACHABLE_HOST = "unreachable_host"
    REMOTE_FORBIDDEN = "remote_forbidden"
    HOST_KEY_REFUSED = "host_key_refused"
    PUSH_REJECTED = "push_rejected"
    # the cluster
    NO_CLUSTER = "no_cluster"
    NO_NAMESPACE = "no_namespace"
    NO_POD_TEMPLATE = "no_pod_template"
    BAD_POD_TEMPLATE = "bad_pod_template"
    CLUSTER_UNREACHABLE = "cluster_unreachable"
    CLUSTER_FORBIDDEN = "cluster_forbidden"
    CLUSTER_REFUSED = "cluster_refused"
    # the feature and its tasks
    NO_FEATURE = "no_feature"
    MANY_FEATURES = "many_features"
    NO_TASKS_FILE = "no_tasks_file"
    NOT_UTF8 = "not_utf8"
    FILE_TOO_LARGE = "file_too_large"
    NO_TASKS = "no_tasks"
    UNKNOWN_TASK = "unknown_task"
    DUPLICATE_TASK = "duplicate_task"
    UNKNOWN_DEPENDENCY = "unknown_dependency"
    DEPENDENCY_CYCLE = "dependency_cycle"
    TASK_DONE = "task_done"
    TASK_NOT_ASYNC = "task_not_async"
    TASK_NOT_READY = "task_not_ready"
    TICKED_BY_HAND = "ticked_by_hand"
    # attempts
    NO_ATTEMPT = "no_attempt"
    ALREADY_STARTED = "already_started"
    ATTEMPT_ALIVE = "attempt_alive"
    NOT_RUNNING = "not_running"
    NO_CHECKPOINT = "no_checkpoint"
    NO_TRANSCRIPT = "no_transcript"
    # the agent's pod
    AGENT_SERVER_LATE = "agent_server_late"
    AGENT_SERVER_REFUSED = "agent_server_refused"
    AGENT_SERVER_DIED = "agent_server_died"
    NO_KNOWN_HOSTS = "no_known_hosts"
    BAD_CREDENTIALS = "bad_credentials"
    PIDS_EXHAUSTED = "pids_exhausted"
    # this machine
    NO_PACKAGES = "no_packages"
    DISK_FULL = "disk_full"
    STATE_UNWRITABLE = "state_unwritable"
    INTERRUPTED = "interrupted"
    INTERNAL = "internal"


class RunnerError(Exception):
    """A sentence for the user, with a stable code and what to do about it."""

    exit_code = ExitCode.TASK_FAILED

    def __init__(
        self, code: Code, message: str, hint: str = "", *, line: int | None = None
    ) -> None:
        """Say what is wrong and where; ``hint`` is the remedy, best of all a command."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.line = line


class UsageError(RunnerError):
    """The call, the repository or the configuration must change before this can work."""

    exit_code = ExitCode.USAGE


class UnreachableError(RunnerError):
    """The remote (or the cluster) cannot be reached, or refuses."""

    exit_code = ExitCode.UNREACHABLE


def disk_full(words: str) -> RunnerError:
    """Make the error for a disk or quota that has no room."""
    return RunnerError(
        Code.DISK_FULL,
        f"The disk is full: {words}",
        "Free some room; `sdlc-runner gc` frees what the runner keeps.",
    )


def of_system(error: OSError) -> RunnerError:
    """Say what the operating system refused, where no module said it better."""
    words = f"{error.strerror}: {error.filename}" if error.filename else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(words)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "Set XDG_STATE_HOME to a folder of yours that can be written."
        return RunnerError(Code.STATE_UNWRITABLE, f"This cannot be read or written: {words}.", hint)
    return RunnerError(Code.INTERNAL, f"The system refused something: {words}.")
