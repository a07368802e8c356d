"""A node in small: its settings, its metadata service, and its disks; it runs the very file that user data carries."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import stacks.user_data
from tests.bundle.local_server import LocalServer

SCRIPT = Path(stacks.user_data.__file__).with_name("pull_bundle.py")
CREDENTIALS = {"AccessKeyId": "testing", "SecretAccessKey": "testing", "Token": "token"}


class Metadata(LocalServer):
    """An instance metadata service that hands out nothing without a token (IMDSv2)."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.refused = 0


class _Handler(BaseHTTPRequestHandler):
    server_of: Metadata

    def _say(self, status: int, text: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self) -> None:
        self._say(200 if self.path == "/latest/api/token" else 404, "a-token")

    def do_GET(self) -> None:
        roles = "/latest/meta-data/iam/security-credentials/"
        if self.headers.get("X-aws-ec2-metadata-token") != "a-token":
            self.server_of.refused += 1
            self._say(401, "")
        elif self.path == roles:
            self._say(200, "node")
        else:
            known = self.path == f"{roles}node"
            self._say(200 if known else 404, json.dumps({**CREDENTIALS, "Expiration": "2099-01-01T00:00:00Z"}))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Node:
    """A machine with a folder for its disks."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.store = folder / "nvme"
        self.settings = {"store": str(self.store), **settings}
        self._file = folder / "bundle.json"

    @property
    def bundles(self) -> Path:
        return self.store / "bundles"

    @property
    def current(self) -> Path:
        return self.bundles / "current"

    def start(self, **changed: Any) -> subprocess.Popen[str]:
        self._file.write_text(json.dumps({**self.settings, **changed}))
        command = [sys.executable, "-I", str(SCRIPT), str(self._file)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def pull(self, **changed: Any) -> tuple[int, str]:
        """Run once, and return the exit code and what was said."""
        process = self.start(**changed)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    @staticmethod
    def kill(process: subprocess.Popen[str]) -> None:
        """End a run and its workers at once, as systemd ends what is left of a unit."""
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)

    def holds(self, folder: Path) -> bool:
        """Tell whether what is current is, file by file, what a folder is."""
        names = [{str(p.relative_to(at)) for p in at.rglob("*") if p.is_file()} for at in (folder, self.current)]
        return names[0] == names[1] and all(
            (folder / name).read_bytes() == (self.current / name).read_bytes() for name in names[0]
        )
