"""Which host and port an address means, and the proxy on the way there: text only, no network."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = {"http": 80, "https": 443, "ssh": 22, "git+ssh": 22, "ssh+git": 22, "git": 9418}
_BY_PROXY = ("http", "https")  # ssh and git heed no proxy
_HOST = r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9_.-]{1,253}))"
_URL = re.compile(
    rf"(?P<scheme>[A-Za-z+]{{2,10}})://(?:[^/?#]*@)?{_HOST}(?::(?P<port>\d{{0,5}}))?(?:[/?#].*)?\Z",
    re.DOTALL,
)
_SCP = re.compile(rf"(?:[^/@:]*@)?{_HOST}:(?!//)", re.DOTALL)
_PORT_SAID = re.compile(r":\d+/?\Z")
_DRIVE = re.compile(r"[A-Za-z]:")
_HIGHEST_PORT = 65535


class Host(NamedTuple):
    """A name or an address, and a port."""

    name: str
    port: int

    def __str__(self) -> str:
        """Return it as one writes it."""
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


class Way(NamedTuple):
    """A host, and the proxy by which it is reached."""

    host: Host
    proxy: Host | None = None

    @property
    def first(self) -> Host:
        """Return who has to take the connection."""
        return self.proxy or self.host


def way(address: str, environ: Mapping[str, str]) -> Way | None:
    """Return the way to a URL's host; None for a path, and for what is no plain host and port."""
    scheme, host = read(address)
    if host is None:
        return None
    if scheme not in _BY_PROXY or _is_exempt(host.name, _value("no_proxy", environ)):
        return Way(host)
    proxy = _value(f"{scheme}_proxy", environ) or _value("all_proxy", environ)
    if not proxy:
        return Way(host)
    # Without a port, every program takes another one.
    named = proxy if "://" in proxy else f"http://{proxy}"
    by = read(named)[1] if _PORT_SAID.search(named) else None
    return Way(host, by) if by else None


def read(address: str) -> tuple[str, Host | None]:
    """Return the scheme and the host of a URL, or of git's short form for ssh."""
    url = _URL.match(address)
    if url is not None:
        scheme = url["scheme"].lower()
        port = int(url["port"] or _PORTS.get(scheme, 0))
        is_one = 0 < port <= _HIGHEST_PORT
        return scheme, Host(url["v6"] or url["name"], port) if is_one else None
    short = None if _DRIVE.match(address) else _SCP.match(address)
    return ("ssh", Host(short["v6"] or short["name"], _PORTS["ssh"])) if short else ("", None)


def _value(name: str, environ: Mapping[str, str]) -> str:
    """Return a variable that programs look for in both letter cases."""
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _is_exempt(name: str, exempt: str) -> bool:
    entries = re.split(r"[\s,]+", exempt.lower())
    return any(_fits(name.lower().rstrip("."), entry) for entry in entries if entry)


def _fits(name: str, entry: str) -> bool:
    if "/" in entry:
        return _is_inside(name, entry)
    domain = entry.lstrip("*").strip(".")
    return entry == "*" or (bool(domain) and (name == domain or name.endswith(f".{domain}")))


def _is_inside(name: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
