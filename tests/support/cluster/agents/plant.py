"""Lays traps in the workspace for its committer: ``plant.py STEP``, one step for each task.

What a trap would run leaves a mark, but only where /attempt/git is: in the runner's container.
"""

import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

MARK = "/workspace/.git/sprung"
TRAP = f"sh -c 'test -d /attempt/git && id >>{MARK}; cat'"
HOOKS = (
    "pre-commit prepare-commit-msg commit-msg post-commit pre-push post-checkout post-index-change"
    " reference-transaction fsmonitor-watchman pre-auto-gc post-rewrite"
).split()
CONFIG = f"""\
[core]
	fsmonitor = {TRAP!r}
	hooksPath = /workspace/.git/hooks
	worktree = /secrets/git
	sshCommand = {TRAP!r}
	attributesFile = /workspace/.gitattributes
	alternateRefsCommand = {TRAP!r}
[filter "trap"]
	clean = {TRAP!r}
	process = {TRAP!r}
	required = true
[credential]
	helper = {TRAP!r}
[include]
	path = /secrets/git/token
[url "http://10.211.0.1:1/"]
	insteadOf = http://
[remote "origin"]
	url = ext::sh -c id% >%{MARK}
	pushurl = http://10.211.0.1:1/
[diff "trap"]
	textconv = {TRAP!r}
[safe]
	directory = *
"""
# It runs on in no environment of the server's, so that nobody knows it for a child of the agent's.
# What is a folder of files at one look is a folder of links to the token at the next, and back.
SWAP = """
import ctypes
exchange, here = 2, -100
swap = ctypes.CDLL(None).renameat2
while True:
    swap(here, b'/workspace/race', here, b'/workspace/.git/race', exchange)
"""


def write(name: str, text: str = "x\n", mode: int = 0o644) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def say(what: str, found: str) -> None:
    print(f"{what}: {found}", flush=True)  # noqa: T201


def settings(git: str = ".git") -> None:
    """Whatever git would read that has settings in it."""
    with Path(git, "config").open("a") as file:
        file.write(CONFIG)
    for name in HOOKS:
        write(f"{git}/hooks/{name}", f"#!/bin/sh\n{TRAP} </dev/null\n", 0o755)
    write(f"{git}/info/attributes", "* filter=trap diff=trap\n")
    write(f"{git}/objects/info/alternates", "/attempt/git/objects\n/secrets/git\n")


def configure() -> None:
    settings()
    write(".git/info/exclude", "configure.txt\n")
    write(".gitattributes", "* filter=trap diff=trap -text\n*.utf working-tree-encoding=UTF-16\n")
    write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ../x\n\tupdate = !id\n')
    write(".gitconfig", CONFIG)
    write("odd.utf", "not UTF-16")


def links() -> None:
    targets = {
        "absolute": "/secrets/git/token",
        "relative": "../secrets/git/token",
        "folder": "/secrets/git",
        "passwd": "/etc/passwd",
        "parent": "..",
        "environ": "/proc/self/environ",
        "descriptor": "/dev/stdin",
        "git": "/attempt/git",
        "loop": "loop",
    }
    Path("links").mkdir()
    for name, target in targets.items():
        Path(f"links/{name}").symlink_to(target)
    try:
        os.link("/etc/passwd", "links/hard")
    except OSError as error:
        say("hard link", type(error).__name__)


def odd() -> None:
    for name in ("line\nbreak", "a\x1b[31mred", "-rf", ":(top)x", "b\\n\tc", "0:names.txt", "é"):
        write(f"odd/{name}")
    Path(os.fsdecode(b"odd/\xff\xfe")).write_text("x\n")
    write("odd/GIT~1/config", CONFIG)
    write("odd/.g\u200cit/config", CONFIG)
    for name in ("odd/pipe", "odd/.gitignore"):
        os.mkfifo(name)
    socket.socket(socket.AF_UNIX).bind("odd/socket")
    write("odd/locked.txt", mode=0)
    write("odd/locked/inside.txt").parent.chmod(0)
    with Path("odd/sparse").open("wb") as file:
        file.truncate(1 << 43)
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        try:
            os.mknod("odd/device", 0o600 | kind, os.makedev(8, 0))
        except OSError as error:
            say("device", type(error).__name__)


def repositories() -> None:
    identity = ("-c", "user.name=A", "-c", "user.email=a@localhost")
    for name in ("inner", "inner/deeper"):
        subprocess.run(["git", "init", "--quiet", name], check=True)
        write(f"{name}/kept.txt")
        subprocess.run(["git", "-C", name, "add", "kept.txt"], check=True)
        subprocess.run(["git", "-C", name, *identity, "commit", "--quiet", "-m", "x"], check=True)
    settings("inner/.git")
    write("inner/.gitattributes", "* filter=trap\n")
    write("linked/.git", "gitdir: /attempt/git\n")
    write("linked/kept.txt")
    Path("pointed").mkdir()
    Path("pointed/.git").symlink_to("/attempt/git")
    write("pointed/kept.txt")


def race() -> None:
    for number in range(300):
        write(f"race/{number}", "harmless" * 5)
        link = Path(f".git/race/{number}")
        link.parent.mkdir(exist_ok=True, parents=True)
        link.symlink_to("/secrets/git/token")
    subprocess.Popen(
        [sys.executable, "-c", SWAP],
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def git_link() -> None:
    shutil.rmtree(".git")
    Path(".git").symlink_to("/secrets/git")


def git_file() -> None:
    Path(".git").unlink()
    write(".git", "gitdir: /attempt/git\n")


def root() -> None:
    for path in Path().iterdir():
        if path.is_dir() and not path.is_symlink():
            subprocess.run(["chmod", "-R", "u+rwx", path], check=False)
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    try:
        Path("/workspace").rename("/tmp/workspace")
    except OSError as error:
        say("root", type(error).__name__)
    Path("specs").symlink_to("/secrets")


def report() -> None:
    """Tell what sprang a trap, before this step undoes it."""
    mark = Path(MARK)
    say("sprung", mark.read_text() if mark.exists() else "nothing")


report()
step = sys.argv[1]
globals()[step]()
write(f"{step}.txt", f"{step}\n")
