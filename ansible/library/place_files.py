# noqa: INP001 - Ansible loads this file by its folder; a package here would shadow Ansible's own
"""Ansible module: all files of a set at once, exactly these, and none that an earlier run had placed."""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import re
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: place_files
short_description: Places a set of files, and removes those of the set's earlier versions
description:
  - Everything in one visit, where C(copy) takes two for each file.
  - A record on the host says what was placed. What is in it and no longer wanted is removed.
  - Each file is written completely beside its place and renamed. A run that is cut short leaves whole files, and a
    record of at least all of them.
  - Before the first file is replaced, every new content is judged by its C(validate).
options:
  record:
    description: File that says what was placed. None is kept, and nothing removed, when empty.
    type: str
    default: ""
  users_file:
    description: Which of the files makes users, by systemd-sysusers. None when empty.
    type: str
    default: ""
  users:
    description: Users that it makes.
    type: list
    elements: str
    default: []
  folders:
    description: Folders, outer ones first.
    type: list
    elements: dict
    default: []
  files:
    description: Files. C(content) is base64, so that nothing in it is ever taken for a template. C(sealed) ones are
      encrypted by systemd-creds for the credential of that name. C(wakes) names a file that is touched when this one is
      newer, so that who watches it looks again. C(validate) is a command that judges the content in the file C(%s).
    type: list
    elements: dict
    default: []
  edited:
    description: Files of others in which C(settings) are ours, by name. Each stands where it stood last, perhaps as a
      comment, else at the end; C(separator) is between its name and its value.
    type: list
    elements: dict
    default: []
  theirs:
    description: Files and folders of others, of which only owner, group and mode are ours. Left out where there are
      none.
    type: list
    elements: dict
    default: []
"""

ATTRIBUTES = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "required": True},
}
FILE = {
    **ATTRIBUTES,
    "content": {"type": "str", "required": True, "no_log": True},  # else the journal would hold every file again
    "sealed": {"type": "str", "default": ""},
    "wakes": {"type": "str", "default": ""},
    "validate": {"type": "str", "default": ""},
}
EDITED = {
    **ATTRIBUTES,
    "settings": {"type": "dict", "required": True},
    "separator": {"type": "str", "default": " "},
}
PLAIN = {"sealed": "", "wakes": "", "validate": ""}
ARGUMENTS = {
    "record": {"type": "str", "default": ""},
    "users_file": {"type": "str", "default": ""},
    "users": {"type": "list", "elements": "str", "default": []},
    "folders": {"type": "list", "elements": "dict", "default": [], "options": ATTRIBUTES},
    "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
    "edited": {"type": "list", "elements": "dict", "default": [], "options": EDITED},
    "theirs": {"type": "list", "elements": "dict", "default": [], "options": ATTRIBUTES},
}


class Placing:
    """One run of the module."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.dry = bool(module.check_mode)
        self.placed: list[str] = []
        self.removed: list[str] = []
        self.diffs: list[dict[str, str]] = []

    def run(self) -> None:
        """Bring everything into the wanted state."""
        wanted, record = self.module.params, self.module.params["record"]
        files = [{**one, "text": base64.b64decode(one["content"]).decode()} for one in wanted["files"]]
        before = read_record(record)
        folders = [one["path"] for one in wanted["folders"]]
        # A folder that was there before is not ours to remove.
        ours = [path for path in folders if path in before["folders"] or not Path(path).exists()]
        after = {"folders": ours, "files": [one["path"] for one in files]}
        for file in files:
            self.judge(file)
        self.keep_record(record, {kind: list(dict.fromkeys(before[kind] + after[kind])) for kind in after})
        self.place(wanted, files)
        for kind in ("files", "folders"):
            for path in reversed([path for path in before[kind] if path not in after[kind]]):
                self.remove(Path(path))
        self.keep_record(record, after)

    def place(self, wanted: dict[str, Any], files: list[dict[str, str]]) -> None:
        """Place and mend what is wanted; users first, who may own the rest."""
        for file in [file for file in files if file["path"] == wanted["users_file"]]:
            self.place_file(file)
            self.make_users(file["path"], wanted["users"])
        for folder in wanted["folders"]:
            self.place_folder(folder)
        for file in [file for file in files if file["path"] != wanted["users_file"]]:
            self.place_file(file)
        for file in wanted["edited"]:
            self.edit(file)
        for one in wanted["theirs"]:
            self.mend(one)
        for file in files:
            self.wake(file)

    def place_folder(self, folder: dict[str, str]) -> None:
        """Make a folder, or mend who may enter it."""
        path = Path(folder["path"])
        if not path.is_dir():
            self.placed.append(folder["path"])
            if not self.dry:
                path.mkdir(mode=0o700, parents=True)
                self.own(folder)
        else:
            self.mend(folder)

    def mend(self, one: dict[str, str]) -> None:
        """Mend who may use a file or folder, if it is there."""
        if Path(one["path"]).exists() and not self.is_owned(one):
            self.placed.append(one["path"])
            if not self.dry:
                self.own(one)

    def judge(self, file: dict[str, str]) -> None:
        """Fail, with nothing replaced, if new content is not what its program understands."""
        if self.dry or not file["validate"] or self.content(file) == file["text"]:
            return
        descriptor, judged = tempfile.mkstemp(dir=self.module.tmpdir)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(file["text"])
            code, out, errors = self.module.run_command(file["validate"].replace("%s", judged))
        finally:
            Path(judged).unlink()
        if code:
            self.module.fail_json(msg=f"{file['path']}: failed to validate: {(errors or out).strip()}")

    def edit(self, file: dict[str, Any]) -> None:
        """Bring our lines into a file of others; make it where there is none."""
        text = read_text(file["path"])
        if text is None and Path(file["path"]).exists():
            self.module.fail_json(msg=f"{file['path']}: it is no text, so no line of it can be changed")
        self.place_file({**file, **PLAIN, "text": with_settings(text or "", file["settings"], file["separator"])})

    def place_file(self, file: dict[str, str]) -> None:
        """Write a file that is not as it should be, or mend who may read it."""
        path, before = file["path"], self.content(file)
        if before != file["text"]:
            self.placed.append(path)
            if not file["sealed"]:
                self.diffs.append(
                    {"before_header": path, "after_header": path, "before": before or "", "after": file["text"]}
                )
            if not self.dry:
                self.write(file)
        else:
            self.mend(file)

    def content(self, file: dict[str, str]) -> str | None:
        """Return what the file says now; None where it is not there or cannot be read."""
        path = Path(file["path"])
        if file["sealed"] and path.exists():
            words = ["systemd-creds", "decrypt", f"--name={file['sealed']}", str(path), "-"]
            code, said, _ = self.module.run_command(words)
            return str(said) if code == 0 else None
        return read_text(file["path"])

    def write(self, file: dict[str, str]) -> None:
        """Put new content into place in one step."""
        content, path = file["text"], Path(file["path"])
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if file["sealed"]:
            # With the TPM's help where there is one, whatever firmware it finds: an update must not lose the secret.
            words = ["systemd-creds", "encrypt", "--tpm2-pcrs=", f"--name={file['sealed']}", "-", "-"]
            _, content, _ = self.module.run_command(words, data=content, binary_data=True, check_rc=True)
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            self.own({**file, "path": beside})
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise

    def is_owned(self, one: dict[str, str]) -> bool:
        """Tell whether owner, group and mode are as they should be."""
        status = Path(one["path"]).stat()
        numbers = ids(one)
        mode = int(one["mode"], 8)
        return numbers == (status.st_uid, status.st_gid) and stat.S_IMODE(status.st_mode) == mode

    def own(self, one: dict[str, str]) -> None:
        """Set owner, group and mode."""
        numbers = ids(one)
        if numbers is None:
            self.module.fail_json(msg=f"{one['path']}: this host has no user {one['owner']} or no group {one['group']}")
        else:
            os.chown(one["path"], *numbers)
        Path(one["path"]).chmod(int(one["mode"], 8))

    def make_users(self, path: str, users: list[str]) -> None:
        """Make those users that are missing."""
        missing = [name for name in users if not exists(name)]
        if not missing:
            return
        self.placed += [f"user {name}" for name in missing]
        if not self.dry:
            self.module.run_command(["systemd-sysusers", path], check_rc=True)

    def wake(self, file: dict[str, str]) -> None:
        """Touch what watches over this file, if it has not looked since."""
        if not file["wakes"] or self.dry:
            return
        mine, other = Path(file["path"]), Path(file["wakes"])
        if other.exists() and mine.stat().st_mtime_ns > other.stat().st_mtime_ns:
            os.utime(other)

    def remove(self, path: Path) -> None:
        """Remove what is no longer wanted; a folder that others use stays."""
        folder = path.is_dir() and not path.is_symlink()
        if not os.path.lexists(path) or (folder and any(path.iterdir())):
            return
        self.removed.append(str(path))
        if not self.dry:
            path.rmdir() if folder else path.unlink()

    def keep_record(self, path: str, now: dict[str, list[str]]) -> None:
        """Write the record, if it is not as it should be; none is kept of nothing."""
        place = Path(path)
        if self.dry or not path or (place.exists() and now == read_record(path)):
            return
        if not any(now.values()):
            place.unlink(missing_ok=True)
            return
        text = json.dumps(now, indent=1)
        self.write({"path": path, "text": text, "owner": "root", "group": "root", "mode": "0600", **PLAIN})


def read_text(path: str) -> str | None:
    """Return what a file says; None where it is not there or cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def with_settings(text: str, settings: dict[str, Any], separator: str) -> str:
    """Return the text with each setting in the place of its last line, else at the end."""
    found = text.splitlines()
    for name, value in settings.items():
        between = re.escape(separator.strip()) or r"\s"
        shape = re.compile(rf"#?\s*{re.escape(name)}{between}")
        places = [number for number, line in enumerate(found) if shape.match(line)]
        line = f"{name}{separator}{value}"
        if places:
            found[places[-1]] = line
        else:
            found.append(line)
    return "".join(f"{line}\n" for line in found)


def ids(one: dict[str, str]) -> tuple[int, int] | None:
    """Return the numbers of owner and group; None where the host does not know them yet."""
    try:
        return pwd.getpwnam(one["owner"]).pw_uid, grp.getgrnam(one["group"]).gr_gid
    except KeyError:
        return None


def exists(user: str) -> bool:
    """Tell whether the host knows a user."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def read_record(path: str) -> dict[str, list[str]]:
    """Return what an earlier run placed."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {}
    return {kind: [str(one) for one in record.get(kind, [])] for kind in ("folders", "files")}


def main() -> None:
    """Run as Ansible runs it."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    placing = Placing(module)
    placing.run()
    module.exit_json(
        changed=bool(placing.placed or placing.removed),
        placed=placing.placed,
        removed=placing.removed,
        diff=placing.diffs,
    )


if __name__ == "__main__":
    main()
