"""The way to a cluster's API, as a kubeconfig file names it: verified, with the file's own credentials, and to read."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lifecycle import files
from planner.errors import DeployError, UsageError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MAX_BYTES = 1024 * 1024
"""No kubeconfig file is larger."""
TIMEOUT_S = 30.0
"""Longest that one answer may take."""
RETRIES = 2
"""How often what is only read is asked again after a connection broke."""


class UnansweredError(DeployError):
    """The API's server gave no answer at all; the message says why."""

    code = "cluster_unreachable"


@dataclass(frozen=True)
class Answer:
    """What the server said: the status of HTTP, and a document."""

    status: int
    document: Mapping[str, Any]

    @property
    def why(self) -> str:
        """Return the server's own words; its status where there are none."""
        return str(self.document.get("message") or f"it answers {self.status}")


@dataclass(frozen=True)
class Cluster:
    """A cluster that can be asked.

    Attributes:
        name: of the context in the file.
        server: its address.
        plugin: the program that the file has run to sign in; empty where it names none.
        client: of the official library; it is only ever asked to GET.

    """

    name: str
    server: str
    plugin: str
    client: ApiClient

    def get(self, path: str, **query: str) -> Answer:
        """Ask for one document.

        Args:
            path: on the server.
            query: what follows the question mark.

        Raises:
            UnansweredError: there was no answer, or it was no document.

        """
        import urllib3  # noqa: PLC0415 - with the library, which takes a second to load

        request = self.client.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        try:
            answer = self.client.call_api(*request, _request_timeout=TIMEOUT_S)
            body = answer.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unanswered(self.server, error) from error
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if isinstance(document, dict):
            return Answer(answer.status, document)
        if answer.status == 200:
            raise UnansweredError(f"{self.server} answers, and not as an API of Kubernetes does", hint=_WHICH)
        return Answer(answer.status, {})


_WHICH = "Look at `server` of the cluster in the kubeconfig file: is it the address of the API?"


@contextmanager
def connected(path: Path, context: str = "") -> Iterator[Cluster]:
    """Open the way to a cluster; nothing is asked yet, but a program that the file names for signing in is run.

    Keys that stand in the file itself lie in a private folder of their own for as long as it is open.

    Args:
        path: of the kubeconfig file.
        context: which of the file's; its current one where this is empty.

    Raises:
        UsageError: the file or its context cannot be used, or would not verify whom it talks to.
        DeployError: the program for signing in failed.

    """
    content = _content(path)
    name, cluster, user = _chosen(path, content, context)
    _check(path, name, cluster, user)
    with tempfile.TemporaryDirectory(prefix="cloister-") as folder:
        client = _client(path, content, name, folder)
        plugin = str((user.get("exec") or {}).get("command", ""))
        try:
            yield Cluster(name, str(cluster["server"]), plugin, client)
        finally:
            client.rest_client.close()


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(files.read_text(path, MAX_BYTES))
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"{path} cannot be read: {why}", hint=_FILE, code="kubeconfig_invalid") from None
    except (ValueError, yaml.YAMLError, RecursionError):  # its words may quote a key
        raise UsageError(f"{path} is no YAML", hint=_FILE, code="kubeconfig_invalid") from None
    if not isinstance(content, dict) or not content.get("contexts"):
        raise UsageError(f"{path} is no kubeconfig: it has no `contexts`", hint=_FILE, code="kubeconfig_invalid")
    return content


_FILE = "--kubeconfig names a file as `kubectl` reads it; clouds and k3s write one."


def _chosen(path: Path, content: Mapping[str, Any], context: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the name of a context, its cluster and its user.

    Raises:
        UsageError: there is none of that name, or it names what the file does not have.

    """
    contexts = _named(path, content, "contexts", "context")
    name = context or str(content.get("current-context") or "")
    if name not in contexts:
        said = f"has no context {name!r}" if name else "has no current context"
        known = ", ".join(contexts)
        raise UsageError(f"{path} {said}", hint=f"Known: {known}. Name one with --context.", code="unknown_context")
    chosen = contexts[name]
    parts = []
    for kind, key in (("clusters", "cluster"), ("users", "user")):
        known_ones, wanted = _named(path, content, kind, key), chosen.get(key)
        if wanted not in known_ones and (wanted or key == "cluster"):
            raise UsageError(
                f"{path}: the context {name} names the {key} {wanted!r}, which is not in the file",
                hint=_FILE,
                code="kubeconfig_invalid",
            )
        parts.append(known_ones[wanted] if wanted else {})
    return name, parts[0], parts[1]


def _named(path: Path, content: Mapping[str, Any], kind: str, key: str) -> dict[str, dict[str, Any]]:
    try:
        return {str(one["name"]): dict(one.get(key) or {}) for one in content.get(kind) or ()}
    except (TypeError, KeyError, ValueError, AttributeError):
        raise UsageError(f"{path}: `{kind}` is no list of names and what they mean", hint=_FILE) from None


def _check(path: Path, name: str, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> None:
    """Refuse what would tell credentials to somebody whom nobody knows.

    Raises:
        UsageError: says what, and what to do instead.

    """
    if cluster.get("insecure-skip-tls-verify"):
        raise UsageError(
            f"{path}: the cluster of {name} has `insecure-skip-tls-verify`: anybody between could answer for it, "
            "and take the credentials",
            hint="Put the authority of its certificate into `certificate-authority-data`, and take that line out.",
            code="tls_not_verified",
        )
    if not str(cluster.get("server", "")).startswith("https://"):
        raise UsageError(
            f"{path}: the server of {name} is {cluster.get('server') or 'not named'}, and not at https://",
            hint="An audit asks over TLS alone: name the API's own address, not that of `kubectl proxy`.",
            code="tls_not_verified",
        )
    if user.get("auth-provider"):
        raise UsageError(
            f"{path}: the user of {name} signs in by `auth-provider`, which Kubernetes has taken away since 1.26",
            hint="Let the cloud's own program write the file anew: it names a program by `exec`.",
            code="kubeconfig_invalid",
        )


def _client(path: Path, content: dict[str, Any], context: str, folder: str) -> ApiClient:
    """Return the library's client, signed in.

    Raises:
        UsageError: a file that the kubeconfig names is not there, or a key in it is none.
        DeployError: the program for signing in gave nothing.

    """
    from kubernetes.client import ApiClient, Configuration  # noqa: PLC0415 - takes a second to load
    from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - as above
    from kubernetes.config.kube_config import KubeConfigLoader  # noqa: PLC0415 - as above
    from urllib3 import Retry  # noqa: PLC0415 - as above

    configuration = Configuration()
    # A connection that breaks is made anew; who is not there, or is somebody else, is so the second time as well.
    configuration.retries = Retry(RETRIES, connect=0, other=0, status=0, redirect=False, backoff_factor=0.2)
    said: list[str] = []
    try:
        with _heard(said):
            loader = KubeConfigLoader(
                content, active_context=context, config_base_path=str(path.absolute().parent), temp_file_path=folder
            )
            loader.load_and_set(configuration)
        client = ApiClient(configuration)
    except (ConfigException, ValueError, OSError) as error:
        raise UsageError(
            f"{path}: the credentials of {context} cannot be used: {error}", hint=_FILE, code="kubeconfig_invalid"
        ) from None
    if said:
        raise DeployError(
            f"{path}: the program that signs in to {context} gave no credentials: {said[-1].strip()[-300:]}",
            hint="Run it by hand, as `exec` in the file has it; most want that you sign in with the cloud first.",
            code="not_signed_in",
        )
    return client


class _Listener(logging.Handler):
    """Keeps what the library says of a program that failed: it goes on without credentials, and we do not."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())


@contextmanager
def _heard(said: list[str]) -> Iterator[None]:
    listener = _Listener(said)
    logging.getLogger().addHandler(listener)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(listener)


def _unanswered(server: str, error: Exception) -> UnansweredError:
    """Say why there was no answer: whose certificate it is, or that nobody is there."""
    from urllib3.exceptions import MaxRetryError, SSLError  # noqa: PLC0415 - as above

    reason: BaseException = error
    while isinstance(reason, MaxRetryError) and reason.reason is not None:
        reason = reason.reason
    if isinstance(reason, SSLError):
        return UnansweredError(
            f"the certificate of {server} cannot be trusted: {_words(reason)}",
            hint="Is it the cluster's own? Its authority stands in `certificate-authority-data` of the kubeconfig "
            "file; let whoever made the cluster write that file anew.",
            code="cluster_not_trusted",
        )
    return UnansweredError(
        f"{server} does not answer: {_words(reason)}",
        hint="Is there a way to its network, a VPN or a tunnel perhaps? `kubectl --kubeconfig FILE version` goes the "
        "same one.",
    )


def _words(error: BaseException) -> str:
    """Return what an exception says, without the library's own names of objects."""
    text = str(error.args[-1]) if error.args else str(error)
    return text.rpartition(": Failed")[2].strip() if ": Failed" in text else text.partition(" (_ssl.c")[0]
