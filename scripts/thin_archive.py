"""Cut an image's archive down to what a node lacks, so that a small change loads at once.

usage: thin_archive.py ARCHIVE OUT < DIGESTS

ARCHIVE is a docker-archive as buildah writes it: plain layers, each named by its digest. OUT
becomes an OCI archive of the same image without the layers that DIGESTS (one a line) names.
Exit codes: 0 written; 1 ARCHIVE is of another kind, so load it whole.
"""  # noqa: INP001

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from typing import Any

OCI = "application/vnd.oci.image"


def main(archive: str, out: str) -> int:
    """Write OUT; the digests that the node has come on standard input."""
    present = set(sys.stdin.read().split())
    with tarfile.open(archive) as source, tarfile.open(out, "w") as target:
        (image,) = json.loads(_read(source, "manifest.json"))
        config = _read(source, image["Config"])
        names = image["Layers"]
        digests = json.loads(config)["rootfs"]["diff_ids"]
        if names != [f"{digest.removeprefix('sha256:')}.tar" for digest in digests]:
            return 1
        members = [source.getmember(name) for name in names]
        for member, digest in zip(members, digests, strict=True):
            if digest not in present:
                _add_layer(source, target, member)
        layers = [_layer(member) for member in members]
        described = _add(target, config, "config.v1+json")
        _add_index(target, {"config": described, "layers": layers}, image["RepoTags"][0])
    return 0


def _read(source: tarfile.TarFile, name: str) -> bytes:
    stream = source.extractfile(name)
    return stream.read() if stream else b""


def _add_layer(source: tarfile.TarFile, target: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    blob = tarfile.TarInfo(f"blobs/sha256/{member.name.removesuffix('.tar')}")
    blob.size = member.size
    target.addfile(blob, source.extractfile(member))


def _layer(member: tarfile.TarInfo) -> dict[str, Any]:
    digest = f"sha256:{member.name.removesuffix('.tar')}"
    return {"mediaType": f"{OCI}.layer.v1.tar", "digest": digest, "size": member.size}


def _add(target: tarfile.TarFile, content: bytes, kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    _add_file(target, f"blobs/sha256/{digest}", content)
    return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}


def _add_index(target: tarfile.TarFile, image: dict[str, Any], name: str) -> None:
    manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", **image}
    described = _add(target, json.dumps(manifest).encode(), "manifest.v1+json")
    described["annotations"] = {"io.containerd.image.name": name}
    index = {"schemaVersion": 2, "manifests": [described]}
    _add_file(target, "index.json", json.dumps(index).encode())
    _add_file(target, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def _add_file(target: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    target.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
