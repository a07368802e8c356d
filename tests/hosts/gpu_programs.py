"""Stand-ins for NVIDIA's programs on a booted host, which print what a machine of `machines.toml` would.

Nothing here asks a GPU: a test host has none. What they print is constructed, as the data says.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from tests.hosts.machine import Machine as Host
from tests.lifecycle.gpus.machines import Machine, printed

FOLDER = "/opt/stand-in"
PACKAGES = f"{FOLDER}/packages"
PCI = f"{FOLDER}/pci"
PROGRAMS = {
    "nvidia-smi": """
case "$*" in
"-q -x") if [ -e loaded ]; then cat smi_after; else cat smi; exit $(cat smi.exit); fi ;;
"topo -m") cat topo ;;
*compute-apps*) [ ! -e busy ] || cat busy ;;
*driver_version,uuid*) cat ids ;;
*--query-gpu=uuid*) cut -d, -f2 ids | tr -d ' ' ;;
*--query-gpu=driver_version*) cut -d, -f1 ids ;;
esac
""",
    "dcgmi": "touch loaded; cat diagnosis; exit $(cat diagnosis.exit)",
    "all_reduce_perf": "cat all_reduce",
    "journalctl": "cat kernel",
}
FABRIC_MANAGER = """#!/bin/sh
# stand-in nv-fabricmanager
[ "$1" = --version ] || exec sleep infinity
echo "Fabric Manager version is : {version}"
"""
FABRIC_MANAGER_UNIT = "[Service]\nExecStart=/usr/bin/nv-fabricmanager\n[Install]\nWantedBy=multi-user.target\n"
EXPORTER = """#!/usr/bin/python3
# stand-in dcgm-exporter
import http.server, sys
options = dict(word[2:].split("=", 1) for word in sys.argv[1:])
fields = [line.split(",")[0] for line in open(options["collectors"]) if not line.startswith("#")]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write("".join(f'{field}{{gpu="0"}} 0\\n' for field in fields).encode())
address, port = options["address"].split(":")
http.server.ThreadingHTTPServer((address, int(port)), Handler).serve_forever()
"""


def place_programs(host: Host) -> None:
    """Put the stand-ins where the real programs would be found."""
    for name, text in PROGRAMS.items():
        script = f'#!/bin/sh\n# stand-in {name}\ncd {FOLDER} || exit 1\necho "{name} $*" >>calls\n{text}\n'
        write(host, f"/usr/local/bin/{name}", script, executable=True)


def become(host: Host, machine: Machine) -> None:
    """Have the stand-ins print what the machine would, as if it had just been started."""
    outputs = printed(machine)
    host.run("sh", "-c", f"mkdir -p {FOLDER} && cd {FOLDER} && rm -f loaded busy calls && touch calls")
    for name, (code, text) in outputs.items():
        write(host, f"{FOLDER}/{name}", text)
        write(host, f"{FOLDER}/{name}.exit", str(code))
    left = machine.gpus - machine.lost
    ids = [f"{machine.driver}, GPU-00000000-0000-0000-0000-00000000000{index}\n" for index in range(left)]
    write(host, f"{FOLDER}/ids", "".join(ids))


def place_bus(host: Host, gpus: int, switches: int) -> None:
    """List NVIDIA's devices as the kernel lists those of a PCI bus."""
    kinds = ["0x030200"] * gpus + ["0x068000"] * switches
    for number, kind in enumerate(kinds):
        write(host, f"{PCI}/{number}/vendor", "0x10de\n")
        write(host, f"{PCI}/{number}/class", f"{kind}\n")


def package(host: Host, name: str, version: str, files: Mapping[str, str]) -> None:
    """Make a Debian package of a stand-in in the folder of the bundle's packages; programs are executable."""
    root = f"/tmp/package-{name}"
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: stand-in\nDescription: stand-in\n"
    write(host, f"{root}/DEBIAN/control", control)
    for path, text in files.items():
        write(host, f"{root}{path}", text, executable=path.startswith("/usr/bin/"))
    host.run("mkdir", "-p", PACKAGES)
    host.run("dpkg-deb", "--root-owner-group", "--build", root, f"{PACKAGES}/{name}_{version}_amd64.deb")


def write(host: Host, path: str, text: str, *, executable: bool = False) -> None:
    """Write a file on the host."""
    quoted = shlex.quote(path)
    mode = "0755" if executable else "0644"
    host.run("sh", "-c", f"mkdir -p $(dirname {quoted}) && cat >{quoted} && chmod {mode} {quoted}", text=text)


def calls(host: Host) -> list[str]:
    """Return what was asked of the stand-ins since the machine was started."""
    return host.read(f"{FOLDER}/calls").splitlines()
