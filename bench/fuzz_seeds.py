"""What the fuzz begins from: texts as spec-kit, OpenCode, our worker and users write them."""

from __future__ import annotations

import json
from typing import Any

_UMLAUTS = "## Phase 1\r\n\r\n- [ ] T001 [ASYNC] Füge `a/ü.py` hinzu\r\n- [ ] T001 [ASYNC] zwei\r\n"
TASKS = [
    b"""\xef\xbb\xbf# Tasks: Todo

## Phase 1: Setup (Shared Infrastructure)

- [ ] T001 [SYNC] Create `src/` and pyproject.toml
- [x] T002 [P] [ASYNC] Configure linting in .ruff.toml
* [X] **T003** [ASYNC] [P] Write src/models/todo.py (depends on T001, T002 and T014a)
  - with sub-bullets: `src/models/list.py`
    continued here

---

## Phase 3: User Story 1 - Add (Priority: P1)

**Goal**: add

- [ ] T010 [P] [US1] [ASYNC] Contract test in tests/contract/test_add.py
- [ ] T011 [US1] Implement in src/services/add.py (depends on T010-T010)
- [~] ~~T012 [ASYNC] removed~~
1. [ ] TDD-001 [ASYNC] (needs: T010..T011) Test first

```markdown
- [ ] T099 [ASYNC] only an example
```

<!-- - [ ] T098 [ASYNC] commented out -->

## Phase N: Polish

- [ ] T014a [P] [ASYNC] Manually check the docs in docs/*.md

## Dependencies & Execution Order

- T003 after T001
""",
    _UMLAUTS.encode(),
    b"- [ ] T001 [ASYNC] a.py (depends on T002)\n- [ ] T002 [ASYNC] b.py (depends on T001)\n",
    b"T003 - T010 US1 phase:2 except T004, then everything up to T007 and phase setup\n",
]
_EVENT: dict[str, Any] = {
    "v": 1,
    "time": "2026-01-01T00:00:00.000Z",
    "feature": "001-demo",
    "task": "T001",
    "attempt": 1,
}
_LINES: list[dict[str, Any]] = [
    {"type": "phase", "phase": "cloning"},
    {"type": "log", "text": "one \u2028 \u001b[31m ghp_" + "a" * 36, "stream": "stdout"},
    {"type": "message", "text": "said"},
    {"type": "tool", "name": "edit", "target": "a.py", "status": "completed", "duration": 0.1},
    {"type": "usage", "input_tokens": 1, "output_tokens": 2, "cost": 0.1},
    {"type": "heartbeat", "idle": 3.5},
    {"type": "warning", "code": "x", "message": "y"},
    {"type": "checkpoint", "ref": "refs/x", "commit": "0" * 40, "reason": "limit"},
    {"type": "result", "status": "succeeded", "code": "committed", "tasks": [{"task": "T001"}]},
]
_NUMBERED = [{**_EVENT, "seq": seq, **line} for seq, line in enumerate(_LINES, 1)]
EVENTS = [
    "\n".join(json.dumps(line) for line in _NUMBERED).encode() + b"\n",
    "\n".join(json.dumps(line) for line in reversed(_NUMBERED)).encode(),
    "\n".join(json.dumps({**line, "seq": 2 * line["seq"]}) for line in _NUMBERED).encode(),
    json.dumps({**_NUMBERED[1], "seq": 2**53}).encode() + b"\n",
    b'{"task": "T001", "attempt": 1, "seq": Infinity}\nplain text\n\x1b[2J\xff\n',
]
_PART = {"id": "p1", "sessionID": "s", "messageID": "m"}
_OPENCODE = [
    {"type": "step_start", "part": {**_PART, "type": "step-start"}},
    {"type": "text", "part": {**_PART, "type": "text", "text": "hi", "time": {"end": 1}}},
    {
        "type": "tool_use",
        "part": {
            **_PART,
            "type": "tool",
            "tool": "bash",
            "state": {
                "status": "completed",
                "input": {"command": "ls", "filePath": "/src/a.py"},
                "time": {"start": 1, "end": 1700000000000},
            },
        },
    },
    {
        "type": "step_finish",
        "part": {
            **_PART,
            "type": "step-finish",
            "reason": "stop",
            "cost": 0.01,
            "tokens": {"input": 1, "output": 2, "reasoning": 3, "cache": {"read": 4, "write": 5}},
        },
    },
    {
        "type": "error",
        "error": {"name": "APIError", "data": {"message": "no", "statusCode": 401}},
    },
]
OPENCODE = [
    "\n".join(json.dumps(line) for line in _OPENCODE).encode() + b"\n",
    *(json.dumps(line).encode() + b"\n" for line in _OPENCODE),
    b"plain text\n! permission requested: bash; auto-rejecting\n\x1b[31mred\x1b[0m\n",
]
SECRETS = ["sk-live-1234567890", 'key "with" quotes\nand a second line of it', "aaaaaaaaab"]
CONFIGS = [
    b"""# ours
max_parallel: 3
backend: local
parallel_stories: true
clone:
  depth: 1
agent:
  command: [python3, "my agent.py"]
  model: provider/model
limits: {run_seconds: 7200, tokens: 0, cost: 1.5}
verify:
  commands:
    - make test
    - 'ruff check'
""",
    b"limits:\n  run_seconds: !!float .inf\n  idle_seconds: 1e3\nmax_parallel: !!int 0x10\n",
    b"a: &a [1, 2]\nclone: *a\nmax_paralel: 3\n? complex\n: key\n",
    b"limits.run_seconds: 10\nremote: 2001-01-01\nmax_parallel: 1_000\n",
]
CURSORS = [b"T001-1:57", b"T001-1:57!3-5!7-9,TDD-001-2:12", b" T001-1:1 , T002-10:9007199254740992"]
_RESULT = {
    "status": "no_change",
    "code": "no_change",
    "message": "said {task}",
    "base": "0" * 40,
    "head": "1" * 40,
    "branch": "b",
    "tasks": [
        {"task": "T001", "status": "failed", "code": "x", "message": "y", "hint": "z"},
        {"task": "T002", "status": "no_change"},
    ],
    "evidence": [{"task": "T001", "message": "so"}],
    "input_tokens": 1,
    "cost": 0.5,
}
RESULTS = [json.dumps(_RESULT).encode(), b'{"status": "succeeded"}', b'{"tasks": [[], {}, 3]}']
TOKENS = [
    *(b"- [ ] T002 [ASYNC] ", b"[P]", b"[US1]", b"(depends on T001)", b"## Phase 2: ", b"```\n"),
    *(b"<!--", b"-->", b"~~", b"\r\n", b"\n\n", b"\t", b"  ", b"`", b"**", b"T001-T999"),
    *(b'{"', b"}", b"[", b"]", b'":', b",", b'"seq":', b"null", b"true", b"1e999", b"NaN", b"-1"),
    *(b"Infinity", b"9" * 400, b"9" * 5000, b"\\ud800", b"\\u001b", b"\xed\xa0\x80", b"\xff"),
    *(b"!!int ''", b"!!bool x", b"!!timestamp x", b"!!binary x", b"!!float ''", b"&a", b"*a"),
    *(b": ", b"- ", b"? ", b"|\n", b"!!python/object:os.system x", b"---\n", b"%YAML 9.9\n"),
    *(b":57", b"-0:", b"\xe2\x80\xa8", b"\xc2\x85", b"\xd9\xa3", b"\xf0\x9f\x98\x80", b"{" * 300),
    *(b"sk-live-1234567890", b"aaaaaaaaa", b"aaaaaaaaab", b"YWFhYWFhYWFhYg==", b"[" * 2000),
    *(b"!3-5", b"<<: *a", b"phase:2", b"\x00"),
]
