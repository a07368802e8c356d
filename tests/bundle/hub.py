"""A small server that answers as the hub does: one repository, files with their digests, pieces of files, gates."""

from __future__ import annotations

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.bundle.local_server import LocalServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(LocalServer):
    """Holds one repository at one commit, `main`.

    Attributes:
        files: path -> content.
        token: what opens the repository; empty for one that is open.
        cut_after: bytes of an answer after which the connection ends, once.
        asked: method, path and range of every request.

    """

    def __init__(self, repository: str, files: dict[str, bytes], *, token: str = "") -> None:
        super().__init__(_Handler)
        self.repository = repository
        self.files = files
        self.token = token
        self.cut_after = 0
        self.asked: list[tuple[str, str, str]] = []
        self.served: dict[str, bytes] = {}

    def is_lfs(self, path: str) -> bool:
        return path.endswith((".safetensors", ".bin"))

    def etag(self, path: str) -> str:
        content = self.files[path]
        if self.is_lfs(path):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server_of: Hub
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "HEAD":
            return
        hub = self.server_of
        if hub.cut_after and len(body) > hub.cut_after:
            self.wfile.write(body[: hub.cut_after])
            hub.cut_after = 0
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(body)

    def do_GET(self) -> None:
        hub, path = self.server_of, self.path.partition("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._answer(403, b"{}", X_Error_Code="GatedRepo", X_Error_Message="Access to this model is restricted")
        elif match := re.fullmatch(rf"/api/models/{hub.repository}(?:/revision/(\w+))?", path):
            self._info(match[1] or "main")
        elif match := re.fullmatch(rf"/{hub.repository}/resolve/(\w+)/(.+)", path):
            self._file(match[2])
        else:
            self._answer(404, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="not found")

    do_HEAD = do_GET

    def _info(self, revision: str) -> None:
        hub = self.server_of
        if revision not in {"main", COMMIT}:
            self._answer(404, b"{}", X_Error_Code="RevisionNotFound", X_Error_Message="no such revision")
            return
        siblings: list[dict[str, Any]] = []
        for path, content in hub.files.items():
            one: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": hub.etag(path)}
            if hub.is_lfs(path):
                one["blobId"] = "0" * 40
                one["lfs"] = {"sha256": hub.etag(path), "size": len(content), "pointerSize": 134}
            siblings.append(one)
        body = {"id": hub.repository, "modelId": hub.repository, "sha": COMMIT, "siblings": siblings}
        self._answer(200, json.dumps(body | {"private": False, "downloads": 0, "tags": []}).encode())

    def _file(self, path: str) -> None:
        hub = self.server_of
        if path not in hub.files:
            self._answer(404, b"{}", X_Error_Code="EntryNotFound", X_Error_Message="no such file")
            return
        content = hub.served.get(path, hub.files[path])
        headers = {"ETag": f'"{hub.etag(path)}"', "X_Repo_Commit": COMMIT, "Accept_Ranges": "bytes"}
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(match[1])
            told = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[start:], Content_Range=told, **headers)
        else:
            self._answer(200, content, **headers)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
