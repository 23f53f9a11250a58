"""The demo's agent: reads the prompt on stdin, edits files as the task says, ends with 0."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

_PAUSE = 0.15  # so that people can see attempts run side by side

_FILES = {
    "T002": {
        "src/todo.py": "class Todo:\n    def __init__(self, title):\n        self.title = title\n"
    },
    "T003": {"src/storage.py": "def save(todos, path):\n    path.write_text('\\n'.join(todos))\n"},
    "T004": {"docs/usage.md": "# Usage\n\nadd, list, done\n"},
    "T006": {"src/cli.py": "from todo import Todo\nfrom storage import save\n"},
    "T007": {"docs/install.md": "# Install\n", "README.md": "# Todo app\n\nInstall it with pip.\n"},
    "T008": {"docs/api.md": "# API\n", "README.md": "# Todo app\n\nRead the API first.\n"},
}


def main() -> int:
    """Do the task that the prompt names."""
    match = re.search(r"Implement task (\S+) ", sys.stdin.read())
    task = match[1] if match else ""
    _say(f"reading what {task} asks for")
    for name, text in _FILES.get(task, {}).items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        _say(f"wrote {name}")
    if task not in _FILES:
        _say("compiled src/app.py: no errors; nothing to change")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    time.sleep(_PAUSE)


if __name__ == "__main__":
    sys.exit(main())
