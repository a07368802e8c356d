"""A real registry of images, of this machine alone, and a way to push to it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from planner.images import folder_of
from planner.plan import Image
from tests.parts import require
from tests.waiting import wait_until

SETTINGS = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@contextlib.contextmanager
def running_registry(folder: Path) -> Iterator[str]:
    """Run one for as long as the block lasts; yield its name, which images begin with.

    Args:
        folder: what it keeps its images in.

    """
    require("skopeo")
    program, port = require("docker-registry"), _unused_port()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.yml").write_text(SETTINGS.format(folder=folder / "blobs", port=port))
    with subprocess.Popen(
        (program, "serve", str(folder / "settings.yml")), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_until(lambda: _answers(f"http://127.0.0.1:{port}/v2/"), 20)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def push(image: Image, folder: Path, tag: str) -> None:
    """Push an image from where it lies in a bundle's folder, as a person would."""
    words = ("skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"dir:{folder / folder_of(image)}")
    subprocess.run((*words, f"docker://{image.repository}:{tag}"), check=True, timeout=60)


def _unused_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
