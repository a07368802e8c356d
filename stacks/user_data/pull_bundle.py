"""Fetch a bundle from its bucket and verify it. Standard library alone: this file travels in a node's user data.

The SHA-256 of the manifest must be the bundle's id, and of each file what the manifest says. Files are fetched in
ranges by many processes; `current` points to the bundle only when all of it is right. Interrupted runs are continued.
Exit codes: 75 to try again later (the bundle is not there yet, or the network failed), 1 where something is wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import ssl
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h."""
MOST_MANIFEST = 16 * 2**20
ATTEMPTS = 6
EMPTY = hashlib.sha256(b"").hexdigest()
NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+@=,~() -]*\Z")


class WrongError(Exception):
    """What was found is not what it must be."""


class LaterError(Exception):
    """Not now."""


class Credentials:
    """The node's role, from the instance metadata service with a token (IMDSv2)."""

    def __init__(self, url: str) -> None:
        self._url, self._said, self._until = urlsplit(url), {"": ""}, 0.0

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str:
        connection = http.client.HTTPConnection(self._url.netloc, timeout=5)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
        except OSError as error:
            raise LaterError(f"the metadata service does not answer: {error}") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise LaterError(f"the metadata service answers {answer.status} to {path}")
        return body

    def get(self) -> dict[str, str]:
        """Return the credentials, asked for again five minutes before they end."""
        if time.time() > self._until - 300:
            token = self._ask("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
            headers, path = {"X-aws-ec2-metadata-token": token}, "/latest/meta-data/iam/security-credentials/"
            role = self._ask("GET", path, headers).strip()
            self._said = json.loads(self._ask("GET", path + role, headers))
            self._until = datetime.fromisoformat(self._said["Expiration"]).timestamp()
        return self._said


def signed(url: str, region: str, owner: str, said: dict[str, str], now: datetime) -> dict[str, str]:
    """Return the headers of a GET of S3, signed with version 4 of AWS's signature (IAM user guide, SigV4)."""
    parts, moment = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": parts.netloc,
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": moment,
        "x-amz-expected-bucket-owner": owner,
        "x-amz-security-token": said["Token"],
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"GET\n{parts.path}\n\n{lines}\n{names}\n{EMPTY}"
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + said["SecretAccessKey"]).encode()
    for word in [*scope.split("/"), text]:
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    by = f"Credential={said['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {by}"}


class Bucket:
    """The bundle's bucket, over one connection that is kept open."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings, self._credentials = settings, Credentials(settings["metadata"])
        self._connection: http.client.HTTPConnection | None = None

    def _open(self) -> http.client.HTTPConnection:
        url = urlsplit(self._settings["url"])
        if url.scheme == "https":
            return http.client.HTTPSConnection(url.netloc, timeout=60, context=ssl.create_default_context())
        return http.client.HTTPConnection(url.netloc, timeout=60)

    def get(self, key: str, start: int = 0, length: int = 0) -> bytes:
        """Return so many bytes of an object from `start` on; the whole of a small one where no length is given."""
        failure = ""
        for attempt in range(ATTEMPTS):
            time.sleep(attempt and min(2.0**attempt, 20.0) * self._settings["pause_s"])
            try:
                return self._get(key, start, length)
            except (OSError, http.client.HTTPException) as error:
                self._connection, failure = None, f"{type(error).__name__}: {error}"
        raise LaterError(f"{key}: {failure}")

    def _get(self, key: str, start: int, length: int) -> bytes:
        settings, url = self._settings, f"{self._settings['url']}/{key}"
        headers = signed(url, settings["region"], settings["owner"], self._credentials.get(), datetime.now(UTC))
        if length:
            headers["range"] = f"bytes={start}-{start + length - 1}"
        self._connection = self._connection or self._open()
        self._connection.request("GET", urlsplit(url).path, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read() if length else answer.read(MOST_MANIFEST)
        if answer.status in {403, 404}:
            told = re.search(rb"<Code>(\w+)</Code>", body)
            raise LaterError(f"{key}: S3 answers {answer.status} {told[1].decode() if told else ''}; not there yet?")
        if answer.status == 416 or (answer.status == 206 and len(body) != length):
            raise WrongError(f"{key}: it is shorter than {start + length} bytes")
        if answer.status != (206 if length else 200):
            raise http.client.HTTPException(f"S3 answers {answer.status}")
        return body


def files_of(manifest: bytes, bundle: str) -> list[dict[str, Any]]:
    """Return a manifest's files if these bytes are the bundle's manifest."""
    if hashlib.sha256(manifest).hexdigest() != bundle:
        raise WrongError(f"the manifest is not that of bundle {bundle}")
    said = json.loads(manifest)
    if said["schema"] != 1:
        raise WrongError(f"the manifest is of schema {said['schema']}")
    for file in said["files"]:
        if not re.fullmatch(r"[0-9a-f]{64}", file["sha256"]) or type(file["size"]) is not int or file["size"] < 0:
            raise WrongError(f"the manifest's entry of {file['path']!r} is wrong")
        if not all(NAME.match(part) and part not in {".", ".."} for part in file["path"].split("/")):
            raise WrongError(f"{file['path']!r} may not be in a bundle")
    return list(said["files"])


def digest(path: Path) -> str:
    """Return a file's SHA-256; empty where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_OWN: list[Bucket] = []
"""The bucket of a worker process."""


def begin(settings: dict[str, Any]) -> None:
    """Prepare a worker process."""
    _OWN.append(Bucket(settings))


def fetch(sha256: str, start: int, length: int, path: Path) -> None:
    """Fetch one range of an object into its place in a file."""
    body = memoryview(_OWN[0].get(f"objects/{sha256}", start, length))
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        while body:
            written = os.pwrite(descriptor, body, start)
            body, start = body[written:], start + written
    finally:
        os.close(descriptor)


class Incoming:
    """What is on its way: under its digest when it is right, with `.part` before, and a note of each range."""

    def __init__(self, folder: Path, pool: ProcessPoolExecutor, range_bytes: int) -> None:
        self.folder, self._pool, self._notes, self._range = folder, pool, folder / "ranges", range_bytes
        folder.mkdir(parents=True, exist_ok=True)

    def _begun(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.part"

    def _missing(self, sizes: dict[str, int]) -> list[tuple[str, int, int, Path]]:
        """Return the ranges that are not there, in files of their whole length."""
        noted = set(self._notes.read_text().split("\n")) if self._notes.exists() else set()
        missing = []
        for sha256, size in sizes.items():
            path = self._begun(sha256)
            fresh = not path.exists()
            path.touch()
            os.truncate(path, size)
            missing += [
                (sha256, start, min(self._range, size - start), path)
                for start in range(0, size, self._range)
                if fresh or f"{sha256} {start}" not in noted
            ]
        return missing

    def fetch(self, sizes: dict[str, int]) -> None:
        """Fetch what is missing of objects, given by digest and length."""
        missing = self._missing({one: size for one, size in sizes.items() if not (self.folder / one).exists()})
        wanted, free = sum(length for _, _, length, _ in missing), shutil.disk_usage(self.folder).free
        if wanted > free:
            raise WrongError(f"{wanted} bytes are missing, and {self.folder} has room for {free}")
        running = {self._pool.submit(fetch, *one): f"{one[0]} {one[1]}\n" for one in missing}
        with self._notes.open("a") as notes:
            try:
                for done in as_completed(running):
                    done.result()
                    notes.write(running[done])
                    notes.flush()
            except BaseException:
                self._pool.shutdown(wait=False, cancel_futures=True)
                raise

    def verify(self) -> list[str]:
        """Accept what is as it must be, drop the rest, and return the digests of that."""
        parts = sorted(self.folder.glob("*.part"))
        wrong = []
        for path, found in zip(parts, self._pool.map(digest, parts), strict=True):
            if found == path.stem:
                path.replace(self.folder / path.stem)
            else:
                path.unlink()
                wrong.append(path.stem)
        return wrong


class Pull:
    """One bundle, from its bucket to its folder."""

    def __init__(self, settings: dict[str, Any], pool: ProcessPoolExecutor) -> None:
        self._settings, self._pool, self._bundle = settings, pool, settings["bundle"]
        self._home = Path(settings["store"]) / "bundles"
        self._there = self._home / self._bundle

    def run(self) -> None:
        """Fetch what is missing, verify all of it, and switch to it."""
        manifest = Bucket(self._settings).get(f"bundles/{self._bundle}/manifest.json")
        files = files_of(manifest, self._bundle)
        if not self._holds(files):
            incoming = Incoming(self._home / "incoming", self._pool, self._settings["range_bytes"])
            self._salvage(files, incoming.folder)
            sizes = {file["sha256"]: file["size"] for file in files}
            incoming.fetch(sizes)
            if incoming.verify():  # an interrupted run may have left something wrong: once more, from nothing
                incoming.fetch(sizes)
                if wrong := incoming.verify():
                    raise WrongError(f"what the bucket has under {', '.join(wrong)} has another digest")
            self._place(files, manifest, incoming.folder)
        link = self._home / "current"
        new = link.with_suffix(".new")
        new.unlink(missing_ok=True)
        new.symlink_to(self._bundle)
        new.replace(link)
        shutil.rmtree(self._home / "incoming", ignore_errors=True)
        sys.stdout.write(f"bundle {self._bundle}: {len(files)} files, all as the manifest says\n")

    def _holds(self, files: list[dict[str, Any]]) -> bool:
        """Tell whether the bundle is on disk already, every file of it as it must be."""
        paths = [self._there / file["path"] for file in files]
        return self._there.is_dir() and list(self._pool.map(digest, paths)) == [file["sha256"] for file in files]

    def _salvage(self, files: list[dict[str, Any]], incoming: Path) -> None:
        """Keep what is right of a bundle that is not whole."""
        for file in files if self._there.is_dir() else ():
            if digest(self._there / file["path"]) == file["sha256"]:
                (self._there / file["path"]).replace(incoming / file["sha256"])
        shutil.rmtree(self._there, ignore_errors=True)

    def _place(self, files: list[dict[str, Any]], manifest: bytes, incoming: Path) -> None:
        """Give files their names, and the bundle its own at once."""
        new = self._there.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        for file in files:
            path = new / file["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(incoming / file["sha256"])
            path.chmod(0o644)
        (new / "manifest.json").write_bytes(manifest)
        new.replace(self._there)


def main(path: str) -> int:
    """Pull the bundle that a settings file names."""
    settings = json.loads(Path(path).read_text())
    try:
        with ProcessPoolExecutor(settings["processes"], initializer=begin, initargs=(settings,)) as pool:
            Pull(settings, pool).run()
    except (LaterError, WrongError) as error:
        sys.stderr.write(f"{error}\n")
        return TRY_AGAIN if isinstance(error, LaterError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
