"""A real control plane on loopback: etcd and kube-apiserver, with RBAC, PodSecurity admission and an audit log."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc import jwt
from joserfc.jwk import ECKey

from lifecycle.auditing.cluster.kinds import Kind
from lifecycle.certificates import Pair, key_pem, make_authority, make_leaf, pem_of
from tests.parts import require
from tests.waiting import wait_until

ISSUER = "https://kubernetes.default.svc"
READY_S = 90.0
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
AUDITORS, AUDITOR = "cloister-auditors", "auditor"


@dataclass
class ControlPlane:
    """One that runs.

    Attributes:
        folder: with its keys, its data and its logs.
        server: address of its API.
        authority: that signs its certificate, and those of users.
        tokens: user -> token, of those in the group of their own; `admin` may do everything.

    """

    folder: Path
    server: str
    authority: Pair
    tokens: Mapping[str, str]
    _http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        import ssl

        trusts = ssl.create_default_context(cafile=self.ca_file)
        self._http = httpx.Client(
            base_url=self.server, verify=trusts, headers={"Authorization": f"Bearer {self.tokens['admin']}"}, timeout=30
        )

    @property
    def ca_file(self) -> str:
        return str(self.folder / "ca.pem")

    def close(self) -> None:
        """Let the administrator's connections go."""
        self._http.close()

    def ask(self, method: str, path: str, **words: Any) -> httpx.Response:
        """Ask as the administrator."""
        return self._http.request(method, path, **words)

    def create(self, kind: Kind, content: Mapping[str, Any]) -> httpx.Response:
        """Create an object where its kind belongs."""
        metadata = dict(content["metadata"])
        place = metadata.get("namespace", "default")
        if not kind.namespaced:
            metadata.pop("namespace", None)
        path = kind.path(place) if kind.namespaced else kind.path()
        return self.ask("POST", path, json={**content, "metadata": metadata})

    def listed(self, kind: Kind) -> list[dict[str, Any]]:
        """Return every object of a kind."""
        found: list[dict[str, Any]] = self.ask("GET", kind.path()).raise_for_status().json()["items"]
        return found

    def kubeconfig(self, path: Path, user: Mapping[str, Any], **cluster: Any) -> Path:
        """Write a file with one context, `lab`, as a user; `cluster` changes what it says of the cluster."""
        told = {"server": self.server, "certificate-authority": self.ca_file, **cluster}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
            "clusters": [{"name": "lab", "cluster": {key: value for key, value in told.items() if value is not None}}],
            "users": [{"name": "me", "user": dict(user)}],
        }
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path

    def refused_credentials(self) -> int:
        """Return how many requests came with credentials that the server does not know."""
        return sum('"code":401' in line for line in (self.folder / "audit.log").read_text().splitlines())

    def requests(self, user: str) -> list[dict[str, Any]]:
        """Return what a user asked, as the server's own audit log has it."""
        lines = (self.folder / "audit.log").read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["user"].get("username") == user]

    def certificate_of(self, user: str, group: str) -> tuple[str, str]:
        """Return a client's certificate and its key, as PEM."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        name = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, user)]
        issuer = self.authority.certificate
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(name))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self.authority.key, hashes.SHA256())
        )
        return pem_of([made]).decode(), key_pem(key).decode()

    def token_of(self, account: str, namespace: str, *, over: bool = False) -> str:
        """Return a service account's token as the server gives it, or the same one after its end."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [ISSUER]}}
        token: str = self.ask("POST", path, json=asked).raise_for_status().json()["status"]["token"]
        if not over:
            return token
        key = ECKey.import_key((self.folder / "accounts.key").read_bytes())
        real = jwt.decode(token, key)
        began = int((datetime.now(UTC) - timedelta(hours=2)).timestamp())
        return jwt.encode(real.header, {**real.claims, "iat": began, "nbf": began, "exp": began + 3600}, key)


@contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Start one, wait until it serves, and take it away again."""
    etcd, apiserver = require("etcd"), require("kube-apiserver")
    clients, peers, secure = _free_ports(3)
    tokens = {name: secrets.token_hex(16) for name in ("admin", AUDITOR, "nobody")}
    authority = _keys(folder, tokens)
    storage = f"http://127.0.0.1:{clients}"
    with ExitStack() as running:
        running.enter_context(_program(folder, "etcd", [etcd, *_etcd_options(folder, storage, peers)]))
        server = running.enter_context(_program(folder, "apiserver", [apiserver, *_options(folder, storage, secure)]))
        plane = ControlPlane(folder, f"https://127.0.0.1:{secure}", authority, tokens)
        running.callback(plane.close)
        wait_until(lambda: server.poll() is not None or _is_ready(plane), READY_S, every_s=0.2)
        assert server.poll() is None, (folder / "apiserver.log").read_text()[-2000:]
        yield plane


def _keys(folder: Path, tokens: Mapping[str, str]) -> Pair:
    """Write the keys and the users of a server; return the authority."""
    now = datetime.now(UTC)
    authority = make_authority("lab", now)
    leaf = make_leaf(authority, ("127.0.0.1",), timedelta(days=1), now)
    accounts = ec.generate_private_key(ec.SECP256R1())
    groups = {"admin": "system:masters", AUDITOR: AUDITORS, "nobody": "nobody"}
    lines = [f'{token},{name},{name},"{groups[name]}"' for name, token in tokens.items()]
    written = {
        "ca.pem": pem_of([authority.certificate]),
        "leaf.pem": pem_of([leaf.certificate]),
        "leaf.key": key_pem(leaf.key),
        "accounts.key": key_pem(accounts),
        "accounts.pem": accounts.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "tokens.csv": "\n".join(lines).encode(),
        "policy.yaml": yaml.safe_dump(AUDIT_POLICY).encode(),
    }
    for name, content in written.items():
        path = folder / name
        path.touch(0o600)
        path.write_bytes(content)
    return authority


def _etcd_options(folder: Path, clients: str, peers: int) -> list[str]:
    return [
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
        f"--initial-cluster=default=http://127.0.0.1:{peers}",
        "--unsafe-no-fsync",  # nothing of it outlives the tests
    ]


def _options(folder: Path, storage: str, port: int) -> list[str]:
    return [
        f"--etcd-servers={storage}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",  # which takes no loopback address
        f"--tls-cert-file={folder}/leaf.pem",
        f"--tls-private-key-file={folder}/leaf.key",
        f"--client-ca-file={folder}/ca.pem",
        f"--token-auth-file={folder}/tokens.csv",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={folder}/accounts.pem",
        f"--service-account-signing-key-file={folder}/accounts.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",  # else it would refuse some of what rules are to find
        f"--audit-policy-file={folder}/policy.yaml",
        f"--audit-log-path={folder}/audit.log",
    ]


def _is_ready(plane: ControlPlane) -> bool:
    """Tell whether the server is ready, and has made the roles that it makes by itself."""
    try:
        return plane.ask("GET", "/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _program(folder: Path, name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that ends with us, however we end."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [require("setpriv"), "--pdeathsig", "KILL", *command],
            cwd=folder,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_ports(number: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
