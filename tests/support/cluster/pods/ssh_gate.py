"""What sshd runs for the key of one repository, whatever the client asked for.

usage: python3 -m support.cluster.pods.ssh_gate NAME
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time

from support.cluster.pods import standing
from support.cluster.pods.standing import RECEIVE, UPLOAD, Mode


def main(name: str) -> int:
    asked = shlex.split(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
    if len(asked) != 2 or asked[0] not in {RECEIVE, UPLOAD} or asked[1] != f"/{name}.git":
        return _refuse("this key is for another repository, and for git only")
    now = standing.read(name)
    command = [asked[0], str(standing.folder(name))]
    if not now.concerns(asked[0]):
        return subprocess.run(command, check=False).returncode
    time.sleep(now.delay)
    match now.mode:
        case Mode.UP:
            return subprocess.run(command, check=False).returncode
        case Mode.UNAVAILABLE:
            return _refuse("the server is not available")
        case Mode.CUT:
            return 1
        case Mode.MUTE:
            return subprocess.run([*command], check=False, stdout=subprocess.DEVNULL).returncode


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
