"""The server as it is run: a process of its own, in real time."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port, and its URL."""
    command = [sys.executable, "-m", "sandbox.vllm_sim", "--served-model-name", "tiny", "--port", "0", *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        try:
            said = server.stderr.readline()
            address = re.search(r"serving tiny on (http://\S+)", said)
            assert address is not None, said
            yield server, address[1]
        finally:
            server.kill()


def test_streams_in_real_time_and_stops_when_told() -> None:
    """Twenty steps of 20 ms take 400 ms, however late each wake-up is; SIGTERM cuts off what still runs."""
    rates = ("--prefill-tokens-per-second", "inf", "--decode-step-seconds", "0.02")
    body = {"prompt": "x", "max_tokens": 21, "ignore_eos": True, "stream": True}
    with process(*rates) as (server, url), httpx.Client(base_url=url) as client:
        arrivals = []
        with client.stream("POST", "/v1/completions", json=body) as answer:
            arrivals = [time.monotonic() for line in answer.iter_lines() if line.startswith("data: {")]
        assert len(arrivals) == 21
        assert arrivals[-1] - arrivals[0] == pytest.approx(0.4, abs=0.1)

        with client.stream("POST", "/v1/completions", json=body | {"max_tokens": 4000}) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.send_signal(signal.SIGTERM)
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
        assert server.wait(5) == 0


def test_lets_requests_end_when_told_to() -> None:
    body = {"prompt": "x", "max_tokens": 30, "ignore_eos": True, "stream": True}
    with process("--shutdown-timeout", "10") as (server, url), httpx.Client(base_url=url) as client:
        with client.stream("POST", "/v1/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.send_signal(signal.SIGTERM)
            assert [line for line in lines if line][-1] == "data: [DONE]"
        assert server.wait(5) == 0


def test_port_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "sandbox.vllm_sim", "--served-model-name", "tiny", "--port", port]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=ROOT, check=False)
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in result.stderr
    assert "Traceback" not in result.stderr
