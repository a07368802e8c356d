"""`python -m gateway --config FILE`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path

from aiohttp import web

from gateway.app import running
from gateway.config import Config, ConfigError, address, load

DRAIN_S = 20.0
"""How long streams may go on after SIGTERM."""


def main() -> int:
    """Run until told to end; return the exit code."""
    parser = argparse.ArgumentParser(prog="gateway", description="Verifies, limits and passes on inference requests.")
    parser.add_argument("--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--check", action="store_true", help="read the configuration, say whether it is good, and end")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        config = load(arguments.config)
        if not arguments.check:
            asyncio.run(serve(config))
    except (ConfigError, OSError, ValueError) as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    return 0


async def serve(config: Config) -> None:
    """Listen on both addresses until SIGTERM or SIGINT; then refuse new requests and let streams end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(config) as (public, admin):
        # A request whose client has left is cancelled, and with it the engine's work on it.
        runners = [
            web.AppRunner(
                app, access_log=None, handler_cancellation=True, shutdown_timeout=DRAIN_S, keepalive_timeout=75
            )
            for app in (public, admin)
        ]
        backlogs = (config.limits.max_connections, 16)
        for runner, where, backlog in zip(runners, (config.listen, config.admin_listen), backlogs, strict=True):
            await runner.setup()
            await web.SockSite(runner, _bound(*address(where)), backlog=backlog).start()
        await stop.wait()
        await asyncio.gather(*(runner.cleanup() for runner in runners))


def _bound(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


if __name__ == "__main__":
    sys.exit(main())
