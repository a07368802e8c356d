"""What the metadata service and a block's times say, and what the gateway is told; the service is a stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway import reclaim
from gateway.reclaim import Metadata, Notice, UnansweredError, Watch, maintenance_notice, spot_notice
from tests.gateway.support import gateway, token

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@dataclass
class StandInMetadata:
    """The instance metadata service, version 2: no answer without a token that it gave."""

    answers: dict[str, str] = field(default_factory=dict)
    token: str = "t1"
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def metadata() -> Iterator[StandInMetadata]:
    stand_in = StandInMetadata()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            stand_in.asked.append(f"PUT {self.path}")
            self.reply(200, stand_in.token)

        def do_GET(self) -> None:
            stand_in.asked.append(f"GET {self.path}")
            if self.headers["X-aws-ec2-metadata-token"] != stand_in.token:
                self.reply(401, "")
                return
            text = stand_in.answers.get(self.path.removeprefix("/latest/meta-data/"))
            self.reply(404 if text is None else 200, text or "")

        def reply(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield stand_in
        finally:
            server.shutdown()
            thread.join()


def event(code: str, begins: datetime, state: str = "active") -> dict[str, str]:
    """A scheduled event as EC2's documentation shows it."""
    return {
        "NotBefore": begins.strftime("%-d %b %Y %H:%M:%S GMT"),
        "Code": code,
        "Description": "scheduled",
        "EventId": "instance-event-0d59937288b749b32",
        "NotAfter": (begins + timedelta(hours=2)).strftime("%-d %b %Y %H:%M:%S GMT"),
        "State": state,
    }


@pytest.mark.parametrize(
    ("seconds", "code", "state", "due"),
    [
        (600, "system-reboot", "active", False),
        (110, "system-reboot", "active", True),
        (110, "instance-stop", "active", True),
        (-300, "instance-retirement", "active", True),
        (-1000, "system-maintenance", "active", False),
        (110, "instance-stop", "completed", False),
        (110, "something-else", "active", False),
    ],
)
def test_maintenance_events(seconds: int, code: str, state: str, due: bool) -> None:
    begins = NOW + timedelta(seconds=seconds)
    noticed = maintenance_notice(json.dumps([event(code, begins, state)]).encode(), NOW)
    assert noticed == (Notice(reason="host-maintenance", at=begins) if due else None)


def test_no_answer_is_no_notice() -> None:
    assert spot_notice(None) is None
    assert maintenance_notice(None, NOW) is None
    assert maintenance_notice(b"[]", NOW) is None


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"action":"stop"}', b'{"time":"soon"}', b"<html>"])
def test_what_is_no_notice_is_an_error(answer: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        spot_notice(answer)


def test_a_token_is_asked_for_once_and_again_when_it_is_no_longer_taken() -> None:
    with metadata() as service:
        client = Metadata(service.url)
        assert client.read("spot/instance-action") is None
        assert client.read("spot/instance-action") is None
        assert [asked[:3] for asked in service.asked] == ["PUT", "GET", "GET"]
        service.token = "t2"
        service.answers["spot/instance-action"] = "{}"
        assert client.read("spot/instance-action") == b"{}"
        assert [asked[:3] for asked in service.asked[3:]] == ["GET", "PUT", "GET"]


def test_a_service_that_is_not_there_says_so() -> None:
    with pytest.raises(UnansweredError, match=r"127\.0\.0\.1:9"):
        Metadata("http://127.0.0.1:9").read("spot/instance-action")


async def test_an_interruption_drains_and_its_end_takes_requests_again(tmp_path: Path) -> None:
    with metadata() as service:
        async with gateway(tmp_path) as running:
            watch = Watch(Metadata(service.url), str(running.admin.make_url("")), None)
            now = datetime.now(UTC)
            assert await asyncio.to_thread(watch.look, now) is None
            assert (await running.ask(token())).status == 200

            taken = (now + timedelta(seconds=118)).replace(microsecond=0)
            notice = {"action": "terminate", "time": taken.strftime("%Y-%m-%dT%H:%M:%SZ")}
            service.answers["spot/instance-action"] = json.dumps(notice)
            assert await asyncio.to_thread(watch.look, now) == Notice(reason="spot-interruption", at=taken)
            refused = await running.ask(token())
            assert refused.status == 503
            assert 100 < int(refused.headers["Retry-After"]) <= 118

            del service.answers["spot/instance-action"]
            assert await asyncio.to_thread(watch.look, now) is None
            assert (await running.ask(token())).status == 200


async def test_a_block_is_left_at_its_time_which_an_extension_moves(tmp_path: Path) -> None:
    times = tmp_path / "times.json"

    def write(reclaim_at: datetime) -> None:
        stop = reclaim_at - timedelta(minutes=20)
        times.write_text(json.dumps({"stop_taking_at": stop.isoformat(), "reclaim_at": reclaim_at.isoformat()}))

    with metadata() as service:
        async with gateway(tmp_path) as running:
            watch = Watch(Metadata(service.url), str(running.admin.make_url("")), times)
            write(NOW + timedelta(minutes=21))
            assert await asyncio.to_thread(watch.look, NOW) is None
            write(NOW + timedelta(minutes=19))
            noticed = await asyncio.to_thread(watch.look, NOW)
            assert noticed == Notice(reason="capacity-block-end", at=NOW + timedelta(minutes=19))
            assert (await running.ask(token())).status == 503
            write(NOW + timedelta(days=7))
            assert await asyncio.to_thread(watch.look, NOW) is None
            assert (await running.ask(token())).status == 200


async def test_what_cannot_be_asked_neither_drains_nor_ends_a_drain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    times = tmp_path / "times.json"
    with metadata() as service:
        async with gateway(tmp_path) as running:
            watch = Watch(Metadata(service.url), str(running.admin.make_url("")), times)
            for _ in range(3):  # the file is missing: told once, and the metadata is asked all the same
                assert await asyncio.to_thread(watch.look, NOW) is None
            assert len([record for record in caplog.records if "block's end" in record.message]) == 1
            begins = (NOW + timedelta(seconds=60)).replace(microsecond=0)
            service.answers["events/maintenance/scheduled"] = json.dumps([event("instance-stop", begins)])
            assert await asyncio.to_thread(watch.look, NOW) is not None
            assert (await running.ask(token())).status == 503
            service.answers["events/maintenance/scheduled"] = "<html>"
            assert await asyncio.to_thread(watch.look, NOW) is None
            assert (await running.ask(token())).status == 503


def test_a_gateway_that_does_not_answer_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    with metadata() as service:
        service.answers["spot/instance-action"] = '{"action":"stop","time":"2026-11-21T12:02:00Z"}'
        watch = Watch(Metadata(service.url), "http://127.0.0.1:9", None)
        assert watch.look(NOW) is not None
        assert watch.look(NOW) is not None
        assert [record.message for record in caplog.records if record.message.startswith("gateway")] != []


@pytest.mark.slow
def test_the_program_looks_by_itself() -> None:
    with metadata() as service:
        command = [sys.executable, "-m", "gateway.reclaim", "--gateway", "http://127.0.0.1:9"]
        process = subprocess.Popen([*command, "--metadata", service.url], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        service.answers["spot/instance-action"] = '{"action":"stop","time":"2026-11-21T12:02:00Z"}'
        try:
            assert process.stdout is not None
            assert "gateway" in process.stdout.readline()
        finally:
            process.kill()
            process.communicate()
    assert "GET /latest/meta-data/spot/instance-action" in service.asked
    assert reclaim.LOOK_EVERY_S == 5.0
