"""Clients that answer from a script, page by page, and write down what they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

Answer = Callable[[dict[str, Any]], Any]


def refusal(code: str, operation: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code}, says AWS"}}, operation)


class Scripted:
    """Fits `Clients`.

    Args:
        script: (service, method) -> the pages of its answer, or what makes the answer; anything else is empty.

    """

    region = "us-east-2"

    def __init__(self, script: dict[tuple[str, str], list[dict[str, Any]] | Answer]) -> None:
        self.script = script
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str) -> Any:
        return _Client(self, service)

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.calls if name == method]


class _Empty(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        return []


class _Client:
    def __init__(self, clients: Scripted, service: str) -> None:
        self._clients, self._service = clients, service

    def can_paginate(self, method: str) -> bool:
        return method not in {"describe_addresses", "describe_placement_groups"}

    def get_paginator(self, method: str) -> Any:
        return _Paginator(lambda arguments: self._pages(method, arguments))

    def _pages(self, method: str, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self._clients.calls.append((method, arguments))
        answer = self._clients.script.get((self._service, method), [])
        pages = answer(arguments) if callable(answer) else answer
        for page in pages if isinstance(pages, list) else [pages]:
            yield _Empty(page)
        if not pages:
            yield _Empty()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda **arguments: next(self._pages(method, arguments))


class _Paginator:
    def __init__(self, pages: Callable[[dict[str, Any]], Iterator[dict[str, Any]]]) -> None:
        self._answer = pages

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        return self._answer(arguments)
