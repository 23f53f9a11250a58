"""The OpenCode session that a verb runs in, if it does."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOK_SECONDS = 2.0


def is_inside(environ: Mapping[str, str]) -> bool:
    """Whether OpenCode's shell tool called us."""
    return environ.get("OPENCODE") == "1"


def leave_when_gone(environ: Mapping[str, str]) -> None:
    """End this process, as by a signal, once OpenCode is gone: it sends none when it dies.

    Only who looks on ends; what runs goes on.
    """
    text = environ.get("OPENCODE_PID", "")
    if text.isdigit():
        threading.Thread(target=_look, args=(int(text),), daemon=True).start()


def _look(pid: int) -> None:
    while _is_there(pid):
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
