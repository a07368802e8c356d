"""The built-in issuer: its tokens verify, are bounded, registered and revocable, and its files are as they must be."""

from __future__ import annotations

import contextlib
import json
import threading
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, SecurityWarning
from joserfc.jwk import KeySet

from lifecycle import tokens
from lifecycle.durations import format_duration, parse_duration
from lifecycle.register import IssuerFiles
from lifecycle.tokens import Rotated, Token, ensure_issuer, issue, list_tokens, publish_key, revoke, sign_with
from planner.errors import DeployError, LockedError, UsageError
from planner.layout import Layout
from planner.plan import Plan
from tests.lifecycle.stack import PLAN, layout_in, make_plan

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
HOUR = 3600


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_in(tmp_path)


def new(layout: Layout, client: str = "alice", ttl_s: int = HOUR, now: datetime = NOW) -> Token:
    return issue(PLAN, layout, client=client, ttl_s=ttl_s, scopes=("inference",), now=now)


def rotate(plan: Plan, layout: Layout, *, now: datetime) -> Rotated:
    return sign_with(plan, layout, publish_key(plan, layout), now=now)


def decode(token: str, layout: Layout, algorithm: str = "EdDSA") -> jwt.Token:
    """Verify as the gateway does: with nothing but the published key set."""
    keys = KeySet.import_key_set(json.loads(IssuerFiles.of(layout).key_set.read_text()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.decode(token, keys, algorithms=[algorithm])


def revocations(layout: Layout) -> dict[str, dict[str, int]]:
    content: dict[str, dict[str, int]] = json.loads(IssuerFiles.of(layout).revocations.read_text())
    return content


def everything_in(layout: Layout) -> str:
    return "\n".join(path.read_text() for path in Path(layout.stack).rglob("*") if path.is_file())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# Issuing


def test_token_is_what_the_gateway_verifies(layout: Layout) -> None:
    token = new(layout)
    verified = decode(token.token, layout)
    assert verified.header["typ"] == "at+jwt"
    assert verified.header["alg"] == "EdDSA"
    assert verified.claims == {
        "iss": PLAN.identity.issuer,
        "aud": PLAN.identity.audience,
        "sub": "alice",
        "client_id": "alice",
        "scope": "inference",
        "iat": int(NOW.timestamp()),
        "nbf": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + HOUR,
        "jti": token.jti,
    }
    assert token.expires_at == NOW + timedelta(hours=1)


def test_plan_chooses_the_name_of_the_algorithm(layout: Layout) -> None:
    plan = make_plan(algorithms=("ES256", "Ed25519"))
    token = issue(plan, layout, client="a", ttl_s=60, scopes=("inference",), now=NOW)
    assert decode(token.token, layout, "Ed25519").header["alg"] == "Ed25519"
    with pytest.raises(UsageError, match="no algorithm"):
        ensure_issuer(make_plan(algorithms=("RS256",)), layout_in(Path(layout.stack) / "other"))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    client=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", fullmatch=True),
    ttl_s=st.integers(min_value=1, max_value=24 * HOUR),
    seconds=st.integers(min_value=0, max_value=10**9),
    scopes=st.lists(st.sampled_from(["inference", "observe"]), min_size=1, max_size=2, unique=True),
)
def test_every_token_round_trips(layout: Layout, client: str, ttl_s: int, seconds: int, scopes: list[str]) -> None:
    now = NOW + timedelta(seconds=seconds)
    token = issue(PLAN, layout, client=client, ttl_s=ttl_s, scopes=tuple(scopes), now=now)
    claims = decode(token.token, layout).claims
    assert claims["sub"] == claims["client_id"] == client
    assert claims["exp"] - claims["nbf"] == ttl_s
    assert claims["scope"].split() == scopes
    assert list_tokens(PLAN, layout)[-1].jti == token.jti == claims["jti"]


def test_neither_token_nor_key_is_kept_where_it_should_not_be(layout: Layout) -> None:
    token = new(layout)
    paths = IssuerFiles.of(layout)
    assert token.token not in everything_in(layout)
    assert token.token.split(".")[2] not in everything_in(layout)
    assert token.token not in repr(token)
    private = json.loads(paths.keys.read_text())["keys"][0]["d"]
    for path in (paths.key_set, paths.register, paths.revocations):
        assert private not in path.read_text()
    assert '"d"' not in paths.key_set.read_text()


def test_modes(layout: Layout) -> None:
    new(layout)
    paths = IssuerFiles.of(layout)
    assert mode(paths.keys) == mode(paths.register) == 0o600
    assert mode(paths.key_set) == mode(paths.revocations) == 0o644
    assert mode(paths.keys.parent) == mode(paths.register.parent) == 0o700


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ttl_s": 24 * HOUR + 1}, "lives at most 1d"),
        ({"ttl_s": 0}, "lives at most 1d"),
        ({"ttl_s": -5}, "lives at most 1d"),
        ({"client": ""}, "cannot be the name"),
        ({"client": "a b"}, "cannot be the name"),
        ({"client": "a\n"}, "cannot be the name"),
        ({"client": "ä"}, "cannot be the name"),
        ({"client": "-rf"}, "cannot be the name"),
        ({"client": "a" * 64}, "cannot be the name"),
        ({"scopes": ()}, "needs a scope"),
        ({"scopes": ("inference", "admin")}, "asks for the scope 'admin'"),
        ({"scopes": ("inference observe",)}, "asks for the scope"),
    ],
)
def test_refused_and_nothing_registered(layout: Layout, change: dict[str, Any], why: str) -> None:
    request: dict[str, Any] = {"client": "alice", "ttl_s": HOUR, "scopes": ("inference",), "now": NOW, **change}
    with pytest.raises(UsageError, match=why) as caught:
        issue(PLAN, layout, **request)
    assert caught.value.hint
    assert list_tokens(PLAN, layout) == ()


def test_foreign_issuer_is_refused_everywhere(layout: Layout) -> None:
    plan = make_plan(built_in=False, issuer="https://login.example.test")
    calls: list[Callable[[], object]] = [
        lambda: ensure_issuer(plan, layout),
        lambda: rotate(plan, layout, now=NOW),
        lambda: issue(plan, layout, client="a", ttl_s=60, scopes=("inference",), now=NOW),
        lambda: list_tokens(plan, layout),
        lambda: revoke(plan, layout, now=NOW, everything=True),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"https://login\.example\.test") as caught:
            call()
        assert "identity.issuer" in caught.value.hint
    assert not Path(layout.stack).exists()


# Keys


def test_second_call_changes_nothing(layout: Layout) -> None:
    ensure_issuer(PLAN, layout)
    before = everything_in(layout)
    ensure_issuer(PLAN, layout)
    assert everything_in(layout) == before


def test_older_tokens_stay_good_beside_a_new_key(layout: Layout) -> None:
    old = new(layout)
    rotated = rotate(PLAN, layout, now=NOW)
    fresh = new(layout, "bob")
    assert decode(fresh.token, layout).header["kid"] == rotated.kid
    assert decode(old.token, layout).header["kid"] == rotated.retiring[0].kid
    assert decode(old.token, layout).claims["sub"] == "alice"


def published(layout: Layout) -> list[str]:
    return [key["kid"] for key in json.loads(IssuerFiles.of(layout).key_set.read_text())["keys"]]


def test_an_older_key_retires_when_its_last_token_must_have_expired(layout: Layout) -> None:
    longest = timedelta(seconds=PLAN.identity.max_lifetime_s + PLAN.identity.leeway_s)
    first = rotate(PLAN, layout, now=NOW)
    (zeroth,) = first.retiring
    assert zeroth.until == NOW + longest
    second = rotate(PLAN, layout, now=NOW + timedelta(hours=1))
    assert [(key.kid, key.until) for key in second.retiring] == [
        (zeroth.kid, NOW + longest),
        (first.kid, NOW + timedelta(hours=1) + longest),
    ]
    assert published(layout) == [zeroth.kid, first.kid, second.kid]
    new(layout, now=NOW + longest - timedelta(seconds=1))
    assert published(layout) == [zeroth.kid, first.kid, second.kid]
    new(layout, now=NOW + longest)
    assert published(layout) == [first.kid, second.kid]
    third = rotate(PLAN, layout, now=NOW + 2 * longest)
    assert [key.kid for key in third.retiring] == [second.kid]
    assert published(layout) == [second.kid, third.kid]
    assert '"d"' not in IssuerFiles.of(layout).key_set.read_text()


def test_key_set_that_got_lost_or_changed_is_published_again(layout: Layout) -> None:
    token = new(layout)
    paths = IssuerFiles.of(layout)
    damages: list[Callable[[], object]] = [paths.key_set.unlink, lambda: paths.key_set.write_text('{"keys": []}')]
    for damage in damages:
        damage()
        ensure_issuer(PLAN, layout)
        assert decode(token.token, layout).claims["jti"] == token.jti


@pytest.mark.parametrize("name", ["keys", "register", "revocations"])
@pytest.mark.parametrize("content", ["", "{", '{"keys": [{"kty": "OKP"}], "tokens": 1, "revoked": 1}'])
def test_damaged_files_are_reported_and_left_alone(layout: Layout, name: str, content: str) -> None:
    new(layout)
    path = getattr(IssuerFiles.of(layout), name)
    path.write_text(content)
    with pytest.raises(DeployError, match="cannot be read") as caught:
        revoke(PLAN, layout, now=NOW, client="alice")
    assert "backup" in caught.value.hint
    assert path.read_text() == content


# The register


def test_register_tells_what_was_issued(layout: Layout) -> None:
    first, second = new(layout), new(layout, "bob", ttl_s=2 * HOUR)
    listed = list_tokens(PLAN, layout)
    assert [(t.jti, t.client) for t in listed] == [(first.jti, "alice"), (second.jti, "bob")]
    assert [t.state(NOW) for t in listed] == ["active", "active"]
    assert [t.state(NOW + timedelta(hours=1)) for t in listed] == ["expired", "active"]


def test_register_forgets_what_expired_long_ago(layout: Layout) -> None:
    old = new(layout)
    new(layout, now=NOW + timedelta(days=29))
    assert old.jti in {t.jti for t in list_tokens(PLAN, layout)}
    new(layout, now=NOW + timedelta(days=31))
    assert old.jti not in {t.jti for t in list_tokens(PLAN, layout)}


def test_two_at_once_lose_nothing(layout: Layout) -> None:
    ensure_issuer(PLAN, layout)
    threads = [threading.Thread(target=new, args=(layout, f"client-{n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {t.client for t in list_tokens(PLAN, layout)} == {f"client-{n}" for n in range(12)}


def test_a_held_lock_is_reported(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    ensure_issuer(PLAN, layout)
    monkeypatch.setattr("lifecycle.register.LOCK_TIMEOUT_S", 0.05)
    with (
        filelock.FileLock(IssuerFiles.of(layout).register.with_suffix(".lock")),
        pytest.raises(LockedError, match="another command"),
    ):
        new(layout)


# Revocation


def test_revoke_one(layout: Layout) -> None:
    first, second = new(layout), new(layout)
    ended = revoke(PLAN, layout, now=NOW, jti=first.jti)
    assert [t.jti for t in ended] == [first.jti]
    assert revocations(layout) == {"revoked": {first.jti: int(first.expires_at.timestamp())}, "clients": {}}
    assert {t.jti: t.state(NOW) for t in list_tokens(PLAN, layout)} == {first.jti: "revoked", second.jti: "active"}
    assert revoke(PLAN, layout, now=NOW, jti=first.jti) == ()


def test_revoke_a_client(layout: Layout) -> None:
    mine, other = [new(layout), new(layout)], new(layout, "bob")
    ended = revoke(PLAN, layout, now=NOW + timedelta(minutes=1), client="alice")
    assert {t.jti for t in ended} == {t.jti for t in mine}
    assert revocations(layout)["clients"] == {"alice": int(NOW.timestamp()) + 60}
    assert set(revocations(layout)["revoked"]) == {t.jti for t in mine}
    assert other.jti not in revocations(layout)["revoked"]


def test_revoking_a_client_ends_what_it_has_and_not_what_it_gets(layout: Layout) -> None:
    old, other = new(layout), new(layout, "bob")
    revoke(PLAN, layout, now=NOW, client="alice")
    fresh = new(layout)
    listed = revocations(layout)

    def refused(token: Token) -> bool:
        """Decide as the gateway does: by id, or by client and time of issue."""
        claims = decode(token.token, layout).claims
        return claims["jti"] in listed["revoked"] or claims["iat"] <= listed["clients"].get(claims["sub"], -1)

    assert [refused(token) for token in (old, other, fresh)] == [True, False, False]


def test_revoke_a_client_that_no_register_knows(layout: Layout) -> None:
    assert revoke(PLAN, layout, now=NOW, client="ghost") == ()
    assert revocations(layout)["clients"] == {"ghost": int(NOW.timestamp())}


def test_token_issued_in_the_second_of_a_revocation_is_good(layout: Layout) -> None:
    revoke(PLAN, layout, now=NOW, client="alice")
    claims = decode(new(layout).token, layout).claims
    assert claims["iat"] > revocations(layout)["clients"]["alice"]
    assert claims["iat"] <= int(NOW.timestamp()) + PLAN.identity.leeway_s


def test_revoke_all_holds_for_tokens_that_no_register_remembers(layout: Layout) -> None:
    known = new(layout)
    forgotten = new(layout, "bob")
    paths = IssuerFiles.of(layout)
    paths.register.write_text(
        json.dumps({"tokens": [t for t in json.loads(paths.register.read_text())["tokens"] if t["client"] == "alice"]})
    )
    assert [t.jti for t in revoke(PLAN, layout, now=NOW, everything=True)] == [known.jti]
    for token in (known, forgotten):
        with pytest.raises(InvalidKeyIdError):
            decode(token.token, layout)
    assert decode(new(layout, "carol").token, layout).claims["sub"] == "carol"


def test_revocations_are_forgotten_when_tokens_have_expired_anyway(layout: Layout) -> None:
    token = new(layout)
    revoke(PLAN, layout, now=NOW, client="alice")
    inside = NOW + timedelta(hours=1, seconds=PLAN.identity.leeway_s)
    revoke(PLAN, layout, now=inside, client="bob")
    assert token.jti in revocations(layout)["revoked"], "the gateway's leeway has not passed"
    revoke(PLAN, layout, now=inside + timedelta(seconds=1), client="bob")
    assert token.jti not in revocations(layout)["revoked"]
    assert "alice" in revocations(layout)["clients"]
    revoke(PLAN, layout, now=NOW + timedelta(days=1, seconds=PLAN.identity.leeway_s + 1), client="bob")
    assert "alice" not in revocations(layout)["clients"]


def test_clock_that_was_set_back_brings_nothing_back(layout: Layout) -> None:
    revoke(PLAN, layout, now=NOW, client="alice")
    earlier = NOW - timedelta(hours=1)
    revoke(PLAN, layout, now=earlier, client="alice")
    assert revocations(layout)["clients"] == {"alice": int(NOW.timestamp())}
    with pytest.raises(DeployError, match="still to come") as caught:
        new(layout, now=earlier)
    assert "clock" in caught.value.hint


def test_a_token_that_just_expired_is_still_revoked(layout: Layout) -> None:
    """The gateway's clock may be behind, and its leeway lets such a token in."""
    token = new(layout)
    assert revoke(PLAN, layout, now=token.expires_at + timedelta(seconds=5), jti=token.jti)
    assert token.jti in revocations(layout)["revoked"]


@pytest.mark.parametrize("what", [{}, {"jti": "x", "client": "y"}, {"client": "y", "everything": True}])
def test_it_must_be_clear_what_to_revoke(layout: Layout, what: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="not clear"):
        revoke(PLAN, layout, now=NOW, **what)


def test_unknown_id_is_an_error(layout: Layout) -> None:
    with pytest.raises(UsageError, match="no token of this stack has the id 'nope'") as caught:
        revoke(PLAN, layout, now=NOW, jti="nope")
    assert "deploy token list" in caught.value.hint


def test_client_names_are_those_of_the_pattern() -> None:
    assert tokens.CLIENT.fullmatch("team-a.batch_1@example")


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("1h30m", 5400), ("7d", 604800), ("1d2h3m4s", 93784), ("90m", 5400), ("0h5s", 5)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0s", "5", "1.5h", "-1h", "1h 30m", "30m1h", "1h1h", "1H", "1w", "h", " 1h", "1h\n", "٣h", "9" * 9 + "d"],
)
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError, match="is no duration") as caught:
        parse_duration(text)
    assert "1h30m" in caught.value.hint


@given(st.integers(min_value=1, max_value=10**9))
def test_durations_round_trip(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text(alphabet="0123456789dhms .-", max_size=12))
def test_parsing_refuses_or_gives_seconds(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert parse_duration(text) > 0
