"""AWS's wire formats: which call a request makes, and how an answer or an error is written.

Everything is derived from botocore's own service models, through moto's parsers and serializers, so that any SDK reads
these answers exactly as it reads AWS's.
"""

from __future__ import annotations

import io
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.serialize import create_serializer
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.serialize import SerializationContext, XFormedAttributePicker, get_serializer_class
from moto.core.utils import get_service_model
from moto.ec2.responses import EC2Response

SERVICES = {
    "autoscaling": "autoscaling",
    "budgets": "budgets",
    "ec2": "ec2",
    "elasticloadbalancing": "elbv2",
    "iam": "iam",
    "kms": "kms",
    "logs": "logs",
    "route53": "route53",
    "s3": "s3",
    "scheduler": "scheduler",
    "secretsmanager": "secretsmanager",
    "servicequotas": "service-quotas",
    "ssm": "ssm",
    "sts": "sts",
    "tagging": "resourcegroupstaggingapi",
}
"""Services of this account: name in the signature -> name of botocore's model. There are no others."""

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request")

_BUCKET = re.compile(r"/(?P<name>[a-z0-9.-]+)/?")
"""A path of S3 that names a bucket, and nothing in it."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""


@dataclass(frozen=True)
class Response:
    """An HTTP answer, whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def text(self) -> str:
        """The body, decoded."""
        return self.body.decode()


@dataclass(frozen=True)
class Message:
    """A signed request: who is meant by it, and its bytes.

    Attributes:
        service: signing name, a key of SERVICES.
        region: region in the signature.
        action: operation name; S3 puts it into the URL, where only CreateBucket is told apart; else empty.
        bucket: what S3's operation is about, where it is known.

    """

    service: str
    region: str
    action: str
    request: Request
    body: bytes
    bucket: str = ""

    @property
    def _model(self) -> OperationModel:
        model: OperationModel = get_service_model(SERVICES[self.service]).operation_model(self.action)
        return model

    @property
    def _protocol(self) -> str:
        return determine_request_protocol(get_service_model(SERVICES[self.service]), self.request.content_type)

    def parameters(self) -> dict[str, Any]:
        """Return the request's parameters in the API's own names and types."""
        parser = PROTOCOL_PARSERS[self._protocol](self._model)
        request = self.request
        parsed: dict[str, Any] = parser.parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": self.body,
                "url_path": request.path,
                "url_params": {"Bucket": self.bucket} if self.bucket else {},
            }
        )
        return parsed

    def encode(self, parameters: Mapping[str, Any]) -> bytes:
        """Write other parameters for the same operation: the body of a request."""
        serializer = create_serializer(self._protocol, include_validation=False)
        body = serializer.serialize_to_request(dict(parameters), self._model)["body"]
        return urllib.parse.urlencode(body).encode() if isinstance(body, dict) else bytes(body)

    def forward(self, application: Application, body: bytes) -> Response:
        """Hand the request, with this body, to another application and return its answer."""
        environ = dict(self.request.environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("werkzeug.request", None)
        started: list[tuple[str, list[tuple[str, str]]]] = []
        chunks = application(environ, lambda status, headers, *_: started.append((status, headers)))
        try:
            data = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        status, headers = started[0]
        return Response(int(status.split()[0]), tuple(headers), data)

    def answer(self, result: object) -> Response:
        """Write a result, or an exception, as this operation's answer."""
        service_model = get_service_model(SERVICES[self.service])
        known = self.action in service_model.operation_names
        operation = service_model.operation_model(self.action) if known else OperationModel({}, service_model)
        serializer = get_serializer_class(service_model.service_name, self._protocol)(
            operation,
            context=SerializationContext(str(uuid.uuid4())),
            value_picker=XFormedAttributePicker(response_transformers=EC2Response.RESPONSE_KEY_PATH_TO_TRANSFORMER),
        )
        written = serializer.serialize(result)
        body = written["body"]
        return Response(
            int(written["status_code"]),
            tuple((name, str(value)) for name, value in written["headers"].items()),
            body if isinstance(body, bytes) else body.encode(),
        )


def read(environ: dict[str, Any]) -> Message | None:
    """Read a request; None when it is not signed for a service of this account."""
    request = Request(environ)
    body = request.get_data(cache=True, parse_form_data=False)
    environ["wsgi.input"] = io.BytesIO(body)
    scope = _SCOPE.search(request.headers.get("Authorization", ""))
    if scope is None or scope["service"] not in SERVICES:
        return None
    request = Request(environ)
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    action = target or request.values.get("Action", "")
    bucket = _BUCKET.fullmatch(request.path) if scope["service"] == "s3" else None
    if bucket and request.method == "PUT" and not request.args:
        return Message("s3", scope["region"], "CreateBucket", request, body, bucket["name"])
    return Message(scope["service"], scope["region"], action, request, body)
