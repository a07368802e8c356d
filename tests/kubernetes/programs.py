"""Programs of a real control plane: kube-apiserver, built of Kubernetes' released modules, and Debian's etcd.

`python -m tests.kubernetes.programs` fetches them; what is there already is left as it is.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs
from filelock import FileLock

from lifecycle.parts import unpack_package

MODULE = Path(__file__).parent / "apiserver"
"""A Go module that names every version, and in go.sum every hash."""
BUILD_TIMEOUT_S = 30 * 60
FETCH_TIMEOUT_S = 5 * 60


def found(program: str) -> str | None:
    """Return the path of `kube-apiserver` or `etcd`; None where nobody has fetched it."""
    path = _apiserver() if program == "kube-apiserver" else _etcd()
    if path.is_file():
        return str(path)
    return None if program == "kube-apiserver" else shutil.which(program)


def fetch() -> None:
    """Fetch what is missing: the server is built once per machine and module, which takes minutes.

    Raises:
        subprocess.CalledProcessError: Go, or the distribution's package manager, says why not.

    """
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / "fetching.lock"):
        if found("etcd") is None:
            unpack_package("etcd-server", folder / "etcd-server")  # installed, it would start a service of its own
        if found("kube-apiserver") is None:
            _build(folder)


def _folder() -> Path:
    return Path(platformdirs.user_cache_dir("cloister")) / "test-kubernetes"


def _etcd() -> Path:
    return _folder() / "etcd-server" / "usr" / "bin" / "etcd"


def _apiserver() -> Path:
    recipe = b"".join(Path(MODULE, name).read_bytes() for name in ("go.mod", "go.sum"))
    return _folder() / f"kube-apiserver-{hashlib.sha256(recipe).hexdigest()[:16]}"


def _build(folder: Path) -> None:
    """Build the server. The compiler keeps two GiB, so that a build that was ended goes on; they go when it is done."""
    kept = folder / "compiled"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as made:
        environment = {**_plain(), "CGO_ENABLED": "0", "GOCACHE": str(kept), "GOTMPDIR": made}
        command = [_go(), "build", "-trimpath", f"-ldflags={_link_flags()}", "-o", f"{made}/", "tool"]
        subprocess.run(command, cwd=MODULE, env=environment, check=True, timeout=BUILD_TIMEOUT_S)
        Path(made, "kube-apiserver").rename(_apiserver())
    shutil.rmtree(kept)


def _link_flags() -> str:
    """Return what leaves names for debuggers out, and tells the server its version, as its makers' own build does."""
    (version,) = re.findall(r"\sk8s\.io/kubernetes (v\S+)", Path(MODULE, "go.mod").read_text())
    major, minor, _ = version.removeprefix("v").split(".")
    told = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in told.items())])


def _go() -> str:
    """Return a Go that can build the module: this machine's, or where that is too old, the one it fetches.

    Go's own makers publish every release as a module, and a Go of any age checks it against the checksum database.
    """
    own = shutil.which("go")
    if own is None:
        raise FileNotFoundError("there is no `go`; on Debian: apt-get install golang-go")
    least, wanted = re.findall(r"^(?:go |toolchain go)(\S+)$", Path(MODULE, "go.mod").read_text(), re.MULTILINE)
    if _number(_asked(own, "env", "GOVERSION")) >= _number(least):
        return own
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = f"{platform.system().lower()}-{machine}"
    module = f"golang.org/toolchain@v0.0.1-go{wanted}.{system}"
    with tempfile.TemporaryDirectory() as nowhere:  # beside no go.mod, which an old one could not read
        subprocess.run([own, "mod", "download", module], cwd=nowhere, env=_plain(), check=True, timeout=FETCH_TIMEOUT_S)
    root = Path(_asked(own, "env", "GOMODCACHE"), module)
    for program in (*root.glob("bin/*"), *root.glob("pkg/tool/*/*")):  # modules hold nothing that can be run
        program.chmod(0o555)
    return str(root / "bin" / "go")


def _asked(go: str, *words: str) -> str:
    with tempfile.TemporaryDirectory() as nowhere:
        ran = subprocess.run([go, *words], cwd=nowhere, env=_plain(), check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def _plain() -> dict[str, str]:
    """Return the environment without what would make Go build otherwise."""
    unwanted = {"GOFLAGS", "GOTOOLCHAIN", "GOROOT", "GOWORK", "GO111MODULE"}
    return {**{name: value for name, value in os.environ.items() if name not in unwanted}, "GOTOOLCHAIN": "local"}


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


if __name__ == "__main__":
    try:
        fetch()
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        sys.stderr.write(f"tests of a real control plane will be skipped: {error}\n")
