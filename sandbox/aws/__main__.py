"""Run the emulated account: `python -m sandbox.aws --port N --region us-east-2`."""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
from types import FrameType

from sandbox.aws.environment import prepare
from sandbox.aws.isolation import is_loopback, stay_on_this_machine


def _stop(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum if signum == signal.SIGINT else 0)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        sys.exit(f"cannot listen on {host}, port {port}: {error.strerror}; give another with --port")


def main() -> None:
    """Bind, load, serve. The port is bound first: a conflict shows at once, and whoever connects early waits."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.aws", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--region", default="us-east-2")
    arguments = parser.parse_args()
    if not is_loopback(arguments.host):
        parser.error(f"--host {arguments.host}: the account takes any credentials, so it listens on loopback only")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("sandbox.aws").setLevel(logging.INFO)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    listener = _listen(arguments.host, arguments.port)
    prepare(arguments.region)
    stay_on_this_machine()

    from sandbox.aws.server import serve  # noqa: PLC0415  # moto reads the environment when it is imported

    serve(listener, arguments.region)


if __name__ == "__main__":
    main()
