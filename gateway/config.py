"""The gateway's configuration: one TOML file, strict."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Algorithm = Literal["EdDSA", "Ed25519", "ES256", "RS256", "PS256"]
"""Asymmetric only: a shared secret or none at all is no algorithm here."""
ReplicaName = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^/?#]+(/[^?#]*)?$")]
Positive = Annotated[int, Meta(ge=1)]


class ConfigError(Exception):
    """The configuration cannot be used; the message names file and field."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every section."""


class Upstream(Section, frozen=True, kw_only=True):
    """`[upstream]`: where answers come from. Each replica has a name, by which logs and metrics call it, and a URL."""

    replicas: Annotated[dict[ReplicaName, Url], Meta(min_length=1, max_length=64)]
    api_key_file: str = ""


class Auth(Section, frozen=True, kw_only=True):
    """`[auth]`: whose tokens are good. Without `jwks_file` and `jwks_url`, the issuer is asked (OIDC discovery)."""

    issuer: Annotated[str, Meta(min_length=1)]
    audience: Annotated[str, Meta(min_length=1)]
    jwks_file: str = ""
    jwks_url: str = ""
    issuer_ca_file: str = ""
    revocations_file: Annotated[str, Meta(min_length=1)]
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)]
    leeway_s: Annotated[int, Meta(ge=0, le=60)] = 5
    max_lifetime_s: Positive = 86400
    observe_scope: str = "observe"


class Limits(Section, frozen=True, kw_only=True):
    """`[limits]`: what one client and all of them may use."""

    max_body_bytes: Positive = 4 * 2**20
    max_connections: Positive = 512
    max_in_flight: Positive = 256
    max_in_flight_per_client: Positive = 64
    request_timeout_s: Positive = 600


class Route(Section, frozen=True, kw_only=True):
    """`[[routes]]`: a path that clients may call, exactly as written."""

    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_./-]*$")]
    methods: Annotated[tuple[Literal["GET", "POST"], ...], Meta(min_length=1)]
    scope: Annotated[str, Meta(min_length=1)]


class Config(Section, frozen=True, kw_only=True):
    """The whole file."""

    listen: str
    admin_listen: str
    upstream: Upstream
    auth: Auth
    limits: Limits = Limits()
    routes: Annotated[tuple[Route, ...], Meta(min_length=1)]


def load(path: Path) -> Config:
    """Read the configuration; paths in it are relative to its folder.

    Raises:
        ConfigError: it cannot be read, or does not fit.

    """
    try:
        config = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Config)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if config.auth.jwks_file and config.auth.jwks_url:
        raise ConfigError(f"{path}: auth.jwks_file and auth.jwks_url exclude each other")
    address(config.listen)
    host, _ = address(config.admin_listen)
    if not ipaddress.ip_address(host).is_loopback:
        raise ConfigError(f"{path}: admin_listen: {host} is no loopback address, and this listener asks for no token")
    return _absolute(config, path.parent.absolute())


def address(text: str) -> tuple[str, int]:
    """Split `host:port`.

    Raises:
        ConfigError: it is not an address and a port.

    """
    host, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise ConfigError(f"{text!r} is not an address and a port, like 127.0.0.1:8080") from None


def _absolute(config: Config, folder: Path) -> Config:
    def at(name: str) -> str:
        return str(folder / name) if name else ""

    return msgspec.structs.replace(
        config,
        upstream=msgspec.structs.replace(config.upstream, api_key_file=at(config.upstream.api_key_file)),
        auth=msgspec.structs.replace(
            config.auth,
            jwks_file=at(config.auth.jwks_file),
            issuer_ca_file=at(config.auth.issuer_ca_file),
            revocations_file=at(config.auth.revocations_file),
        ),
    )
