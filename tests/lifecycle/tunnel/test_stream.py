"""The tunnel against a stand-in endpoint: signature, frames, limits, ends, and readers that are slow."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from lifecycle.aws.session import AwsSession
from lifecycle.hosts.inventory import Host
from lifecycle.tunnel.endpoint import Endpoint, Target, signed_url
from lifecycle.tunnel.reach import Entrance, NodeReach
from lifecycle.tunnel.stream import (
    TunnelBrokenError,
    TunnelExpiredError,
    TunnelForbiddenError,
    TunnelRefusedError,
    TunnelStream,
    carry,
    open_stream,
)
from planner.errors import DeployError
from planner.progress import Silent
from tests.lifecycle.tunnel.standin_endpoint import (
    ADDRESS,
    ENDPOINT_ID,
    HOST,
    LONGEST_FRAME,
    REGION,
    StandInEndpoint,
    lead_there,
    standing_in,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

MIB = 1 << 20
ENDPOINT = Endpoint(id=ENDPOINT_ID, host=HOST)
NODE = Host(name="gpu-0", address="i-0123456789abcdef0", user="ubuntu")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends back what it gets, and ends when its client ends."""
    with served(_echo) as address:
        yield address


@pytest.fixture
def endpoint(tmp_path: Path, echo: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInEndpoint]:
    with standing_in(tmp_path, echo) as made:
        lead_there(monkeypatch, made)
        yield made


@contextlib.contextmanager
def served(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=each, args=(near,), daemon=True).start()

    def each(near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            serve(near)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[:2]


def _echo(near: socket.socket) -> None:
    while data := near.recv(65_536):
        near.sendall(data)


@contextlib.contextmanager
def opened(*, address: str = ADDRESS, port: int = 22, duration_s: int = 60) -> Iterator[TunnelStream]:
    session = AwsSession(REGION)
    target = Target(endpoint=ENDPOINT, region=REGION, address=address, port=port, duration_s=duration_s)
    url = signed_url(session, target)
    with contextlib.closing(open_stream(url, duration_s, session.setting("ca_bundle"))) as stream:
        yield stream


def send_all(stream: TunnelStream, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.send(bytes(view)) :]


def read(stream: TunnelStream, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (data := stream.recv(size - len(got))):
        got += data
    return bytes(got)


# What is asked


def test_a_tunnel_is_asked_for_as_aws_documents_it(endpoint: StandInEndpoint) -> None:
    with opened(duration_s=1234) as stream:
        assert stream.send(b"hello") == 5
        assert read(stream, 5) == b"hello"
    (asked,) = endpoint.asked
    assert endpoint.refusals == []
    assert {name: asked[name] for name in asked if not name.startswith("X-Amz")} == {
        "instanceConnectEndpointId": ENDPOINT_ID,
        "remotePort": "22",
        "privateIpAddress": ADDRESS,
        "maxTunnelDuration": "1234",
    }
    assert asked["X-Amz-Credential"].split("/")[2:] == [REGION, "ec2-instance-connect", "aws4_request"]


def test_temporary_credentials_sign_with_their_token(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.token = "a/token+with=signs"
    monkeypatch.setenv("AWS_SESSION_TOKEN", endpoint.token)
    with opened() as stream:
        send_all(stream, b"x")
        assert read(stream, 1) == b"x"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "signature"),
        ({"AWS_ACCESS_KEY_ID": "AKIDOTHER"}, "signature"),
        ({"AWS_SESSION_TOKEN": "unasked"}, "token"),
    ],
)
def test_other_credentials_are_refused(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], why: str
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TunnelForbiddenError, match=why) as refused, opened():
        pass
    assert "ec2-instance-connect:OpenTunnel" in refused.value.hint


@pytest.mark.parametrize(("asked", "why"), [({"address": "10.0.9.9"}, "target"), ({"port": 443}, "target")])
def test_other_targets_are_refused(endpoint: StandInEndpoint, asked: dict[str, Any], why: str) -> None:
    with pytest.raises(TunnelForbiddenError, match=why), opened(**asked):
        pass


def test_a_signed_address_is_worth_nothing_when_changed_or_after_a_minute(endpoint: StandInEndpoint) -> None:
    session = AwsSession(REGION)
    url = signed_url(session, Target(endpoint=ENDPOINT, region=REGION, address=ADDRESS))
    bundle = session.setting("ca_bundle")
    with pytest.raises(TunnelForbiddenError, match="signature"):
        open_stream(url.replace("maxTunnelDuration=3600", "maxTunnelDuration=3599"), 60, bundle)
    endpoint.late_s = 62
    with pytest.raises(TunnelForbiddenError, match="age"):
        open_stream(url, 60, bundle)


def test_without_credentials_nothing_is_asked(endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(DeployError, match="no AWS credentials"), opened():
        pass
    assert endpoint.asked == []


def test_only_the_named_authority_is_trusted(endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(TunnelRefusedError, match="CERTIFICATE_VERIFY_FAILED"), opened():
        pass
    assert endpoint.asked == []


def test_a_proxy_that_refuses_is_named(endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(TunnelRefusedError, match="not reached") as refused, opened():
        pass
    assert "HTTPS_PROXY" in refused.value.hint


# What is carried


def test_much_is_carried_both_ways_at_once_in_frames_of_the_right_size(endpoint: StandInEndpoint) -> None:
    data = random.Random(7).randbytes(16 * MIB)
    with opened() as stream:
        sender = threading.Thread(target=send_all, args=(stream, data))
        sender.start()
        got = read(stream, len(data))
        sender.join()
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    assert max(endpoint.frames) == LONGEST_FRAME
    assert sum(endpoint.frames) == len(data)


def test_a_slow_reader_stops_the_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Far more than the kernel's buffers on the way hold: each of four may grow to 32 MiB.
    sent, total, chunk = [0], 512 * MIB, bytes(MIB)

    def pour(near: socket.socket) -> None:
        for _ in range(total // MIB):
            near.sendall(chunk)
            sent[0] += MIB

    with served(pour) as address, standing_in(tmp_path, address) as endpoint:
        lead_there(monkeypatch, endpoint)
        with opened() as stream:
            assert stream.recv(1) == b"\0"
            wait_until(lambda: stands_still(lambda: sent[0]))
            stood_at = sent[0]
            assert stood_at < total / 2
            assert len(read(stream, 32 * MIB)) == 32 * MIB
            wait_until(lambda: sent[0] > stood_at)


def test_threads_that_close_at_once_all_find_it_closed(
    endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as stream:
        closing, failed = threading.Event(), list[Exception]()
        orderly = stream._websocket.close

        async def slowly() -> None:
            closing.set()
            await asyncio.sleep(0.1)
            await orderly()

        def close() -> None:
            try:
                stream.close()
            except Exception as error:  # noqa: BLE001 - whatever a thread raises would be lost
                failed.append(error)

        monkeypatch.setattr(stream._websocket, "close", slowly)
        first = threading.Thread(target=close)
        first.start()
        closing.wait(5)
        close()
        first.join()
        assert failed == []
    wait_until(lambda: endpoint.closes == [1000])


def stands_still(value: Callable[[], int]) -> bool:
    before = value()
    time.sleep(0.3)
    return before == value() > 0


def test_a_far_side_that_ends_is_the_end_and_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(lambda near: near.sendall(b"bye")) as address, standing_in(tmp_path, address) as endpoint:
        lead_there(monkeypatch, endpoint)
        with opened() as stream:
            assert read(stream, 100) == b"bye"
            assert stream.recv(1) == b""
            assert stream.failure is None


def test_what_is_under_way_arrives_after_the_near_side_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.tunnel.stream.LINGER_S", 0.5)
    got = bytearray()

    def answer_late(near: socket.socket) -> None:
        asked = near.recv(100)
        time.sleep(0.2)  # the near side has ended by now
        near.sendall(asked.upper())
        near.recv(1)  # stays open, and says nothing more

    with served(answer_late) as address, standing_in(tmp_path, address) as endpoint:
        lead_there(monkeypatch, endpoint)
        chunks = iter([b"question", b""])
        with opened() as stream:
            carry(stream, lambda size: next(chunks), got.extend)
        wait_until(lambda: endpoint.closes == [1000])
    assert got == b"QUESTION"


def test_silence_does_not_end_a_tunnel_whose_near_side_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.tunnel.stream.LINGER_S", 0.1)
    got, over = bytearray(), threading.Event()

    def stays_open(size: int) -> bytes:
        over.wait(10)
        return b""

    def answer_late(near: socket.socket) -> None:
        time.sleep(0.5)
        near.sendall(b"at last")

    with served(answer_late) as address, standing_in(tmp_path, address) as endpoint:
        lead_there(monkeypatch, endpoint)
        with opened() as stream:
            carry(stream, stays_open, got.extend)
    over.set()
    assert got == b"at last"


def test_closing_is_told_to_the_endpoint(endpoint: StandInEndpoint) -> None:
    with opened():
        endpoint.wait_for_tunnels(1)
    wait_until(lambda: endpoint.closes == [1000])


# How it ends otherwise


def test_the_time_limit_is_told_as_such(endpoint: StandInEndpoint) -> None:
    with opened(duration_s=1) as stream:
        assert stream.recv(1) == b""
        assert isinstance(stream.failure, TunnelExpiredError)
        assert "Tunnel duration exceeded" in stream.failure.message
        with pytest.raises(BrokenPipeError):
            stream.send(b"more")


def test_who_only_writes_learns_why_it_ended_too(endpoint: StandInEndpoint) -> None:
    def takes_no_more() -> bool:
        try:
            stream.send(b"more")
        except BrokenPipeError:
            return True
        return False

    with opened() as stream:
        endpoint.wait_for_tunnels(1)
        endpoint.cut_all(politely=True)
        wait_until(takes_no_more)
        assert stream.failure is not None
        assert "Tunnel duration exceeded" in stream.failure.message


@pytest.mark.parametrize("politely", [True, False])
def test_an_endpoint_that_ends_it_in_the_middle_is_a_failure(endpoint: StandInEndpoint, politely: bool) -> None:
    with opened() as stream:
        send_all(stream, b"x")
        assert read(stream, 1) == b"x"
        endpoint.cut_all(politely=politely)
        assert stream.recv(1) == b""
        assert type(stream.failure) is TunnelBrokenError


def test_carrying_over_a_tunnel_that_breaks_says_so(endpoint: StandInEndpoint) -> None:
    forever = threading.Event()

    def never(size: int) -> bytes:
        forever.wait(10)
        return b""

    with opened() as stream:
        threading.Timer(0.2, endpoint.cut_all).start()
        with pytest.raises(TunnelBrokenError):
            carry(stream, never, lambda data: None)
    forever.set()


def test_text_is_no_stream(endpoint: StandInEndpoint) -> None:
    def say(connection: ServerConnection) -> None:
        connection.send("Invalid request")
        with contextlib.suppress(ConnectionClosed):
            connection.recv()

    endpoint.instead = say
    with opened() as stream:
        assert stream.recv(1) == b""
        assert stream.failure is not None
        assert "Invalid request" in stream.failure.message


def test_a_read_that_waits_too_long_says_so_and_the_stream_lives_on(endpoint: StandInEndpoint) -> None:
    with opened() as stream:
        stream.settimeout(0.05)
        with pytest.raises(TimeoutError):
            stream.recv(1)
        send_all(stream, b"later")
        stream.settimeout(5)
        assert read(stream, 5) == b"later"


# The limit of tunnels


def reach(pause: Callable[[float], None]) -> NodeReach:
    entrance = Entrance(stack="s", region=REGION, endpoint_id=ENDPOINT_ID, addresses={NODE.address: ADDRESS})
    made = NodeReach(AwsSession(REGION), entrance, Silent(), pause=pause)
    made._endpoint = ENDPOINT
    return made


def test_the_twenty_first_tunnel_waits_for_a_place(endpoint: StandInEndpoint) -> None:
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            first.close()
            endpoint.wait_for_tunnels(19)

    way = reach(pause)
    with contextlib.ExitStack() as stack:
        first, *_ = [stack.enter_context(contextlib.closing(way.dial(NODE))) for _ in range(20)]
        last = stack.enter_context(contextlib.closing(way.dial(NODE)))
        send_all(last, b"in")
        assert read(last, 2) == b"in"
    assert waits == [1, 2]
    assert endpoint.refusals == ["full", "full"]


def test_an_endpoint_that_stays_full_is_given_up(endpoint: StandInEndpoint) -> None:
    endpoint.most = 0
    waits: list[float] = []
    with pytest.raises(TunnelRefusedError, match="429") as refused:
        reach(waits.append).dial(NODE)
    assert waits == [1, 2, 4, 8]
    assert "20 tunnels" in refused.value.hint


def test_what_is_forbidden_is_not_tried_again(endpoint: StandInEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(TunnelForbiddenError):
        reach(lambda seconds: pytest.fail("it was tried again")).dial(NODE)
    assert len(endpoint.asked) == 1
