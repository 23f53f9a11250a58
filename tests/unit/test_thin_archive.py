"""What a node lacks of an image, and all that names it; nothing that the node has."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner import process
from support import source_files

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = source_files.ROOT / "scripts" / "thin_archive.py"
NAME = "docker.io/local/some:dev"
LAYERS = [b"lowest layer", b"middle layer", b"highest layer"]
CONFIG = json.dumps(
    {"rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in LAYERS]}}
).encode()


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def write(path: Path, names: list[str]) -> None:
    manifest = [{"Config": "config.json", "RepoTags": [NAME], "Layers": names}]
    files = {**dict(zip(names, LAYERS, strict=True)), "config.json": CONFIG}
    with tarfile.open(path, "w") as archive:
        for name, content in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "agent.tar"
    write(path, [f"{hashlib.sha256(layer).hexdigest()}.tar" for layer in LAYERS])
    return path


def cut(archive: Path, present: list[bytes]) -> process.Completed:
    digests = "\n".join(digest(content) for content in present).encode()
    out = archive.with_name("thin.tar")
    return process.run([sys.executable, str(SCRIPT), str(archive), str(out)], stdin=digests)


def blobs(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        streams = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        return {name: stream.read() for name, stream in streams.items() if stream}


def blob(files: dict[str, bytes], described: dict[str, Any]) -> bytes:
    content = files["blobs/" + described["digest"].replace(":", "/")]
    assert len(content) == described["size"]
    assert digest(content) == described["digest"]
    return content


def test_the_whole_image_is_named_and_only_what_is_lacking_is_there(archive: Path) -> None:
    assert cut(archive, LAYERS[:2]).ok
    files = blobs(archive.with_name("thin.tar"))
    (described,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob(files, described))
    assert described["annotations"]["io.containerd.image.name"] == NAME
    assert blob(files, manifest["config"]) == CONFIG
    assert [layer["digest"] for layer in manifest["layers"]] == [digest(one) for one in LAYERS]
    assert [layer["size"] for layer in manifest["layers"]] == [len(one) for one in LAYERS]
    assert blob(files, manifest["layers"][2]) == LAYERS[2]
    assert not {name for name in files if name.endswith(hashlib.sha256(LAYERS[0]).hexdigest())}


def test_a_node_that_has_nothing_gets_every_layer(archive: Path) -> None:
    assert cut(archive, []).ok
    contents = blobs(archive.with_name("thin.tar")).values()
    assert set(LAYERS) <= set(contents)


def test_an_archive_whose_layers_are_not_named_by_their_digests_is_refused(archive: Path) -> None:
    write(archive, ["one/layer.tar", "two/layer.tar", "three/layer.tar"])
    assert cut(archive, []).code == 1
