"""Policy packs for the real engine: the same folders, run by the interpreter that runs the toolkit."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from lifecycle import files


def staged(pack: Path, into: Path, prefix: str = sys.prefix) -> Path:
    """Make a pack that runs another one with a given interpreter, and return its folder.

    A pack names its virtual environment by a path that holds in a checkout; the toolkit may be installed elsewhere.

    Args:
        pack: a folder with `PulumiPolicy.yaml` and `__main__.py`.
        into: folder for what is made.
        prefix: of the virtual environment.

    Raises:
        FileNotFoundError: `pack` is none.

    """
    pack = pack.resolve()
    project = msgspec.yaml.decode((pack / "PulumiPolicy.yaml").read_bytes())
    project["runtime"] = {"name": "python", "options": {"virtualenv": prefix}}
    folder = files.make_private_folder(into / pack.name)
    files.write(folder / "PulumiPolicy.yaml", json.dumps(project))  # JSON is YAML, too
    files.write(folder / "__main__.py", f'import runpy\n\nrunpy.run_path({str(pack)!r}, run_name="__main__")\n')
    return folder
