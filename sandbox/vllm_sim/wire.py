"""What goes over the wire: compact JSON, and server-sent events framed as vLLM frames them."""

from __future__ import annotations

import msgspec
from aiohttp import web

JSON = "application/json"

EVENT_STREAM = "text/event-stream; charset=utf-8"

DONE = b"data: [DONE]\n\n"
"""The last event of every stream."""

_encoder = msgspec.json.Encoder()


def event(record: msgspec.Struct) -> bytes:
    """Frame one event: `data: `, one line of JSON, an empty line."""
    return b"data: " + _encoder.encode(record) + b"\n\n"


def json_response(record: object, status: int = 200) -> web.Response:
    """Respond with a JSON body."""
    return web.Response(body=_encoder.encode(record), status=status, content_type=JSON)
