#!/usr/bin/python3 -ISB
"""Stands in for Langfuse's two programs and for the four that it keeps its data in, under whose names it is called.

It takes their command lines, files and variables, and listens where they would. What stands in for a database knows its
password and asks for it; what stands in for Langfuse is healthy once every database has taken the password that it got.
"""

import hashlib
import os
import pwd
import signal
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener
from xml.etree import ElementTree as ET

SHOWN = "X-Password-Sha256"


def digest(password: str) -> str:
    """Return what is compared in the place of a password."""
    return hashlib.sha256(password.strip().encode()).hexdigest()


def serve(host: str, ports: list[int], wanted: str, *, asks: bool = False) -> None:
    """Listen until SIGTERM; with `asks`, be healthy only while all databases take what they are shown."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.headers.get(SHOWN, wanted) == wanted and (not asks or all(map(takes, databases())))
            self.send_response(200 if good else 403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    servers = [ThreadingHTTPServer((host, port), Handler) for port in ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def databases() -> list[tuple[str, str]]:
    """Return where each is, and the password for it, as Langfuse is told."""
    env = os.environ
    return [
        (f"http://{env['DATABASE_HOST']}", env["DATABASE_PASSWORD"]),
        (env["CLICKHOUSE_URL"], env["CLICKHOUSE_PASSWORD"]),
        (env["CLICKHOUSE_MIGRATION_URL"].replace("clickhouse:", "http:"), env["CLICKHOUSE_PASSWORD"]),
        (f"http://{env['REDIS_HOST']}:{env['REDIS_PORT']}", env["REDIS_AUTH"]),
        (env["LANGFUSE_S3_EVENT_UPLOAD_ENDPOINT"], env["LANGFUSE_S3_EVENT_UPLOAD_SECRET_ACCESS_KEY"]),
    ]


def takes(database: tuple[str, str]) -> bool:
    """Tell whether a database takes a password."""
    request = Request(database[0], headers={SHOWN: digest(database[1])})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def value(words: list[str], name: str) -> str:
    """Return an option's value: `--name=value`, `--name value`, or `-c name=value`."""
    for place, word in enumerate(words):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name:
            return words[place + 1]
    raise SystemExit(f"{sys.argv[0]} lacks {name}")


def main(name: str, words: list[str]) -> None:
    """Be what the name says."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    match name:
        case "initdb":
            pwd.getpwuid(os.geteuid())  # the real one does not start without a name for its user
            tempfile.TemporaryFile().close()
            folder = Path(value(words, "--pgdata"))
            folder.mkdir(mode=0o700)
            (folder / "PG_VERSION").write_text("17\n")
            (folder / "password").write_text(digest(Path(value(words, "--pwfile")).read_text()))
        case "postgres":
            wanted = Path(value(words, "-D"), "password").read_text()
            serve(value(words, "listen_addresses"), [int(value(words, "port"))], wanted)
        case "clickhouse-server":
            config = ET.parse(value(words, "--config-file")).getroot()
            Path(config.findtext("tmp_path", "")).mkdir(exist_ok=True)
            ports = [int(config.findtext(name, "")) for name in ("http_port", "tcp_port")]
            serve(config.findtext("listen_host", ""), ports, os.environ["CLICKHOUSE_PASSWORD_SHA256"])
        case "valkey-server":
            settings = dict(line.split(" ", 1) for line in sys.stdin.read().splitlines())
            Path(settings["dir"], "appendonly").touch()
            serve(settings["bind"], [int(settings["port"])], digest(settings["requirepass"]))
        case "versitygw":
            host, _, port = value(words, "--port").rpartition(":")
            serve(host, [int(port)], digest(os.environ["ROOT_SECRET_ACCESS_KEY"]))
        case "node":
            Path(os.environ["HOME"], "cache").touch()
            serve(os.environ["HOSTNAME"], [int(os.environ["PORT"])], "", asks=True)
        case "dumb-init":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
            os.execvp(words[1], words[1:])
        case _:
            raise SystemExit(f"nothing stands in for {name}")


if __name__ == "__main__":
    main(Path(sys.argv[0]).name, sys.argv[1:])
