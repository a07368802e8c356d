"""Every permission names its action and its object; every way out through an endpoint ends in the own account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from planner.resources import UNKNOWN, Resource, Unknown
from policies import examples
from policies.about import by_type
from policies.documents import MalformedError, Statement, UndecidedError, Word, read
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at, each, is_set, must_be_own, own_value

ROLE = "aws:iam/role:Role"
POLICY = "aws:iam/policy:Policy"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
KEY = "aws:kms/key:Key"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
PROFILE = "aws:iam/instanceProfile:InstanceProfile"
INSTANCE = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"

DOCUMENTS = {
    ROLE_POLICY: ("policy", "identity"),
    POLICY: ("policy", "identity"),
    ROLE: ("assumeRolePolicy", "trust"),
    KEY: ("policy", "resource"),
    "aws:kms/keyPolicy:KeyPolicy": ("policy", "resource"),
    "aws:secretsmanager/secretPolicy:SecretPolicy": ("policy", "resource"),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy", "resource"),
    ENDPOINT: ("policy", "endpoint"),
    "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy": ("policy", "endpoint"),
}
"""Where each type keeps its document, and what kind of document that is."""

NEEDS_ANY_RESOURCE = {
    "ecr:GetAuthorizationToken": "the token is the registry's, and names no repository",
    "ec2:DescribeInstances": "EC2's Describe calls have no resources to name; they only read",
    "ec2:DescribeTags": "EC2's Describe calls have no resources to name; they only read",
    "ec2:DescribeVolumes": "EC2's Describe calls have no resources to name; they only read",
    "ssm:UpdateInstanceInformation": "a managed node reports itself; its id is not known beforehand",
    "ssmmessages:CreateControlChannel": "the agent's channel has no resource to name",
    "ssmmessages:CreateDataChannel": "the agent's channel has no resource to name",
    "ssmmessages:OpenControlChannel": "the agent's channel has no resource to name",
    "ssmmessages:OpenDataChannel": "the agent's channel has no resource to name",
    "sts:GetCallerIdentity": "it tells the caller who it is, and nothing else",
}
"""Actions that IAM cannot narrow to a resource, and why `*` is right for them.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

ACTION_FAMILIES = {
    "kms:ReEncrypt*": "ReEncryptFrom and ReEncryptTo, which AWS grants only together",
    "kms:GenerateDataKey*": "the four ways to make a data key, of which services choose one",
}
"""Wildcards in actions that stand for a closed family."""

NARROWING = ("aws:ResourceTag/", "ec2:ResourceTag/", "cloudwatch:namespace")
"""Condition keys that narrow a permission as a named resource would, when compared for equality."""

CALLER_KEYS = frozenset({"aws:PrincipalAccount", "kms:CallerAccount"})
"""Condition keys that, compared for equality with an account number, let in callers of that account alone."""

ENDPOINT_KEYS = CALLER_KEYS | {"aws:ResourceAccount"}
"""The same for endpoints, where the account of the thing that is called narrows as well."""

SOURCE_KEYS = frozenset(
    {"aws:SourceAccount", "aws:SourceArn", "kms:EncryptionContext:aws:logs:arn", "kms:CallerAccount"}
)
"""Condition keys that say on whose behalf a service may act."""

SOURCE_OPERATORS = frozenset({"StringEquals", "StringLike", "ArnEquals", "ArnLike"})
"""How they may be compared; the value must hold an account number, whatever else is a wildcard."""

AWS_BUCKETS = {
    re.compile(r"arn:aws[a-z-]*:s3:::prod-[a-z0-9-]+-starport-layer-bucket/\*"): "layers of images in ECR",
    re.compile(r"arn:aws[a-z-]*:s3:::al2023-repos-[a-z0-9-]+-de612dc2/\*"): "packages of Amazon Linux 2023",
}
"""Buckets that belong to AWS and are read through the account's own endpoint, and what is in them."""

MANAGED_POLICIES: dict[str, str] = {}
"""Policies of AWS's own making that a role may have, and why; they grant `*` freely, so there are none."""

ACCOUNT = re.compile(r"(?<![\w-])\d{12}(?![\w-])")
ROOT = re.compile(r"(\d{12}|arn:aws[a-z-]*:iam::\d{12}:root)")
WILDCARD = re.compile(r"[*?]")


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge the policy documents of one resource."""
    if resource.type in DOCUMENTS:
        name, kind = DOCUMENTS[resource.type]
        yield from _document(at(resource.inputs, name), kind, name)
    if resource.type == ROLE:
        for path, inline in each(resource.inputs, "inlinePolicies"):
            yield from _document(at(inline, "policy"), "identity", f"{path}.policy")
        for path, arn in each(resource.inputs, "managedPolicyArns"):
            yield from _managed(resource, arn, path)
    elif resource.type == ATTACHMENT:
        yield from _managed(resource, at(resource.inputs, "policyArn"), "policyArn")


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge what belongs together: documents know one account, and nodes have roles of this stack."""
    yield from _one_account(stack)
    for profile in stack.of_type(PROFILE):
        yield from must_be_own(stack, profile, "role", ROLE)
    for resource in stack.of_type(INSTANCE, LAUNCH_TEMPLATE):
        profile = at(resource.inputs, "iamInstanceProfile")
        values = profile if isinstance(profile, Mapping) else {"": profile}
        for name, value in values.items():
            if is_set(value):
                yield from own_value(stack, resource, f"iamInstanceProfile.{name}".rstrip("."), value, PROFILE)


def _one_account(stack: Stack) -> Iterator[Answer]:
    first = ""
    for resource in stack.of_type(*DOCUMENTS):
        for account in sorted(_accounts(at(resource.inputs, DOCUMENTS[resource.type][0]))):
            first = first or account
            if account != first:
                yield Violated(f"a second account is let in: {account}, beside {first}", resource)


def _document(document: Any, kind: str, path: str) -> Iterator[Answer]:
    if document is UNKNOWN:
        yield NotKnown(path)
    elif is_set(document):
        try:
            statements = read(document)
        except MalformedError as error:
            yield Violated(f"`{path}`: {error}")
        except UndecidedError as error:
            yield NotKnown(f"{path}: {error}")
        else:
            for statement in statements:
                yield from _statement(statement, kind, path)
    elif kind != "resource":  # keys and buckets without one answer to the account's IAM policies alone
        yield Violated(f"there is no policy (`{path}`), so everything passes")


def _statement(statement: Statement, kind: str, path: str) -> Iterator[Answer]:
    if not statement.allows:
        return
    where = f"`{path}`, statement {statement.label}"
    if statement.negated:
        yield Violated(f"{where}: {statement.negated[0]} allows everything but what it names")
    for answer in _JUDGES[kind](statement):
        match answer:
            case NotKnown(what):
                yield NotKnown(f"{path}, statement {statement.label}: {what}")
            case Violated(message):
                yield Violated(f"{where}: {message}")


def _identity(statement: Statement) -> Iterator[Answer]:
    yield from _actions(statement)
    yield from _objects(statement)


def _objects(statement: Statement) -> Iterator[Answer]:
    """Judge what the actions are allowed on."""
    if _compared(statement, NARROWING):
        return
    if all(action in NEEDS_ANY_RESOURCE for action in statement.actions):
        return
    for resource in statement.resources:
        if resource is UNKNOWN:
            yield NotKnown("Resource")
        elif isinstance(resource, str) and not _names_something(resource):
            yield Violated(f"the resource {resource} names nothing in particular")


def _trust(statement: Statement) -> Iterator[Answer]:
    yield from _actions(statement)
    yield from _principals(statement)


def _resource(statement: Statement) -> Iterator[Answer]:
    """Judge who and what: `Resource` in the policy of a key, bucket or secret is the thing itself.

    The account's root may do everything with a key: without it a key can become unmanageable, and the permission only
    lets the account's own IAM policies decide, which are judged above.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    root = bool(statement.principals) and all(
        kind == "AWS" and isinstance(who, str) and ROOT.fullmatch(who) for kind, who in statement.principals
    )
    if not (root and statement.actions == ("kms:*",)):
        yield from _actions(statement)
    yield from _principals(statement)
    services = any(kind == "Service" for kind, _ in statement.principals)
    if services and not _says_on_whose_behalf(statement):
        yield Violated("a service may act for any customer of AWS: no condition says on whose behalf")


def _endpoint(statement: Statement) -> Iterator[Answer]:
    if statement.actions == ("s3:GetObject",) and _only_aws_buckets(statement.resources):
        return
    yield from _actions(statement)
    yield from _objects(statement)
    limited = _limited_to_accounts(statement, ENDPOINT_KEYS)
    if limited is UNKNOWN:
        yield NotKnown("Condition")
    elif not limited:
        yield Violated(
            "any account's data may pass: no `StringEquals` compares aws:PrincipalAccount or aws:ResourceAccount with "
            "an account number"
        )


def _limited_to_accounts(statement: Statement, keys: frozenset[str]) -> bool | Unknown:
    """Tell whether a condition compares one of the keys with account numbers, and with nothing else.

    A policy variable in their place (`${aws:PrincipalAccount}`) compares a caller with itself.
    """
    values = [value for operator, key, value in statement.conditions if operator == "StringEquals" and key in keys]
    if UNKNOWN in values:
        return UNKNOWN
    return bool(values) and all(ACCOUNT.fullmatch(str(value)) for value in values)


def _says_on_whose_behalf(statement: Statement) -> bool:
    values = [(operator, value) for operator, key, value in statement.conditions if key in SOURCE_KEYS]
    return bool(values) and all(
        operator in SOURCE_OPERATORS and (value is UNKNOWN or ACCOUNT.search(str(value))) for operator, value in values
    )


def _actions(statement: Statement) -> Iterator[Answer]:
    for action in statement.actions:
        if action is UNKNOWN:
            yield NotKnown("Action")
        elif isinstance(action, str) and WILDCARD.search(action) and action not in ACTION_FAMILIES:
            yield Violated(f"the action {action} is not spelled out")


def _principals(statement: Statement) -> Iterator[Answer]:
    own = _limited_to_accounts(statement, CALLER_KEYS)
    if not statement.principals and not statement.negated:
        yield Violated("nobody is named (`Principal` is missing)")
    for kind, who in statement.principals:
        if who is UNKNOWN or own is UNKNOWN:
            yield NotKnown("Principal")
        elif kind not in ("AWS", "Service", "*"):
            yield Violated(f"the principal {who} stands outside of the account ({kind})")
        elif isinstance(who, str) and WILDCARD.search(who) and not own:
            yield Violated(f"the principal {who} lets in more than the account's own identities")


def _managed(resource: Resource, arn: Any, path: str) -> Iterator[Answer]:
    if arn is UNKNOWN:
        # A policy of this stack has no ARN yet, but its document is judged where it is registered.
        if not any(f"{POLICY}::" in urn for urn in resource.dependencies):
            yield NotKnown(path)
    elif ":iam::aws:policy/" in str(arn) and arn not in MANAGED_POLICIES:
        yield Violated(f"{arn} is a policy of AWS's making, which grants more than this stack needs")


def _compared(statement: Statement, prefixes: tuple[str, ...]) -> bool:
    return any(
        operator == "StringEquals" and key.startswith(prefixes) and not WILDCARD.search(str(value))
        for operator, key, value in statement.conditions
    )


def _names_something(arn: str) -> bool:
    """Tell whether an ARN names an object before its first wildcard.

    The five fields before the object must be literal. Objects of S3 begin with the bucket's name, others with their
    type, which alone names nothing.
    """
    fields = arn.split(":", 5)
    if len(fields) < 6 or WILDCARD.search("".join(fields[:5])):
        return False
    service, name = fields[2], fields[5]
    literal = WILDCARD.split(name, maxsplit=1)[0]
    if literal == name:
        return True
    if service == "s3":
        return "/" in literal
    return len([part for part in re.split(r"[:/]", literal) if part]) > 1


def _only_aws_buckets(resources: tuple[Word, ...]) -> bool:
    return bool(resources) and all(
        isinstance(arn, str) and any(pattern.fullmatch(arn) for pattern in AWS_BUCKETS) for arn in resources
    )


def _accounts(document: Any) -> set[str]:
    """Return the accounts that a document lets in, by principal or by condition; none if it cannot be read."""
    if document is UNKNOWN or not is_set(document):
        return set()
    try:
        statements = [statement for statement in read(document) if statement.allows]
    except (MalformedError, UndecidedError):
        return set()
    words: list[Word] = []
    for statement in statements:
        words += [who for _, who in statement.principals]
        words += [value for _, key, value in statement.conditions if key in SOURCE_KEYS | ENDPOINT_KEYS]
    return {account for word in words for account in ACCOUNT.findall(str(word))}


_JUDGES = {"identity": _identity, "trust": _trust, "resource": _resource, "endpoint": _endpoint}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **item} for item in statements]})


def _role_policy(action: str | list[str], resource: str) -> tuple[Resource, ...]:
    return (
        examples.resource(ROLE_POLICY, "node", role="node", policy=_policy({"Action": action, "Resource": resource})),
    )


def _endpoint_with(**statement: Any) -> tuple[Resource, ...]:
    bundle = {"Principal": "*", "Action": "s3:GetObject", "Resource": _BUNDLE}
    return (
        examples.resource(
            ENDPOINT, "s3", serviceName="com.amazonaws.us-east-2.s3", policy=_policy({**bundle, **statement})
        ),
    )


_ROOT = {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*"}
_LOGS = {
    "Principal": {"Service": "logs.us-east-2.amazonaws.com"},
    "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "Resource": "*",
}
_LOG_GROUP = "arn:aws:logs:us-east-2:123456789012:log-group:/cloister/example"
_BUNDLE = "arn:aws:s3:::example-bundle/*"
_OWN = {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}

RULE = Rule(
    id="least-privilege",
    title="Permissions name their actions and objects, and end in the own account",
    family="identity",
    severity="high",
    why=(
        "Code that runs on a node has the node's role: with a wildcard it can read every secret and erase every trace "
        "in the account. Through an endpoint without a policy it can write to a bucket of the intruder's, with no "
        "internet at all."
    ),
    remediation=(
        "No profile field loosens this: spell out the action and the ARN, and give endpoints a condition on "
        "aws:PrincipalAccount or aws:ResourceAccount. What IAM cannot narrow belongs into this rule's lists, with its "
        "reason. `deploy plan` shows the verdict."
    ),
    controls=("cis-aws 1.15", "cis-aws 1.17", "nist AC-6", "iso27001 A.5.15", "soc2 CC6.3"),
    references=(
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html",
        "https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html",
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html",
    ),
    good=(
        Example("a role that reads one bundle", _role_policy("s3:GetObject", _BUNDLE)),
        Example("a role that asks for what IAM cannot narrow", _role_policy("ecr:GetAuthorizationToken", "*")),
        Example(
            "a role that stops what carries the stack's tag",
            (
                examples.resource(
                    ROLE_POLICY,
                    "node",
                    policy=_policy(
                        {
                            "Action": "ec2:StopInstances",
                            "Resource": "arn:aws:ec2:us-east-2:123456789012:instance/*",
                            "Condition": {"StringEquals": {"aws:ResourceTag/stack": "example"}},
                        }
                    ),
                ),
            ),
        ),
        Example(
            "a key that the account manages and one log group uses",
            (
                examples.resource(
                    KEY,
                    "main",
                    policy=_policy(
                        _ROOT,
                        {
                            **_LOGS,
                            "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": _LOG_GROUP}},
                        },
                    ),
                ),
            ),
        ),
        Example(
            "an endpoint through which the own account reads one bundle",
            _endpoint_with(Condition=_OWN),
        ),
    ),
    bad=(
        Example("a role that may do everything with S3", _role_policy("s3:*", _BUNDLE)),
        Example("a role that may read every bucket", _role_policy("s3:GetObject", "arn:aws:s3:::*")),
        Example(
            "a role that may do everything but one thing",
            (examples.resource(ROLE_POLICY, "node", policy=_policy({"NotAction": "iam:*", "Resource": "*"})),),
        ),
        Example(
            "a key that a service may use for any customer of AWS",
            (examples.resource(KEY, "main", policy=_policy(_ROOT, _LOGS)),),
        ),
        Example(
            "a key that everybody may use",
            (
                examples.resource(
                    KEY, "main", policy=_policy({"Principal": "*", "Action": "kms:Decrypt", "Resource": "*"})
                ),
            ),
        ),
        Example(
            "an endpoint with no policy", (examples.resource(ENDPOINT, "s3", serviceName="com.amazonaws.us-east-2.s3"),)
        ),
        Example("an endpoint that serves the own account for everything", _endpoint_with(Action="*", Condition=_OWN)),
        Example("an endpoint to every bucket of the account", _endpoint_with(Resource="*", Condition=_OWN)),
        Example(
            "an endpoint whose limit limits nothing",
            _endpoint_with(Condition={"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}),
        ),
        Example("a policy that is not JSON", (examples.resource(ROLE_POLICY, "node", policy="{"),)),
    ),
    on_resource=by_type(dict.fromkeys((*DOCUMENTS, ATTACHMENT), on_resource)),
    on_stack=on_stack,
)
