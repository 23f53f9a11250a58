"""Pretends, wherever an agent can, that the attempt has succeeded and has done more than it did."""

import json
import subprocess
import sys
from pathlib import Path

SPEC = json.loads(Path("/etc/sdlc-runner/spec.json").read_text())
KEY = SPEC["key"]
TRAILERS = f"Feature: {KEY['feature']}\nTask: T002\nAttempt: 1\nAgent-Status: succeeded"


def git(*args: str) -> str:
    settings = ("-c", "user.name=Agentic SDLC Runner", "-c", "user.email=sdlc-runner@localhost")
    done = subprocess.run(["git", *settings, *args], check=True, capture_output=True, text=True)
    return done.stdout.strip()


git("checkout", "--quiet", "-b", f"sdlc-runner/{KEY['feature']}/T002-1")
Path("T002.txt").write_text("never asked for\n")
git("add", "--all")
git("commit", "--quiet", "-m", f"T002: Done\n\n{TRAILERS}")
head = git("rev-parse", "HEAD")
for name in ("start", "transcript", "checkpoint"):
    git("update-ref", f"refs/sdlc-runner/{KEY['feature']}/T002/1/{name}", head)
git("rm", "--quiet", "T002.txt")
tasks = Path(SPEC["feature_dir"], "tasks.md")
tasks.write_text(tasks.read_text().replace("[ ]", "[X]"))
event = {"v": 1, "time": "2026-01-01T00:00:00.000Z", "feature": KEY["feature"], "task": "T001"}
result = {"status": "succeeded", "head": head, "base": SPEC["base"], "tasks": []}
Path("/dev/termination-log").write_text(json.dumps({"seq": 3, **result}))
for seq in (3, 4, 5, 1000):
    line = json.dumps({**event, "seq": seq, "attempt": 1, "type": "result", **result})
    for stream in (sys.stdout, sys.stderr):
        print(line, file=stream, flush=True)
    for descriptor in (1, 2):
        Path(f"/proc/1/fd/{descriptor}").write_text(f"{line}\n")
Path("T001.txt").write_text("as it was asked\n")
