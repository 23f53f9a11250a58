"""The two scripts of the specification, as calls of ``sdlc-runner``.

    spawn-pod.sh TASK [BRANCH REPOSITORY]      tail-logs.sh POD

Variables: ENVIRONMENT (default dev), NAMESPACE (default agent-runner-$ENVIRONMENT), and for
spawn-pod.sh SSH_SECRET_NAME, the Secret with ``ssh-privatekey`` and ``known_hosts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def spawn_pod(argv: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the arguments of ``sdlc-runner`` that do what ``spawn-pod.sh`` does."""
    secret = environ.get("SSH_SECRET_NAME")
    chosen = ("--set", f"kubernetes.git_secret={secret}") if secret else ()
    return ["spawn", *_where(environ), *chosen, *argv]


def tail_logs(argv: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the arguments of ``sdlc-runner`` that do what ``tail-logs.sh`` does."""
    words = list(argv)
    at = next((index for index, word in enumerate(words) if not word.startswith("-")), None)
    if at is not None:
        words.insert(at, "--pod")
    return ["follow", *_where(environ), *words]


def _where(environ: Mapping[str, str]) -> tuple[str, ...]:
    environment = environ.get("ENVIRONMENT") or "dev"
    namespace = environ.get("NAMESPACE") or f"agent-runner-{environment}"
    return ("--backend", "kubernetes", "--namespace", namespace)
