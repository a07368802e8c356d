"""What a company brings along: certificates, an issuing authority, an OIDC issuer, an inference server."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from lifecycle.certificates import Pair, key_pem, make_authority, make_leaf, pem_of
from tests.e2e.deploy_cli import ROOT, Deploy
from tests.e2e.test_running_stack import QUESTION, client_of

pytestmark = pytest.mark.slow


@pytest.fixture
def authority(tmp_path: Path) -> Pair:
    """A company's issuing authority: `company-ca.pem` and `company-ca.key`."""
    pair = make_authority("Company", datetime.now(UTC) - timedelta(days=1))
    (tmp_path / "company-ca.pem").write_bytes(pem_of([pair.certificate]))
    (tmp_path / "company-ca.key").write_bytes(key_pem(pair.key))
    (tmp_path / "company-ca.key").chmod(0o600)
    return pair


def profile(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(f'extends = "poc"\n{text}')
    return str(path)


def test_a_companys_issuing_authority(deploy: Deploy, authority: Pair, tmp_path: Path) -> None:
    given = f'[tls]\nca = "{tmp_path}/company-ca.pem"\nca_key = "{tmp_path}/company-ca.key"\n'
    deploy("up", "--profile", profile(tmp_path, given))
    assert Path(deploy("ca", "--json").json["ca_file"]).read_bytes() == (tmp_path / "company-ca.pem").read_bytes()
    with client_of(deploy) as client:
        assert client.models.list().data
    assert deploy("verify", "--json").json["ok"]


def test_a_companys_certificate(deploy: Deploy, authority: Pair, tmp_path: Path) -> None:
    leaf = make_leaf(authority, ("llm.company.internal",), timedelta(days=90), datetime.now(UTC))
    (tmp_path / "leaf.pem").write_bytes(pem_of([leaf.certificate]))
    (tmp_path / "leaf.key").write_bytes(key_pem(leaf.key))
    given = (
        f'[tls]\ncertificate = "{tmp_path}/leaf.pem"\nkey = "{tmp_path}/leaf.key"\nca = "{tmp_path}/company-ca.pem"\n'
        'hostnames = ["llm.company.internal"]\n'
    )
    done = deploy("up", "--profile", profile(tmp_path, given), "--json")
    assert done.json["url"].startswith("https://llm.company.internal:")
    assert deploy("verify", "--json").json["ok"]


def test_a_certificate_for_another_name_is_refused(deploy: Deploy, authority: Pair, tmp_path: Path) -> None:
    leaf = make_leaf(authority, ("elsewhere.internal",), timedelta(days=90), datetime.now(UTC))
    (tmp_path / "leaf.pem").write_bytes(pem_of([leaf.certificate]))
    (tmp_path / "leaf.key").write_bytes(key_pem(leaf.key))
    given = (
        f'[tls]\ncertificate = "{tmp_path}/leaf.pem"\nkey = "{tmp_path}/leaf.key"\nca = "{tmp_path}/company-ca.pem"\n'
        'hostnames = ["llm.company.internal"]\n'
    )
    done = deploy("up", "--profile", profile(tmp_path, given), "--json", check=False)
    assert done.code == 2
    assert "[tls]" in str(done.json["error"]) or "tls." in str(done.json["error"])


@contextmanager
def oidc_issuer(authority: Pair) -> Iterator[tuple[str, ECKey]]:
    """Serve discovery and a key set over TLS, as an OIDC issuer does."""
    key = ECKey.generate_key("P-256", parameters={"kid": "company-1", "use": "sig", "alg": "ES256"})

    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            documents: dict[str, Any] = {
                "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": f"{url}/keys"},
                "/keys": {"keys": [key.as_dict(private=False)]},
            }
            body = json.dumps(documents.get(self.path, {})).encode()
            self.send_response(200 if self.path in documents else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    leaf = make_leaf(authority, ("localhost",), timedelta(days=1), datetime.now(UTC))
    with ThreadingHTTPServer(("127.0.0.1", 0), Issuer) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = Path("leaf.pem")
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            pair = Path(folder, "pair.pem")
            pair.write_bytes(pem_of([leaf.certificate]) + key_pem(leaf.key))
            context.load_cert_chain(pair)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://localhost:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield url, key
        finally:
            server.shutdown()
            thread.join()


def company_token(url: str, key: ECKey, **changes: object) -> str:
    now = int(time.time())
    claims = {
        "iss": url,
        "aud": "llm",
        "sub": "somebody",
        "scope": "inference",
        "iat": now,
        "exp": now + 600,
        "jti": str(uuid.uuid4()),
        **changes,
    }
    return jwt.encode({"alg": "ES256", "typ": "JWT", "kid": "company-1"}, claims, key)


def test_a_companys_oidc_issuer(deploy: Deploy, authority: Pair, tmp_path: Path) -> None:
    with oidc_issuer(authority) as (url, key):
        given = f'[identity]\nissuer = "{url}"\nissuer_ca = "{tmp_path}/company-ca.pem"\naudience = "llm"\n'
        deploy("up", "--profile", profile(tmp_path, given))
        with client_of(deploy, token=company_token(url, key)) as client:
            assert client.chat.completions.create(model="llama-3.1-8b-instruct", messages=QUESTION).choices
        other, unscoped = company_token(url, key, aud="other"), company_token(url, key, scope="profile")
        with client_of(deploy, token=other) as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
        with client_of(deploy, token=unscoped) as client, pytest.raises(openai.PermissionDeniedError):
            client.models.list()
        refused = deploy("token", "issue", "--client", "me", "--json", check=False)
        assert refused.json["error"]["code"] == "foreign_issuer"
        report = deploy("verify", "--token-env", "TOKEN", "--json", TOKEN=company_token(url, key)).json
        assert report["ok"]
        assert {"inference.answer", "inference.stream"} <= {check["id"] for check in report["checks"] if check["ok"]}


@contextmanager
def second_engine(tmp_path: Path, key: str) -> Iterator[str]:
    """Run an inference server by hand, as somebody else would."""
    command = [sys.executable, "-m", "sandbox.vllm_sim", "--port", "0", "--served-model-name", "theirs"]
    log = tmp_path / "engine.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, cwd=ROOT, env={"VLLM_API_KEY": key, "PATH": "/bin"}
        )
    try:
        deadline = time.monotonic() + 20
        while "on http://" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield "http://" + log.read_text().split("on http://")[1].split()[0]
    finally:
        process.terminate()
        process.wait(10)


def test_an_upstream_takes_the_engines_place(deploy: Deploy, tmp_path: Path) -> None:
    with second_engine(tmp_path, "their-key-0123456789") as url:
        named = ("--upstream", f"{url}/v1", "--upstream-key-env", "THEIR_KEY")
        deploy("up", "--profile", "poc", *named, THEIR_KEY="their-key-0123456789")
        with client_of(deploy) as client:
            assert [model.id for model in client.models.list()] == ["theirs"]
            answer = client.chat.completions.create(model="theirs", messages=QUESTION, max_tokens=8)
            assert answer.choices[0].message.content
            stream = client.chat.completions.create(model="theirs", messages=QUESTION, max_tokens=8, stream=True)
            assert len(list(stream)) > 2
        assert "engine" not in {service["name"] for service in deploy("status", "--json").json["services"]}
        for path in (deploy.home / "stacks" / "default").rglob("*"):
            if path.is_file() and path.parent.name != "secrets":
                assert b"their-key-0123456789" not in path.read_bytes(), path


@pytest.mark.parametrize("kind", ["refused", "not OpenAI", "wrong key"])
def test_an_upstream_that_is_of_no_use_is_said(deploy: Deploy, tmp_path: Path, kind: str) -> None:
    class NotOpenAi(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None: ...

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), NotOpenAi) as server,
        second_engine(tmp_path, "right-key-12345") as engine,
    ):
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = {
            "refused": "http://127.0.0.1:9",
            "not OpenAI": f"http://127.0.0.1:{server.server_address[1]}",
            "wrong key": engine,
        }[kind]
        named = ("--upstream", url, "--upstream-key-env", "THEIR_KEY")
        done = deploy("up", "--profile", "poc", *named, "--json", check=False, THEIR_KEY="wrong-key-0123456789")
        server.shutdown()
        thread.join()
    assert (done.code, done.json["error"]["code"]) == (1, "upstream_not_answering")
    assert url in done.json["error"]["message"]
