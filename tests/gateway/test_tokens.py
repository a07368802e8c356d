"""Who is let in: every recipe of cases/tokens.json, and what no recipe thinks of."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey, RSAKey

from gateway.config import Auth
from gateway.errors import RefusalError
from gateway.jwt_verifier import Verifier
from gateway.keys import MISS_INTERVAL_S, REFRESH_S, FileKeys, RemoteKeys, read_key_set
from gateway.revocations import Revocations
from gateway.watched import WatchedFile
from tests.gateway.support import AUDIENCE, ISSUER, KEYS, Running, gateway, revoke, token, write_files

CASES = json.loads((Path(__file__).parent / "cases" / "tokens.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
async def test_token(tmp_path: Path, case: dict[str, Any]) -> None:
    recipe = {name: value for name, value in case.items() if name not in {"case", "status", "reason"}}
    async with gateway(tmp_path) as running:
        answer = await running.ask(token(**recipe))
        assert answer.status == case["status"]
        if case["status"] == 200:
            assert len(running.engine.requests) == 1
            return
        assert running.engine.requests == []
        challenge = answer.headers["WWW-Authenticate"]
        told = "insufficient_scope" if case["status"] == 403 else "invalid_token"
        assert challenge.startswith("Bearer ")
        assert f'error="{told}"' in challenge
        body = await answer.json()
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert f'gateway_auth_failures_total{{reason="{case["reason"]}"}} 1.0' in await running.metrics()


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer ", "bearer"])
async def test_no_token_is_told_without_an_error_code(tmp_path: Path, header: str | None) -> None:
    async with gateway(tmp_path) as running:
        answer = await running.ask(headers={} if header is None else {"Authorization": header})
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="cloister"'


def verifier(folder: Path, **changes: Any) -> Verifier:
    write_files(folder)
    auth = Auth(
        issuer=ISSUER,
        audience=AUDIENCE,
        revocations_file="unused",
        algorithms=("EdDSA", "Ed25519", "ES256", "RS256", "PS256"),
    )
    keys = FileKeys(WatchedFile(folder / "jwks.json", read_key_set))
    return Verifier(auth, keys, lambda: Revocations(revoked={}, clients={}), **changes)


def changed_at(text: str, place: int, character: str) -> str:
    place %= len(text)
    return text[:place] + character + text[place + 1 :]


def test_nothing_but_a_good_token_is_let_in(tmp_path: Path) -> None:
    """Whatever is sent, the answer is a refusal: never somebody's identity, never a crash."""
    checked = verifier(tmp_path)
    good = token()

    @settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.one_of(
            st.text(max_size=200),
            st.from_regex(r"[A-Za-z0-9_.-]{0,300}", fullmatch=True),
            st.builds(
                lambda i, c: good[: i % len(good)] + c + good[i % len(good) + 1 :], st.integers(0), st.characters()
            ),
            st.builds(".".join, st.lists(st.sampled_from([*good.split("."), "", "e30"]), max_size=5)),
        )
    )
    def refused(sent: str) -> None:
        if sent == good:
            return
        # A changed last character may stand for the same bytes: only its unused bits differ.
        if sent[:-1] == good[:-1]:
            return
        with pytest.raises(RefusalError) as refusal:
            asyncio.run(checked.verify(f"Bearer {sent}"))
        assert refusal.value.status == 401

    refused()


async def test_a_clock_that_jumps_decides_by_what_it_says_now(tmp_path: Path) -> None:
    now = [time.time()]
    checked = verifier(tmp_path, clock=lambda: now[0])
    good = f"Bearer {token()}"
    assert (await checked.verify(good)).client == "tester"
    now[0] += 3600
    with pytest.raises(RefusalError, match="expired"):
        await checked.verify(good)
    now[0] -= 7200
    with pytest.raises(RefusalError, match="future"):
        await checked.verify(good)
    now[0] += 3600
    assert (await checked.verify(good)).client == "tester"


def test_short_rsa_keys_and_encryption_keys_are_not_taken() -> None:
    with pytest.warns(SecurityWarning):
        short = RSAKey.generate_key(1024, parameters={"kid": "short"}).as_dict(private=False)
    encryption = {**KEYS["ec"].as_dict(private=False), "kid": "enc", "use": "enc"}
    symmetric = {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"}
    good = KEYS["ed"].as_dict(private=False)
    assert set(read_key_set(json.dumps({"keys": [short, encryption, symmetric, good, "junk"]}).encode())) == {"ed"}
    with pytest.raises(ValueError, match="no usable"):
        read_key_set(json.dumps({"keys": [short]}).encode())


async def test_a_key_that_has_retired_lets_nobody_in(tmp_path: Path) -> None:
    now = [time.time()]
    checked = verifier(tmp_path, clock=lambda: now[0])
    key = {**KEYS["ed"].as_dict(private=False), "exp": int(now[0]) + 60}
    (tmp_path / "new").write_text(json.dumps({"keys": [key]}))
    (tmp_path / "new").replace(tmp_path / "jwks.json")
    await checked.keys.refresh()
    assert (await checked.verify(f"Bearer {token()}")).client == "tester"
    now[0] += 60
    with pytest.raises(RefusalError, match="retired"):
        await checked.verify(f"Bearer {token()}")


async def test_a_new_key_is_known_as_soon_as_it_is_published(tmp_path: Path) -> None:
    checked = verifier(tmp_path)
    keys = json.loads((tmp_path / "jwks.json").read_text())["keys"]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [key for key in keys if key["kid"] != "ed"]}))
    await checked.keys.refresh()
    with pytest.raises(RefusalError, match="not known"):
        await checked.verify(f"Bearer {token()}")
    (tmp_path / "new").write_text(json.dumps({"keys": keys}))
    (tmp_path / "new").replace(tmp_path / "jwks.json")
    assert (await checked.verify(f"Bearer {token()}")).client == "tester"


@pytest.mark.parametrize("name", ["ed", "ec", "rsa"])
async def test_a_key_set_with_a_private_key_is_refused(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    leaked = KEYS[name].as_dict(private=True)
    async with gateway(tmp_path) as running:
        fresh = OKPKey.generate_key("Ed25519", parameters={"kid": "fresh"}).as_dict(private=False)
        (tmp_path / "new").write_text(json.dumps({"keys": [fresh, leaked]}))
        (tmp_path / "new").replace(tmp_path / "jwks.json")
        await seen(running, 'gateway_stale{file="keys"} 1.0')
        assert (await running.ask(token())).status == 200
    assert "holds a private key" in caplog.text
    assert leaked["d"] not in caplog.text
    with pytest.raises(ValueError, match="private"):
        read_key_set(json.dumps({"keys": [fresh, {**leaked, "use": "enc", "kid": None}]}).encode())


async def test_a_revocation_holds_within_a_second(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        bearer = token(claims={"jti": "soon"})
        assert (await running.ask(bearer)).status == 200
        revoke(tmp_path, {"revoked": {"soon": time.time() + 999}, "clients": {}})
        revoked = time.monotonic()
        while (await running.ask(bearer)).status != 401:
            assert time.monotonic() - revoked < 1.5, "still let in"
            await asyncio.sleep(0.02)


async def test_a_damaged_revocation_file_does_not_let_anybody_back_in(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        for count, content in enumerate(("", "{", '{"revoked": []}', '{"revoked": {}}'), start=1):
            revoke(tmp_path, content)
            await seen(running, f'gateway_reload_failures_total{{file="revocations"}} {count}.0')
            await seen(running, 'gateway_stale{file="revocations"} 1.0')
            assert (await running.ask(token(claims={"jti": "revoked-id"}))).status == 401
            assert (await running.ask(token())).status == 200
        revoke(tmp_path, {"revoked": {}, "clients": {}})
        await seen(running, 'gateway_stale{file="revocations"} 0.0')
        await seen(running, 'gateway_stale{file="keys"} 0.0')


async def test_a_key_set_is_stale_when_two_refreshes_have_failed() -> None:
    answers, now = [200], [1000.0]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"keys": [KEYS["ed"].as_dict(private=False)]}, status=answers[-1])

    app = web.Application()
    app.router.add_get("/jwks", answer)
    async with TestServer(app) as issuer, aiohttp.ClientSession() as session:
        url = str(issuer.make_url("/jwks"))
        keys = RemoteKeys(session, issuer=ISSUER, url=url, ca_file="", clock=lambda: now[0])
        stale = [keys.stale]
        for status, later in ((200, 0.0), (500, REFRESH_S), (500, REFRESH_S), (200, MISS_INTERVAL_S)):
            answers[-1] = status
            now[0] += later
            await keys.refresh()
            stale.append(keys.stale)
            assert await keys.find("ed") is not None
        assert stale == [True, False, False, True, False]
        assert keys.failures == 2


async def seen(running: Running, line: str) -> None:
    """Wait until the metrics say so."""
    deadline = time.monotonic() + 5
    while line not in await running.metrics():
        assert time.monotonic() < deadline, line
        await asyncio.sleep(0.02)
