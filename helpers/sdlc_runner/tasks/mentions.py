"""What a task's text mentions: files, and the tasks that it depends on."""

from __future__ import annotations

import re
from enum import Enum
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

from sdlc_runner.tasks import task_line

_URL = re.compile(r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|mailto:)[^\s)>\]\"'`]*", re.IGNORECASE)
_MAIL = re.compile(r"\w@\w")
_ALLOWED = re.compile(r"[\w.@+$~()\[\]*?/{}-]+\Z")
_LINE_SUFFIX = re.compile(r"(?:#|::?).*\Z", re.DOTALL)
_EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{0,9})\Z")
_DOTFILE = re.compile(
    r"\.(?:[\w-]{0,30}(?:ignore|rc|attributes|modules|keep|config|version|versions)"
    r"|env|mailmap|flake8|[\w-]{1,40}\.[A-Za-z][\w.-]{0,40})\Z"
)
_VERSION = re.compile(r"v?[0-9]+(?:\.[0-9]+)*\.(?:x|alpha|beta|rc|dev|post)[0-9]*\Z", re.IGNORECASE)
_SPACES = re.compile(r"[\s,;|<>\"\u2018-\u201f]+")
_BRACES = re.compile(r"([^{}]*)\{([^{}]*)\}([^{}]*)\Z")
_WELL_KNOWN = frozenset(
    "Dockerfile Containerfile Makefile Procfile LICENSE Jenkinsfile Gemfile Rakefile Vagrantfile "
    "Justfile justfile Brewfile Pipfile Tiltfile CODEOWNERS NOTICE README CHANGELOG".split()
)
_NO_FILES = frozenset(
    "e.g i.e a.m p.m u.s u.k w.r.t a.k.a asp.net process.env console.log console.error "
    "console.warn module.exports import.meta os.environ os.path req.body req.params req.query "
    "res.json res.send window.location document.body socket.io and/or".split()
)
_PRODUCTS = frozenset(
    "node vue next express nuxt d3 three react angular ember backbone chart discord alpine moment "
    "day p5 nest electron handlebars mustache babylon tensorflow video pdf require solid".split()
)
_DOMAINS = frozenset({"com", "org", "net", "io", "edu", "gov"})
_MIME = frozenset({"application", "text", "image", "audio", "video", "multipart", "font"})
_BOLD = re.compile(r"\A[*_]{1,3}(?=\w)")
_TITLE_CASE = re.compile(r"[A-Z][a-z]+\Z")


def find_files(text: str) -> tuple[str, ...]:
    """Return the normalised file names in order of appearance, each once."""
    names: dict[str, None] = {}
    for line in text.split("\n"):
        segments = re.split(r"`+", line)
        for at, segment in enumerate(segments):
            # An odd segment stands between backticks, unless the closing one is missing.
            in_code = at % 2 == 1 and at < len(segments) - 1
            names.update(dict.fromkeys(_quoted(segment) if in_code else _bare(segment)))
    return tuple(names)


def normalise(name: str) -> str:
    """Return the name relative to the repository: no ``./``, no line number, no anchor."""
    name = _LINE_SUFFIX.sub("", name)
    while name.startswith("./"):
        name = name[2:]
    return re.sub(r"/{2,}", "/", name).removeprefix("/")


def overlaps(one: str, other: str) -> bool:
    """Say whether two names may mean the same file: equal, folder and content, or a glob."""
    one, other = normalise(one), normalise(other)
    if one == other:
        return True
    if is_glob(one) or is_glob(other):
        return _glob_overlaps(one, other) or _glob_overlaps(other, one)
    return _contains(one, other) or _contains(other, one)


def is_glob(name: str) -> bool:
    """Say whether the name is a pattern; ``[id].tsx`` is a name."""
    return "*" in name or "?" in name


def literal(name: str) -> str:
    """Return what stands before the first wildcard, all of a name without one."""
    return re.split(r"[*?]", name, maxsplit=1)[0]


def _contains(folder: str, name: str) -> bool:
    return folder.endswith("/") and name.startswith(folder)


def _glob_overlaps(glob: str, name: str) -> bool:
    if not is_glob(glob):
        return False
    if not name.endswith("/"):
        return _compiled(glob).match(name) is not None
    begins = literal(glob)
    return begins.startswith(name) or name.startswith(begins)


@lru_cache(maxsize=8192)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob.replace("[", "[[]").replace("**/", "*")))


def _quoted(segment: str) -> list[str]:
    word = segment.strip()
    if not word or any(character.isspace() for character in word) or "://" in word:
        return []
    return [name for each in _spread(word) if (name := _name(each, in_code=True))]


def _bare(segment: str) -> list[str]:
    plain = _URL.sub(" ", segment).replace("](", " ")
    words = [_unwrap(word) for word in _SPACES.split(plain) if "." in word or "/" in word]
    spread = (each for word in words for each in _spread(word))
    return [name for each in spread if (name := _name(each, in_code=False))]


def _unwrap(word: str) -> str:
    """Take the sentence's punctuation off; a bracket stays when its partner is inside."""
    word = _BOLD.sub("", word.strip("'\""))
    word = word.rstrip(".,:;!?…'") if word.endswith(("/*", "/**")) else word.rstrip("*_.,:;!?…'")
    for opening, closing in ("()", "[]", "{}"):
        if word.startswith(opening) and closing not in word[:-1]:
            word = word[1:]
        if word.endswith(closing) and opening not in word:
            word = word[: word.find(closing)]
    return word.rstrip(".,:;!?…'")


def _spread(word: str) -> list[str]:
    """Write ``src/{a,b}.ts`` out as two names."""
    match = _BRACES.match(word)
    if match is None or "," not in match[2]:
        return [word]
    return [match[1] + part.strip() + match[3] for part in match[2].split(",")[:50]]


def _name(word: str, *, in_code: bool) -> str | None:
    """Return the normalised file name, or None where the word is something else."""
    word = word.rstrip(".,:;!?") if not in_code else word.rstrip(".,:;")
    if word.startswith(("-", "$", "@", "~", "(")) or "()" in word or _MAIL.search(word):
        return None
    name = normalise(word)
    if not name.strip("./*") or not _ALLOWED.match(name) or name.casefold() in _NO_FILES:
        return None
    if "(" in name and "/" not in name:
        return None
    rooted = word.startswith("/")
    return name if _is_file(name, in_code=in_code, rooted=rooted) else None


def _is_file(name: str, *, in_code: bool, rooted: bool) -> bool:
    base = name.rstrip("/").rpartition("/")[2]
    if name.endswith("/"):
        return not rooted and name != "w/"
    if base in _WELL_KNOWN:
        return in_code or "/" in name
    if base.startswith("."):
        return _DOTFILE.match(base) is not None
    if _has_extension(name, base, in_code=in_code):
        return True
    return in_code and "/" in name and not rooted and name.partition("/")[0] not in _MIME


def _has_extension(name: str, base: str, *, in_code: bool) -> bool:
    match = _EXTENSION.search(base)
    if match is None or _VERSION.match(base):
        return False
    if "/" in name:
        return True
    if match[1].lower() in _DOMAINS:
        return False
    product = match[1].lower() == "js" and base[: match.start()].lower() in _PRODUCTS
    sentence_joint = _TITLE_CASE.match(match[1]) is not None and match[1] not in {"Rmd", "Rproj"}
    return in_code or not (product or sentence_joint)


_ID = task_line.PATTERN
_NUMBER = r"[0-9]{1,4}"
_PHASE = rf"{_NUMBER}(?:\.{_NUMBER})?[a-z]?"
_TOKEN = re.compile(
    rf"""
    (?P<trigger>\bdepend(?:s|ent|ing|enc(?:y|ies))?
        (?:\s{{1,20}}(?:up)?on\b|_on\b|\s?:)|\bblocked\s{{1,20}}(?:by|on)\b)
    |(?P<weak>\b(?:requires?|needs|after)\b)
    |(?P<stop>\b(?:not|except|unlike|instead\s{{1,20}}of|rather\s{{1,20}}than)\b)
    |(?P<range>(?<![\w-])(?P<first>{_ID})
        (?:\s{{0,3}}{task_line.DASH}\s{{0,3}}|\s{{1,20}}{task_line.RANGE_WORD}\s{{1,20}})(?P<last>{_ID}))
    |(?P<short>(?<![\w-])(?P<low>{_ID}){task_line.DASH}(?P<high>[0-9]{{1,9}})(?![\w]))
    |(?P<task>(?<![\w-]){_ID})
    |(?P<story>\b(?:US-?|user\s{{1,20}}stor(?:y|ies)\s{{1,20}})(?P<from_story>{_NUMBER})
        (?:\s?{task_line.DASH}\s?(?:US-?)?(?P<to_story>{_NUMBER}))?\b(?P<owner>['\u2019]s)?)
    |(?P<phase>\bphases?\s{{1,20}}(?P<from_phase>{_PHASE}|final\b|[a-z]\b)
        (?:\s?{task_line.DASH}\s?(?P<to_phase>{_NUMBER}))?)
    |(?P<open>[(\[])
    |(?P<close>[)\]])
    |(?P<end>;|[.!?](?=\s|\Z)|\n[ \t]{{0,40}}(?:[-*+]|[0-9]{{1,9}}[.)])\s|\n[ \t\r]{{0,40}}\n)
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,  # compiled in half the time
)
_NEGATED = re.compile(
    r"(?:\bnot|n['\u2019]t|\bno\slonger|\bnever|\bno|\bwithout)\s{1,9}(?:\w{1,20}\s{1,9}|be\s)?\Z",
    re.IGNORECASE,
)
_SUBJECT = re.compile(rf"(?<![\w-])({_ID})(?:\s{{1,9}}also)?\s{{1,9}}\Z")
_LOOK_BACK = 48
_TRIGGERS = ("depend", "block", "require", "need", "after")
_RANGE_LIMIT = 50


class ReferenceKind(str, Enum):
    """What a reference names."""

    TASK = "task"
    RANGE = "range"
    STORY = "story"
    PHASE = "phase"


class Reference(NamedTuple):
    """A task, all tasks from ``first`` to ``last``, or all tasks of a story or a phase."""

    kind: ReferenceKind
    first: str
    last: str = ""

    def __str__(self) -> str:
        if self.kind is ReferenceKind.PHASE:
            return f"Phase {self.first}"
        return f"{self.first}-{self.last}" if self.last else self.first


class _ReferenceReader:
    """Walks the tokens once; ``span`` is the phrase being read, None between phrases."""

    def __init__(self, text: str, subject: str) -> None:
        self.text = text
        self.subject = subject
        self.found: list[Reference] = []
        self.span: list[tuple[Reference, bool]] | None = None
        self.depth = 0
        self.span_depth = 0

    def read(self) -> tuple[Reference, ...]:
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup
            if match["trigger"] or (match["weak"] and self.depth and self.span is None):
                self._begin(match.start())
            elif match["open"]:
                self.depth += 1
            elif match["close"]:
                self._close()
            elif kind == "end" or match["stop"]:
                self._finish()
            elif self.span is not None and not match["weak"]:
                owned = match["owner"] is not None
                self.span.extend((reference, owned) for reference in _references(match))
        self._finish()
        return tuple(dict.fromkeys(self.found))

    def _begin(self, at: int) -> None:
        self._finish()
        before = self.text[max(0, at - _LOOK_BACK) : at]
        other = _SUBJECT.search(before)
        foreign = other is not None and bool(self.subject) and not self._is_subject(other[1])
        if not foreign and _NEGATED.search(before) is None:
            self.span, self.span_depth = [], self.depth

    def _is_subject(self, word: str) -> bool:
        return word.casefold() == self.subject.casefold()

    def _close(self) -> None:
        if self.depth <= self.span_depth:
            self._finish()
        self.depth = max(0, self.depth - 1)

    def _finish(self) -> None:
        # "US1's CI results (T003)" means T003; "US1's results" alone means the whole story.
        span = self.span or []
        plain = [reference for reference, owned in span if not owned]
        self.found += plain or [reference for reference, _ in span]
        self.span = None


def find_dependencies(text: str, subject: str = "") -> tuple[Reference, ...]:
    """Return what ``text`` depends on; "T009 depends on …" counts only for subject T009."""
    lowered = text.casefold()
    if not any(word in lowered for word in _TRIGGERS):
        return ()
    return _ReferenceReader(text.replace("\u00a0", " "), subject).read()


def _references(match: re.Match[str]) -> list[Reference]:
    if match["range"]:
        ends = (task_line.canonical(match["first"]), task_line.canonical(match["last"]))
        return [Reference(ReferenceKind.RANGE, *ends)]
    if match["short"]:
        return [_short_range(task_line.canonical(match["low"]), match["high"])]
    if match["task"]:
        return [Reference(ReferenceKind.TASK, task_line.canonical(match["task"]))]
    if match["story"]:
        numbers = _numbers(match["from_story"], match["to_story"])
        return [Reference(ReferenceKind.STORY, f"US{int(number)}") for number in numbers]
    if match["phase"]:
        numbers = _numbers(match["from_phase"], match["to_phase"])
        return [Reference(ReferenceKind.PHASE, number) for number in numbers]
    return []


def _short_range(first: str, digits: str) -> Reference:
    """Read ``T002-004``; other digits after a dash are no range."""
    prefix = task_line.key(first).prefix
    if len(first) != len(prefix) + len(digits):
        return Reference(ReferenceKind.TASK, first)
    return Reference(ReferenceKind.RANGE, first, prefix + digits)


def _numbers(first: str, last: str | None) -> list[str]:
    if last is None or not first.isdecimal() or not 0 < int(last) - int(first) <= _RANGE_LIMIT:
        return [first]
    return [str(number) for number in range(int(first), int(last) + 1)]
