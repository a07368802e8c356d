"""`python -m sandbox.vllm_sim`: serve until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

from aiohttp import web

from sandbox.vllm_sim import IMITATED_VERSION, NAME
from sandbox.vllm_sim.app import build_app
from sandbox.vllm_sim.clock import MonotonicClock
from sandbox.vllm_sim.options import Options, parse

_log = logging.getLogger(NAME)

_AT_ONCE_SECONDS = 0.001
"""aiohttp takes a shutdown timeout of 0 for none, and would wait for the last request."""


def main() -> int:
    """Read the command line and serve; return the exit status."""
    options = parse(sys.argv[1:], os.environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        _log.error("cannot listen on %s port %d: %s", options.host, options.port, error.strerror or error)
        return 1
    return 0


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        build_app(options, MonotonicClock()),
        access_log=None,
        handler_cancellation=True,  # a client that goes away frees its slot
        keepalive_timeout=options.keep_alive_seconds,
        shutdown_timeout=max(options.shutdown_seconds, _AT_ONCE_SECONDS),
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, options.host, options.port).start()
        host, port = runner.addresses[0][:2]
        _log.info("imitating vLLM %s, serving %s on http://%s:%d", IMITATED_VERSION, options.models[0], host, port)
        await stop.wait()
        _log.info("stopping")
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
