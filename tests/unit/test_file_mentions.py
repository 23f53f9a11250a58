"""File names in prose, and which of them mean the same file."""

from __future__ import annotations

import pytest

from sdlc_runner.tasks import mentions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Create src/models/user.py", ["src/models/user.py"]),
        ("in `package.json`.", ["package.json"]),
        ("open index.html, then README.md.", ["index.html", "README.md"]),
        (
            "Files: `packages/a/start.tsx`, `packages/a/api.ts`.",
            ["packages/a/start.tsx"] * 1 + ["packages/a/api.ts"],
        ),
        ("`.github/workflows/ci.yml`", [".github/workflows/ci.yml"]),
        ("(in src/a.py)", ["src/a.py"]),
        ("**src/a.py**", ["src/a.py"]),
        ("[text](docs/a.md)", ["docs/a.md"]),
        ("`Dockerfile` and docker/Dockerfile", ["Dockerfile", "docker/Dockerfile"]),
        (
            "`Makefile` `Procfile` `LICENSE` `Jenkinsfile`",
            ["Makefile", "Procfile", "LICENSE", "Jenkinsfile"],
        ),
        ("`.gitignore` and .env and `.eslintrc.json`", [".gitignore", ".env", ".eslintrc.json"]),
        ("in src/models/ and `tests/unit/`", ["src/models/", "tests/unit/"]),
        ("`src/models`", ["src/models"]),
        ("`src/**/*.py`", ["src/**/*.py"]),
        ("all of src/**/*.py", ["src/**/*.py"]),
        ("./src/a.py", ["src/a.py"]),
        ("src/a.py:12 and `src/b.py:3-9`", ["src/a.py", "src/b.py"]),
        ("docs/a.md#usage", ["docs/a.md"]),
        ("`tests/test_a.py::test_b`", ["tests/test_a.py"]),
        ("schema.prisma, init.sql, conf.toml", ["schema.prisma", "init.sql", "conf.toml"]),
        ("`src/{a,b}.ts`", ["src/a.ts", "src/b.ts"]),
        ("app/users/[id]/page.tsx", ["app/users/[id]/page.tsx"]),
        ("`app/(auth)/login/page.tsx`", ["app/(auth)/login/page.tsx"]),
        ("src/a.py src/b.py src/a.py", ["src/a.py", "src/b.py"]),
        ("src/node.js", ["src/node.js"]),
        ("`next.config.js` next.config.js", ["next.config.js"]),
        ("migrations/0001.sql", ["migrations/0001.sql"]),
        ("an `unclosed src/a.py", ["src/a.py"]),
    ],
)
def test_finds(text: str, expected: list[str]) -> None:
    assert list(mentions.find_files(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/a/b.html",
        "`https://ci.example/badge.svg?branch=main`",
        "(https://x.dev/src/a.py)",
        "[text](https://x.dev/src/a.py)",
        "e.g. this, i.e. that, etc.",
        "versions 1.2, v1.2.3, 3.10 and 2.x",
        "Node.js, Vue.js, Next.js, Express.js, Nuxt.js, D3.js, Three.js",
        "`foo.bar()` and foo.bar() and foo.bar(x)",
        "and/or, T002/T003, client/server",
        "`npm test src/a.py` and `kubectl get -f a.yaml`",
        "`/api/users` and `/users/{id}`",
        "`application/json`",
        "`process.env` and console.log",
        "a@b.com and git@github.com:o/r.git",
        "done.Then more",
        "ASP.NET and .NET and socket.io and example.com",
        "`--flag/x.py`",
        "the `word`",
        "w/ care / and //",
        "...",
        "",
    ],
)
def test_finds_nothing(text: str) -> None:
    assert mentions.find_files(text) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("src/a.py", "src/a.py"),
        ("./src/a.py", "src/a.py"),
        ("src/a.py:3", "src/a.py"),
        ("src/", "src/a.py"),
        ("src/", "src/models/a.py"),
        ("src/", "src/models/"),
        ("src/*.py", "src/a.py"),
        ("src/**/*.py", "src/models/a.py"),
        ("src/**/*.py", "src/models/"),
        ("src/**/*.py", "src/models/*.py"),
        ("app/[id]/*.tsx", "app/[id]/page.tsx"),
    ],
)
def test_overlap(one: str, other: str) -> None:
    assert mentions.overlaps(one, other)
    assert mentions.overlaps(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("src/a.py", "src/b.py"),
        ("src/a.py", "a.py"),
        ("src/", "srcs/a.py"),
        ("src", "src/a.py"),
        ("src/*.py", "src/a.ts"),
        ("src/*.py", "src/*.ts"),
        ("app/[id].tsx", "app/i.tsx"),
        ("docs/*.md", "src/"),
    ],
)
def test_no_overlap(one: str, other: str) -> None:
    assert not mentions.overlaps(one, other)
    assert not mentions.overlaps(other, one)
