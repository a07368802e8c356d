"""Calls of which nobody knows whether they were carried out: no answer came, or the account's own fault.

The SDK would send such a call again. For one that makes something, and has no client token by which the account knows
it again, that makes a second thing that nobody knows, or an error that says that the first exists. Those calls are sent
once; the caller then asks the account what has become of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError, HTTPClientError
from botocore.model import OperationModel

Answer = TypeVar("Answer")

TRIES = 3
PAUSE_S = 0.5
"""Before a call is sent again; AWS, too, takes a moment to show everywhere what it has made."""

_MAKES_ANEW = re.compile(r"Add|Allocate|Associate|Attach|Authorize|Create|Import|Request|Run")
_OWN_FAULT = re.compile(r"5\d\d|Internal(Error|Failure|ServerError)|Server(Internal|Exception)|Service\w*|Unavailable")
"""Codes that say nothing but that something broke. Others with HTTP 5xx (no capacity, throttling) are answers."""
_TOKEN_OF_A_VALUE = {"CreateSecret"}
"""Operations whose token is that of a value, by which the account does not know again what is made without one."""


def is_unanswered(error: BaseException) -> bool:
    """Tell whether a call may have been carried out although it failed."""
    if isinstance(error, ClientError):
        return _broken(error.response)
    return isinstance(error, HTTPClientError)


def _broken(response: Any) -> bool:
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= 500 and _OWN_FAULT.fullmatch(str(response.get("Error", {}).get("Code", status))) is not None


def send_once(
    operation: OperationModel, response: Any = None, caught_exception: BaseException | None = None, **_: object
) -> None:
    """Keep the SDK from sending again what makes something anew. Hears botocore's event `needs-retry`, first.

    Raises:
        Exception: what the SDK would have hidden by sending the call again.

    """
    known_again = operation.idempotent_members and operation.name not in _TOKEN_OF_A_VALUE
    if not _MAKES_ANEW.match(operation.name) or known_again:
        return
    if isinstance(caught_exception, HTTPClientError):
        raise caught_exception
    if response is not None and _broken(response[1]):
        raise ClientError(response[1], operation.name)


def insist(work: Callable[[], Answer], found: Callable[[], Answer | None] = lambda: None) -> Answer:
    """Do something until the account answers, a few times at most.

    Args:
        work: what may be done again if `found` returns None.
        found: looks for what an unanswered `work` has made.

    Raises:
        Exception: what `work` raises: at once if it is an answer.

    """
    for tried in range(1, TRIES + 1):
        try:
            return work()
        except (ClientError, HTTPClientError) as error:
            if not is_unanswered(error):
                raise
            if (made := found()) is not None:
                return made
            if tried == TRIES:
                raise
            time.sleep(PAUSE_S * tried)
            if (made := found()) is not None:  # what was made shows a moment later
                return made
    raise AssertionError  # the loop returns or raises
