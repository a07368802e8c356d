"""What AWS and its SDK refuse, in words: what happened, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from planner.errors import DeployError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
DENIED = {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"}
_UNKNOWN_KEY = {
    "AuthFailure",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "OptInRequired",
}
_SIGN_IN = "Sign in again (`aws sso login`, or new temporary credentials), then run the same command."


@contextmanager
def told(action: str, region: str) -> Iterator[None]:
    """Turn what goes wrong in one call into words.

    Args:
        action: as IAM writes it, for example `ec2:DescribeCapacityBlockOfferings`.
        region: where it is called.

    Raises:
        DeployError: in place of the SDK's exception.

    """
    from botocore.exceptions import (  # noqa: PLC0415 - the SDK takes a third of a second to load
        BotoCoreError,
        ClientError,
        HTTPClientError,
        NoCredentialsError,
        SSOError,
        TokenRetrievalError,
    )
    from botocore.exceptions import ConnectionError as NotConnectedError  # noqa: PLC0415 - as above

    try:
        yield
    except ClientError as error:
        raise _refused(error, action, region) from error
    except NoCredentialsError as error:
        raise DeployError(
            "there are no AWS credentials",
            hint="Set AWS_PROFILE, run `aws configure sso` or `aws login`, or export temporary credentials: the "
            "standard chain is used, and nothing of it is stored.",
            code="no_credentials",
        ) from error
    except (SSOError, TokenRetrievalError) as error:
        raise DeployError(
            f"the sign-on to AWS is no longer valid: {error}", hint=_SIGN_IN, code="credentials_expired"
        ) from error
    except (HTTPClientError, NotConnectedError) as error:
        raise DeployError(
            f"{action} got no answer in {region}: {error}",
            hint="Look at the network, a proxy (HTTPS_PROXY) and the region's name, then run the same command again.",
            code="aws_unreachable",
        ) from error
    except BotoCoreError as error:
        raise DeployError(
            f"the AWS settings cannot be used: {error}",
            hint="`aws configure list` shows which settings are read, and from where.",
            code="aws_settings",
        ) from error


def unanswered(error: Exception) -> bool:
    """Tell whether a call may have been carried out although it failed: no answer came, or AWS's own fault."""
    from botocore.exceptions import ClientError, HTTPClientError  # noqa: PLC0415 - as above

    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, HTTPClientError)


def smallest_policy(action: str) -> str:
    """Return the smallest statement that allows an action, for whoever narrows it."""
    return json.dumps({"Effect": "Allow", "Action": action, "Resource": "*"})


def _refused(error: ClientError, action: str, region: str) -> DeployError:
    said = error.response.get("Error", {})
    code, message = said.get("Code", ""), said.get("Message", "")
    if code in EXPIRED:
        return DeployError("the AWS credentials have expired", hint=_SIGN_IN, code="credentials_expired")
    if code in DENIED:
        return DeployError(
            f"these credentials may not call {action} in {region}",
            hint=f"Ask for this in their policy, narrowed as the account wants: {smallest_policy(action)}. "
            f"AWS says: {message}",
            code="not_allowed",
        )
    if code in _UNKNOWN_KEY:
        return DeployError(
            f"AWS does not know these credentials in {region}: {message}",
            hint=f"`aws sts get-caller-identity` shows which are used. Is {region} enabled in the account?",
            code="bad_credentials",
        )
    hint = f"Is the id right? What is in other regions than {region} is not seen." if "NotFound" in code else ""
    return DeployError(f"AWS refused {action} in {region}: {code}: {message}", hint=hint, code="aws_refused")
