"""Receivers of alerts, as tests need them: a webhook over TLS and a mail server with STARTTLS, with certificates.

`python -m tests.receivers FOLDER ADDRESS PORT` runs the webhook by itself: certificates and what arrives are in FOLDER.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.parts import require

RIGHT, STRANGER = "right", "stranger"
RECEIVED = "received.jsonl"


def certificates(folder: Path, name: str) -> Path:
    """Make two authorities, and of each a certificate for the name: `right` and `stranger`, signed by `*-ca.pem`."""
    folder.mkdir()
    for kind in (RIGHT, STRANGER):
        openssl(folder, f"{kind}-ca", f"/CN={kind}")
        signed = ("-CA", f"{kind}-ca.pem", "-CAkey", f"{kind}-ca.key")
        extensions = ("-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE")
        openssl(folder, kind, f"/CN={name}", *signed, *extensions)
    return folder


def openssl(folder: Path, name: str, subject: str, *words: str) -> None:
    """Make a key and a certificate, signed by itself unless `words` name an authority."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", f"{name}.key")
    command = (require("openssl"), "req", "-x509", *key, "-out", f"{name}.pem", "-days", "2", "-subj", subject, *words)
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=20)


def server_side(folder: Path, kind: str = RIGHT) -> ssl.SSLContext:
    """Return a server's TLS settings with one of the certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{kind}.pem", folder / f"{kind}.key")
    return context


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that leave, because they do not believe its certificate."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


class Webhook:
    """Takes what is posted, and answers as it is told to.

    Attributes:
        status: of the next answers; with 307 they point to another path.
        take: is given each message with its path and its token.

    """

    def __init__(self, folder: Path, address: str, port: int, take: Callable[[dict[str, Any]], None]) -> None:
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = {"path": self.path, "token": self.headers["Authorization"], "host": self.headers["Host"]}
                take({**told, "body": json.loads(body)})
                self.send_response(receiver.status)
                if receiver.status == 307:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.folder, self.context = folder, server_side(folder)
        self.server = Quiet((address, port), Handler)
        self.port = int(self.server.server_address[1])
        # Handshakes are the threads' work: one that fails must not end the server.
        self.server.socket = self.context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )

    def show(self, kind: str) -> None:
        """Show one of the certificates from now on."""
        self.context.load_cert_chain(self.folder / f"{kind}.pem", self.folder / f"{kind}.key")

    def start(self) -> None:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Mailbox(Message):
    """Keeps mails: what they say in their subject and text."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[tuple[str, str, str]] = []

    def handle_message(self, message: Any) -> None:
        text = message.get_payload(decode=False)
        if message.is_multipart():
            text = "".join(part.get_payload(decode=True).decode() for part in message.walk() if not part.is_multipart())
        self.mails.append((message["To"], message["Subject"], text))


def mail_server(folder: Path, mailbox: Mailbox, user: str, password: str) -> Controller:
    """Return a mail server that takes mails after STARTTLS and a login alone."""

    def knows(_server: object, _session: object, _envelope: object, _how: str, given: LoginPassword) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == (user.encode(), password.encode()))

    return Controller(
        mailbox,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=server_side(folder),
        require_starttls=True,
        authenticator=knows,
        auth_required=True,
        auth_require_tls=True,
        auth_exclude_mechanism=["LOGIN"],  # its prompts are not those that Go's clients know
    )


def main(folder: Path, address: str, port: int) -> None:
    """Run the webhook until it is ended; each message becomes a line of a file."""

    def take(message: dict[str, Any]) -> None:
        with (folder / RECEIVED).open("a") as file:
            file.write(json.dumps(message) + "\n")

    webhook = Webhook(folder, address, port, take)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    webhook.server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
