"""Addresses of git remotes and of other hosts: the one place that takes them apart.

Who is given a credential, which repository two people share, and which host is tried depend on
it, so every reader of an address asks here. Hostile text never raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<userinfo>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/]*\]|[^/:?#]*)(?::(?P<port>\d{0,9}))?(?P<rest>[/?#].*)?\Z",
    re.DOTALL,
)
# git's short form for SSH; one letter before the colon is a drive, not a host
_SHORT = re.compile(
    r"(?:(?P<user>[^/@]*)@)?(?P<host>\[[^\]/]*\]|[^/:@\[]{2,}):(?!//)(?P<path>.+)\Z", re.DOTALL
)
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
        url = _URL.match(text)
        if url is not None:
            user, _, password = (url["userinfo"] or "").partition(":")
            port = int(url["port"]) if url["port"] else None
            host = url["host"].strip("[]")
            path = url["rest"] or ""
            return cls(text, url["scheme"].lower(), user, password, host, port, path)
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
        begin, found, rest = self.text.partition("://")
        if not found or not (self.user or self.password):
            return self.text
        _, _, end = rest.partition("@") if "@" not in rest.partition("/")[0] else _at_last(rest)
        user = f"{self.user}@" if self.user and not self.is_web else ""
        return f"{begin}://{user}{end}"

    @property
    def repository(self) -> str:
        """The repository's name however it is reached: ``host/path``, by SSH and HTTPS alike.

        Credentials, the scheme, its usual port, a trailing ``/`` and ``.git`` do not name it.
        """
        text = re.sub(r"\.git\Z", "", self.text.rstrip("/"))
        plain = RemoteUrl.parse(text)
        if not plain.scheme or ("://" not in text and ":" in plain.host):
            return text
        usual = plain.port in {None, _PORTS.get(plain.scheme)}
        host = plain.host.lower() if ":" not in plain.host else f"[{plain.host.lower()}]"
        host = host if usual else f"{host}:{plain.port}"
        path = plain.path.strip("/") if "://" in text else plain.path.lstrip("/")
        return f"{host}/{path}" if plain.host else f"/{plain.path.lstrip('/')}"


def _at_last(rest: str) -> tuple[str, str, str]:
    """Cut a URL's rest behind its user information: at the last ``@`` before the path."""
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    return userinfo, at, host + slash + path


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
