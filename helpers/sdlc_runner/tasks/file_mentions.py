"""The file names in a task's text, and whether two names mean overlapping files."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

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


def find(text: str) -> tuple[str, ...]:
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
