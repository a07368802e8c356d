"""Quoting for unit files: a word of a command line, and a value (systemd.syntax(7), systemd.service(5))."""

from __future__ import annotations

import re

PLAIN = re.compile(r"[A-Za-z0-9_./:=,@+-]+")
UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')


def unit_word(word: str) -> str:
    """Return one word of a command line, so that systemd passes it on as it is.

    `%` begins a specifier and `$` a variable there; what is not plain stands in double quotes.

    Raises:
        ValueError: it holds NUL, which no program can be given.

    """
    return _quoted(word.replace("%", "%%").replace("$", "$$"))


def unit_value(value: str) -> str:
    """Return an assignment of `Environment=`, in which `$` means nothing.

    Raises:
        ValueError: it holds NUL, which no program can be given.

    """
    return _quoted(value.replace("%", "%%"))


def _quoted(text: str) -> str:
    if "\0" in text:
        raise ValueError("a word for a program cannot hold NUL")
    if PLAIN.fullmatch(text):
        return text
    return '"' + UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", text) + '"'
