"""Asking a service whether it is ready."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

from planner.plan import Service

ANSWER_TIMEOUT_S = 2.0


def is_healthy(service: Service) -> bool:
    """Tell whether the service's health path answers 200 now, or its port at all where it has none."""
    if service.health is None:
        return True
    number = next(port.number for port in service.ports if port.name == service.health.port)
    connection = HTTPConnection("127.0.0.1", number, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.connect()
        if service.health.scheme == "tcp":
            return True
        connection.request("GET", service.health.path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
