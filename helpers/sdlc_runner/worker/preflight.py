"""Hosts that an attempt needs, tried before it begins: a network policy drops packets silently."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import queue
import re
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.errors import Code, UnreachableError
from sdlc_runner.events.codec import clean
from sdlc_runner.git.remote_url import RemoteUrl
from sdlc_runner.worker.untrusted_json import as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


UNRESOLVED = "its name does not resolve"
_NO_ANSWER = "no answer"
_PAUSE = 0.5
_MOST_ADDRESSES = 16

_Addresses = list[tuple[Any, ...]]


def refusal(host: Host, seconds: float) -> str:
    """Return what kept a host from taking a connection for so long; empty: it took one."""
    deadline = time.monotonic() + seconds
    while True:
        words = _try(host, deadline)
        if not words or time.monotonic() + _PAUSE >= deadline:
            return words
        time.sleep(_PAUSE)


def _try(host: Host, deadline: float) -> str:
    addresses = _resolve(host, deadline)
    return _race(addresses[:_MOST_ADDRESSES], deadline) if addresses else UNRESOLVED


def _resolve(host: Host, deadline: float) -> _Addresses:
    """Look a name up; in a thread, because nothing else bounds the time that it takes."""
    found: queue.SimpleQueue[_Addresses] = queue.SimpleQueue()

    def look() -> None:
        try:
            found.put(list(socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)))
        except (OSError, ValueError):  # the second for what could not be a name
            found.put([])

    threading.Thread(target=look, daemon=True).start()
    try:
        return found.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        return []


def _race(addresses: _Addresses, deadline: float) -> str:
    """Connect to all addresses at once: one that is shut off hides no other."""
    words = _NO_ANSWER
    with contextlib.ExitStack() as open_, selectors.DefaultSelector() as waiting:
        for family, kind, protocol, _, address in addresses:
            try:
                one = open_.enter_context(socket.socket(family, kind, protocol))
            except OSError as error:
                words = error.strerror or words
                continue
            one.settimeout(0)
            code = one.connect_ex(address)
            if code in {0, errno.EINPROGRESS}:
                waiting.register(one, selectors.EVENT_WRITE)
            else:
                words = os.strerror(code)
        return _first(waiting, words, deadline)


def _first(waiting: selectors.BaseSelector, words: str, deadline: float) -> str:
    """Wait until one is connected, or none is left that could be."""
    while waiting.get_map():
        ready = waiting.select(max(0.0, deadline - time.monotonic()))
        if not ready:
            return _NO_ANSWER
        for key, _ in ready:
            one: socket.socket = key.fileobj  # type: ignore[assignment]
            code = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                return ""
            words = os.strerror(code)
            waiting.unregister(one)
    return words


_BY_PROXY = ("http", "https")  # ssh and git heed no proxy
_HOST = re.compile(r"[0-9A-Fa-f:.]{2,45}|[A-Za-z0-9_.-]{1,253}")
_NAMES_PORT = re.compile(r":\d+/?\Z")
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
    by = read(named)[1] if _NAMES_PORT.search(named) else None
    return Way(host, by) if by else None


def read(address: str) -> tuple[str, Host | None]:
    """Return the scheme and the host of a URL, or of git's short form for ssh."""
    url = RemoteUrl.parse(address)
    port = url.actual_port
    is_one = 0 < port <= _HIGHEST_PORT and _HOST.fullmatch(url.host)
    return url.scheme, Host(url.host, port) if is_one else None


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


class _Default(NamedTuple):
    """Where a provider is that no setting names, and the variable that its program heeds."""

    url: str
    variable: str = ""


# Those whose address is in OpenCode itself; whose address has a region or an account in it is
# not known here, and so is not tried.
_DEFAULTS: Mapping[str, _Default] = {
    "anthropic": _Default("https://api.anthropic.com", "ANTHROPIC_BASE_URL"),
    "openai": _Default("https://api.openai.com", "OPENAI_BASE_URL"),
    "google": _Default("https://generativelanguage.googleapis.com"),
    "mistral": _Default("https://api.mistral.ai"),
    "groq": _Default("https://api.groq.com"),
    "xai": _Default("https://api.x.ai"),
    "deepseek": _Default("https://api.deepseek.com"),
    "openrouter": _Default("https://openrouter.ai"),
}
VARIABLES = (
    *(known.variable for known in _DEFAULTS.values() if known.variable),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
"""What in the agent's environment decides where its model is asked; in any letter case."""


def url(settings: object, model: str | None, environ: Mapping[str, str]) -> str:
    """Return the address of the attempt's model; empty where it is unknown."""
    reported = as_mapping(settings)
    name, _, rest = (model or as_text(reported.get("model"))).partition("/")
    provider = as_mapping(as_mapping(reported.get("provider")).get(name))
    of_model = as_mapping(as_mapping(provider.get("models")).get(rest)).get("provider")
    found = (
        as_text(as_mapping(provider.get("options")).get("baseURL"))
        or as_text(as_mapping(of_model).get("api"))
        or as_text(provider.get("api"))
    )
    return found or _default(name, provider, environ)


def model_way(settings: object, model: str | None, environ: Mapping[str, str]) -> Way | None:
    """Return the route to the attempt's model from this environment."""
    return way(url(settings, model, environ), environ)


def _default(name: str, provider: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    known = _DEFAULTS.get(name)
    if known is None or "npm" in provider:  # another program, which may go elsewhere
        return ""
    return (environ.get(known.variable, "") if known.variable else "") or known.url


_QUICK_SECONDS = 1.0
_SHOWN = 200


class _Needed(NamedTuple):
    """Who is needed, the chart's value that lets pods reach it, and where its address stands."""

    who: str
    value: str
    address: str


_GIT = _Needed("git host", "networkPolicy.git", "`clone.url`")
_MODEL = _Needed("model endpoint", "networkPolicy.model", "the provider's `baseURL`")


@dataclass(frozen=True)
class Preflight:
    """How long hosts have to take a connection; 0: none is tried."""

    seconds: float = 0
    environ: Mapping[str, str] = field(default_factory=dict)

    def require_git(self, remote: str) -> None:
        """Raise ``UnreachableError`` if the remote's host takes no connection in time."""
        if self.seconds:
            self._require(way(remote, self.environ), _GIT, self.seconds)

    def require_model(self, guess: Way | None, find: Callable[[], Way | None]) -> None:
        """Do the same for a model; ``find`` is slow and right, and asked if ``guess`` is no way."""
        if not self.seconds or guess is None:
            return
        began = time.monotonic()
        if refusal(guess.first, min(_QUICK_SECONDS, self.seconds)):
            way = find()
            over = time.monotonic() - began if way == guess else 0
            self._require(way, _MODEL, max(_QUICK_SECONDS, self.seconds - over))

    def _require(self, way: Way | None, needed: _Needed, seconds: float) -> None:
        words = refusal(way.first, seconds) if way else ""
        if way is None or not words:
            return
        text = f"{_named(way, needed)} did not connect in {self.seconds:g} s: {words}."
        raise UnreachableError(Code.UNREACHABLE_HOST, text, _hint(way, needed, words))


def _named(way: Way, needed: _Needed) -> str:
    if way.proxy is None:
        return f"The {needed.who} {_shown(way.host)}"
    return f"The proxy {_shown(way.proxy)} on the way to the {needed.who} {_shown(way.host)}"


def _hint(way: Way, needed: _Needed, words: str) -> str:
    value, address = needed.value, needed.address
    if way.proxy is not None:
        value, address = "networkPolicy.proxy", "`egressProxy.url`"
    if words == UNRESOLVED:
        return f"Correct {address}, or name your DNS in the chart's value networkPolicy.dns."
    return f"Name its address and port in the chart's value {value}, or correct {address}."


def _shown(host: Host) -> str:
    return clean(str(host), _SHOWN)


NOWHERE = Preflight()
"""For attempts on a machine whose user sees for himself what it reaches."""
