"""`deploy open`."""

from __future__ import annotations

from cli.options import DEFAULT_STACK, Json, Stack


def open_(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Print the URLs of a stack, and ready examples for curl and Python.

    \b
    Example:
      deploy open
    """
    from cli.show import emit_json, emit_text
    from cli.views import curl_example, python_example
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made

    made = Made.load(Home.of_user().stack(stack))
    made.check_served()
    urls = {"endpoint": f"{made.url}/v1", "prometheus": f"{made.url}/prometheus/"}
    if as_json:
        examples = {"curl": curl_example(made), "python": python_example(made)}
        emit_json({"stack": stack, "urls": urls, "ca_file": made.ca_file, "examples": examples})
        return
    emit_text("\n".join(f"{name:<11} {url}" for name, url in urls.items()))
    emit_text(f"{'CA file':<11} {made.ca_file}\n\n# curl\n{curl_example(made)}\n\n# Python\n{python_example(made)}")
