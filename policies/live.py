"""What an audit finds beside the rules' own verdicts: what it could not read, and what nobody rendered."""

from __future__ import annotations

from policies.rule import Rule

COMPLETE = Rule(
    id="audit-complete",
    title="Whatever the rules are about can be read",
    family="observability",
    severity="critical",
    level="mandatory",
    why=(
        "Who has changed a thing has every reason to keep others from looking at it. What cannot be read is therefore "
        "undecided, and never counted as sound."
    ),
    remediation=(
        "`deploy iam-policy --for audit` prints what a reviewer needs to be allowed, `deploy audit --print-role` the "
        "same for a cluster, and `deploy hosts check` says why a host is not reached; then run `deploy audit` again."
    ),
    controls=("nist CA-7", "iso27001 A.8.16", "soc2 CC7.1"),
    references=("https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final",),
    good=(),
    bad=(),
)
"""What findings about unread things carry. It is no rule over stacks, and has its cases in the tests."""

STRANGE_FILES = Rule(
    id="only-rendered-files",
    title="Programs read only files that were rendered for them",
    family="hosts",
    severity="high",
    level="mandatory",
    why=(
        "Traefik and Prometheus read every file of a folder, so that whoever can put one there adds a route past the "
        "gateway or silences an alert. No rendered file changes by it, and a check of those alone finds nothing."
    ),
    remediation="Look who wrote the file, delete it, and run `deploy audit` again; `deploy up` writes none of these.",
    controls=("nist CM-7", "iso27001 A.8.9", "soc2 CC8.1"),
    references=("https://doc.traefik.io/traefik/providers/file/",),
    good=(),
    bad=(),
)
"""What findings about files that nobody rendered carry; as above."""
