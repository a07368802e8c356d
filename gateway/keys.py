"""The issuer's keys: from a file, from a URL, or found by OIDC discovery."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from gateway.watched import WatchedFile

Key = RSAKey | ECKey | OKPKey
MIN_RSA_BITS = 2048
"""NIST SP 800-131A: shorter RSA keys are not acceptable."""
REFRESH_S = 300.0
"""How old a fetched key set may be before it is fetched again."""
MAX_AGE_S = 86400.0
"""How long the last good set holds while the issuer cannot be reached."""
MISS_INTERVAL_S = 10.0
"""Shortest time between two fetches for the sake of an unknown key id: strangers choose key ids at will."""
FETCH_TIMEOUT_S = 5.0
MAX_BYTES = 2**20

log = logging.getLogger("gateway")


class Keys(Protocol):
    """Where keys come from."""

    @property
    def failures(self) -> int:
        """Return how often a newer set could not be had."""

    @property
    def stale(self) -> bool:
        """Tell whether an old set holds because a newer one cannot be had."""

    async def find(self, kid: str) -> Key | None:
        """Return the key of that id, if the issuer has one."""

    def age_s(self) -> float:
        """Return how old the key set is, in seconds."""

    async def refresh(self) -> None:
        """Look whether there is a newer set."""


def read_key_set(content: bytes) -> dict[str, Key]:
    """Return the signature keys of a JWKS by their id; others in it are left out.

    Raises:
        ValueError: it is no key set, holds a private key, or holds none that can be used.

    """
    try:
        entries = json.loads(content)["keys"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no key set: {error}") from None
    entries = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    if any("d" in entry for entry in entries):  # RFC 7518, section 6: the private part of every asymmetric key
        raise ValueError(
            "the key set holds a private key, so whoever reads it can sign tokens: replace that key at the issuer, and "
            "publish the public part alone"
        )
    keys = dict(_usable(entries))
    if not keys:
        raise ValueError("the key set holds no usable signature key")
    return keys


def _usable(entries: Iterable[dict[str, Any]]) -> Iterable[tuple[str, Key]]:
    for entry in entries:
        if not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)  # a weak key is left out below, not warned of
                key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
            continue
        if isinstance(key, OKPKey) and key.curve_name != "Ed25519":
            continue  # `EdDSA` could mean Ed448 as well, but not here
        if isinstance(key, RSAKey | ECKey | OKPKey):
            yield entry["kid"], key


class FileKeys:
    """Keys from a file, which is read again when it changes."""

    def __init__(self, file: WatchedFile[dict[str, Key]]) -> None:
        self._file = file
        self._loaded = time.monotonic()

    @property
    def failures(self) -> int:
        """How often a new version could not be read."""
        return self._file.failures

    @property
    def stale(self) -> bool:
        """Whether the newest version could not be read."""
        return self._file.stale

    async def find(self, kid: str) -> Key | None:
        """Return the key of that id."""
        return self._file.value.get(kid)

    def age_s(self) -> float:
        """Return the seconds since the set was last looked at."""
        return time.monotonic() - self._loaded

    async def refresh(self) -> None:
        """Read the file again if it has changed."""
        self._file.check()
        self._loaded = time.monotonic()


class RemoteKeys:
    """Keys from the issuer. Ages are taken by the monotonic clock: a clock that jumps makes no key older."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        issuer: str,
        url: str,
        ca_file: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failures = 0
        self._session = session
        self._issuer = issuer
        self._url = url
        self._trust = ssl.create_default_context(cafile=ca_file or None)
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._fetched = self._tried = -MAX_AGE_S
        self._fetching: asyncio.Task[None] | None = None

    @property
    def stale(self) -> bool:
        """Whether the set is older than two refreshes: one that fails may be chance."""
        return self.age_s() >= 2 * REFRESH_S

    async def find(self, kid: str) -> Key | None:
        """Return the key of that id; ask the issuer again when it is unknown, but not often."""
        if kid not in self._keys:
            await self._fetch()
        return self._keys.get(kid) if self.age_s() < MAX_AGE_S else None

    def age_s(self) -> float:
        """Return the seconds since the last good fetch."""
        return self._clock() - self._fetched

    async def refresh(self) -> None:
        """Fetch again when the set is old."""
        if self.age_s() >= REFRESH_S:
            await self._fetch()

    async def _fetch(self) -> None:
        """Fetch, unless that was tried just now. All who wait share one fetch, and none who leaves takes it along."""
        if self._fetching is None and self._clock() - self._tried >= MISS_INTERVAL_S:
            self._fetching = asyncio.create_task(self._try_to_fetch())
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    async def _try_to_fetch(self) -> None:
        try:
            self._keys = read_key_set(await self._get(self._url or await self._discover()))
            self._fetched = self._clock()
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            self.failures += 1
            log.error("the issuer's keys cannot be fetched, the last good set holds: %s", error)  # noqa: TRY400 - a trace adds nothing
        finally:
            self._tried = self._clock()
            self._fetching = None

    async def _discover(self) -> str:
        """Ask the issuer where its keys are (OpenID Connect Discovery 1.0, section 4)."""
        document = json.loads(await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"))
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            raise ValueError("the discovery document names another issuer")
        found = document.get("jwks_uri")
        if not isinstance(found, str) or urlsplit(found).scheme != "https":
            raise ValueError("the discovery document names no https key set")
        return found

    async def _get(self, url: str) -> bytes:
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
        async with self._session.get(url, ssl=self._trust, timeout=timeout, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError(f"{url} answered {answer.status}")
            content = await answer.content.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise ValueError(f"{url} answered more than {MAX_BYTES} bytes")
            return content
