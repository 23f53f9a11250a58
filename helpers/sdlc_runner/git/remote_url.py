"""Addresses of git remotes: the repository that each names, and no credentials in them."""

from __future__ import annotations

import re

_REMOTE_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/@]*@)?(?P<host>\[[^\]]*\]|[^/:]*)"
    r"(?::(?P<port>\d*))?(?:/(?P<path>.*))?\Z",
    re.DOTALL,
)
_REMOTE_SCP = re.compile(r"(?:[^/@]*@)?(?P<host>[^/:@]{2,}):(?P<path>.+)\Z", re.DOTALL)
_USUAL_PORTS = {"ssh": "22", "https": "443", "http": "80", "git": "9418"}


def without_credentials(url: str) -> str:
    """Leave user and password out of a URL; an SSH URL keeps its user, which names no secret."""
    if url.lower().startswith(("http://", "https://")):
        return re.sub(r"\A([A-Za-z]+://)[^/@]*@", r"\1", url.strip())
    return re.sub(r"\A([A-Za-z+]+://[^/:@]*):[^/@]*@", r"\1@", url.strip())


def normalize_remote(url: str) -> str:
    """Name a repository however it is reached: ``host/path``, by SSH and by HTTPS alike.

    Credentials, the scheme, its usual port, a trailing ``/`` and ``.git`` do not name it.
    """
    url = re.sub(r"\.git\Z", "", url.strip().rstrip("/"))
    match = _REMOTE_URL.match(url)
    if match is not None:
        port = match["port"] or ""
        usual = port == _USUAL_PORTS.get(match["scheme"].lower())
        host = match["host"].lower() + (f":{port}" if port and not usual else "")
        return f"{host}/{match['path'].strip('/')}" if host else f"/{match['path'].lstrip('/')}"
    match = _REMOTE_SCP.match(url)
    return f"{match['host'].lower()}/{match['path'].lstrip('/')}" if match else url
