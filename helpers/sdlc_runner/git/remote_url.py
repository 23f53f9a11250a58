"""Addresses of git remotes and of other hosts: the one place that takes them apart.

Who is given a credential, which repository two people share, and which host is tried depend on
it, so every reader of an address asks here. Hostile text never raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>\[[^\]/]*\]|[^/:?#]*)(?::(?P<port>\d{0,9}))?(?P<rest>[/?#].*)?\Z",
    re.DOTALL,
)
# git's short form for SSH; one letter before the colon is a drive, not a host
_SHORT = re.compile(
    r"(?:(?P<user>[^/@]*)@)?(?P<host>\[[^\]/]*\]|[^/:@\[]{2,}):(?!//)(?P<path>.+)\Z", re.DOTALL
)
_NAMED = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[^\]]*\]|[^/:]*)"
    r"(?::(?P<port>\d*))?(?:/(?P<path>.*))?\Z",
    re.DOTALL,
)
_NAMED_SHORT = re.compile(r"(?:[^/@]*@)?(?P<host>[^/:@]{2,}):(?P<path>.+)\Z", re.DOTALL)
_USUAL_PORTS = {"ssh": "22", "https": "443", "http": "80", "git": "9418"}
_PORTS = {"http": 80, "https": 443, "ssh": 22, "git+ssh": 22, "ssh+git": 22, "git": 9418}
_WEB = frozenset({"http", "https"})
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})


@dataclass(frozen=True)
class RemoteUrl:
    """An address in its parts; what it lacks is empty, and ``port`` None."""

    text: str
    scheme: str = ""
    """In lower case; ``ssh`` for the short form, empty for a path on this machine."""
    user: str = ""
    password: str = ""
    host: str = ""
    """As written, without the brackets of an IPv6 address."""
    port: int | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> RemoteUrl:
        """Take an address apart; anything that is no URL and no short form is a path."""
        text = text.strip()
        plain, userinfo = _cut_userinfo(text)
        user, _, password = userinfo.partition(":")
        url = _URL.match(plain)
        if url is not None:
            port = int(url["port"]) if url["port"] else None
            host, path = url["host"].strip("[]"), url["rest"] or ""
            return cls(text, url["scheme"].lower(), user, password, host, port, path)
        if userinfo:  # not a proper URL, but its password is one
            return cls(text, user=user, password=password, path=text)
        short = None if "://" in text else _SHORT.match(text)
        if short is not None:
            host = short["host"].strip("[]")
            return cls(text, "ssh", short["user"] or "", "", host, None, short["path"])
        return cls(text, path=text)

    @property
    def is_web(self) -> bool:
        """Whether it is reached by HTTP, with a token."""
        return self.scheme in _WEB

    @property
    def is_ssh(self) -> bool:
        """Whether it is reached by SSH, with a key."""
        return self.scheme in _SSH

    @property
    def is_local(self) -> bool:
        """Whether it is a path or a file URL: of this machine, for no other one."""
        return self.scheme in {"", "file"} or not self.host

    @property
    def actual_port(self) -> int:
        """The port it names or its scheme has; 0 where neither does."""
        return _PORTS.get(self.scheme, 0) if self.port is None else self.port

    @property
    def authority(self) -> str:
        """Host and, where it is named, port, as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def without_credentials(self) -> str:
        """The address without password; an SSH URL keeps its user, which names no secret."""
        plain, userinfo = _cut_userinfo(self.text)
        begin, _, rest = plain.partition("://")
        user = "" if begin.lower() in _WEB else userinfo.partition(":")[0]
        return f"{begin}://{user}@{rest}" if user else plain

    @property
    def repository(self) -> str:
        """The repository's name however it is reached: ``host/path``, by SSH and HTTPS alike.

        Credentials, the scheme, its usual port, a trailing ``/`` and ``.git`` do not name it.
        """
        # Attempts' identities hash it: what it returns must not change.
        text = re.sub(r"\.git\Z", "", _cut_userinfo(self.text.rstrip("/"))[0])
        url = _NAMED.match(text)
        if url is not None:
            port, path = url["port"] or "", url["path"] or ""
            usual = port == _USUAL_PORTS.get(url["scheme"].lower())
            host = url["host"].lower() + (f":{port}" if port and not usual else "")
            return f"{host}/{path.strip('/')}" if host else f"/{path.lstrip('/')}"
        short = _NAMED_SHORT.match(text)
        return f"{short['host'].lower()}/{short['path'].lstrip('/')}" if short else text


def _cut_userinfo(text: str) -> tuple[str, str]:
    """Return a URL without its user information, and that: all before the last ``@`` of a host."""
    begin, found, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    return (f"{begin}://{host}{slash}{path}", userinfo) if found and at else (text, "")


def without_credentials(url: str) -> str:
    """Leave user and password out of a URL; an SSH URL keeps its user."""
    return RemoteUrl.parse(url).without_credentials


def normalize_remote(url: str) -> str:
    """Name a repository however it is reached; see ``RemoteUrl.repository``."""
    return RemoteUrl.parse(url).repository


def is_address(text: str) -> bool:
    """Whether a word names a repository and not a task: a URL, a short form, or a path."""
    if not text or any(map(str.isspace, text)):
        return False
    return RemoteUrl.parse(text).scheme != "" or text.startswith(("/", "./", "../"))
