"""A STAND-IN for the four calls that reaching a node makes to AWS: who asks, which endpoint, which console, which key.

A test adds further ones.

Each request must be signed for its service (botocore's signature itself is not computed again here). A public key goes
into the instance's `authorized_keys` for as long as AWS lets it in, and its sshd keeps the time.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.lifecycle.tunnel.standin_endpoint import ENDPOINT_ID, HOST, REGION

ACCOUNT = "123456789012"
EC2 = "http://ec2.amazonaws.com/doc/2016-11-15/"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass
class StandInAccount:
    """What it answers, and what it was asked.

    Attributes:
        let_in: given a user and an `authorized_keys` line.
        console: of the instance.
        valid_for: how long a key is let in.
        further: `service:Action` -> what answers a request's body.
    """

    let_in: Callable[[str, str], None]
    console: str = ""
    valid_for: timedelta = timedelta(seconds=60)
    url: str = ""
    asked: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    further: dict[str, Callable[[str], str]] = field(default_factory=dict)

    def answer(self, service: str, action: str, body: str) -> str:
        self.asked.append(f"{service}:{action}")
        if answer := self.further.get(f"{service}:{action}"):
            return answer(body)
        if (service, action) == ("sts", "GetCallerIdentity"):
            arn = f"arn:aws:iam::{ACCOUNT}:user/operator"
            inner = f"<Arn>{arn}</Arn><UserId>AIDA</UserId><Account>{ACCOUNT}</Account>"
            return _xml(STS, action, f"<{action}Result>{inner}</{action}Result>")
        if (service, action) == ("ec2", "DescribeInstanceConnectEndpoints"):
            assert ENDPOINT_ID in body
            item = (
                f"<item><instanceConnectEndpointId>{ENDPOINT_ID}</instanceConnectEndpointId><dnsName>{HOST}</dnsName>"
            )
            return _xml(EC2, action, f"<instanceConnectEndpointSet>{item}</item></instanceConnectEndpointSet>")
        if (service, action) == ("ec2", "GetConsoleOutput"):
            text = base64.b64encode(self.console.encode()).decode()
            instance = escape(parse_qs(body)["InstanceId"][0])
            return _xml(EC2, action, f"<instanceId>{instance}</instanceId><output>{text}</output>")
        assert (service, action) == ("ec2-instance-connect", "SendSSHPublicKey")
        asked = json.loads(body)
        until = (datetime.now(UTC) + self.valid_for).strftime("%Y%m%d%H%M%SZ")
        self.users.append(asked["InstanceOSUser"])
        self.let_in(asked["InstanceOSUser"], f'expiry-time="{until}" {asked["SSHPublicKey"]}\n')
        return json.dumps({"RequestId": "1", "Success": True})


def _xml(namespace: str, action: str, inner: str) -> str:
    return f'<{action}Response xmlns="{namespace}">{inner}</{action}Response>'


@contextlib.contextmanager
def account_standing_in(let_in: Callable[[str, str], None], console: str) -> Iterator[StandInAccount]:
    """Run one on a loopback port."""
    account = StandInAccount(let_in, console)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            service = self.headers["Authorization"].split("Credential=")[1].split("/")[3]
            assert self.headers["Authorization"].split("/")[2] == REGION
            target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            text = account.answer(service, target or parse_qs(body)["Action"][0], body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1" if target else "text/xml")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        account.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield account
        server.shutdown()
        thread.join()
