"""Serving one engine, and ending with it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

WORKERS = 32
"""Requests at once: the engine sends four for each processor unless told otherwise."""
GRACE_S = 10.0
"""How long what is under way may take when the engine has gone."""
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def start(servicer: provider_pb2_grpc.ResourceProviderServicer) -> tuple[grpc.Server, int]:
    """Serve on a loopback port that is free, and return the port."""
    server = grpc.server(ThreadPoolExecutor(WORKERS, "request"), options=_UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def serve(servicer: provider_pb2_grpc.ResourceProviderServicer, engine: str | None) -> None:
    """Serve until asked to end, or until the engine has gone.

    Args:
        servicer: the provider.
        engine: the engine's address; None when somebody else starts and ends this process.

    """
    server, port = start(servicer)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    watched = _watch(engine, ended) if engine else None
    sys.stdout.write(f"{port}\n")  # the engine reads it
    sys.stdout.flush()
    ended.wait()
    if watched is not None:
        watched.close()
    server.stop(GRACE_S).wait(GRACE_S)
    os._exit(0)  # a request that still waits for the account must not keep the process: nobody hears its answer


def _watch(engine: str, ended: threading.Event) -> grpc.Channel:
    """Note when the engine can no longer be reached: if it was killed, nobody else ends this process.

    Returns:
        What is watched, to be kept as long as it is to be watched.

    """
    channel = grpc.insecure_channel(engine, [("grpc.client_idle_timeout_ms", 2**31 - 1)])  # silence is no end
    been = set[grpc.ChannelConnectivity]()

    def changed(state: grpc.ChannelConnectivity) -> None:
        lost = state == grpc.ChannelConnectivity.IDLE and grpc.ChannelConnectivity.READY in been
        if lost or state == grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            ended.set()
        been.add(state)

    channel.subscribe(changed, try_to_connect=True)
    return channel
