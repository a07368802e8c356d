"""What each command prints with `--json`: one place for the shapes that scripts rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from lifecycle.access import TunnelReport
from lifecycle.alerting import AlertsReport
from lifecycle.audit import AuditReport
from lifecycle.bundle.check import SealReport, VerifyBundleReport
from lifecycle.bundle.make import MakeReport
from lifecycle.bundle.push import PushReport
from lifecycle.capacity import BuyReport, ExtendReport, FindReport, ShowReport
from lifecycle.compare import CompareReport
from lifecycle.connecting import ConnectReport
from lifecycle.doctor import DoctorFinding
from lifecycle.down_report import DownReport
from lifecycle.drift import DriftReport
from lifecycle.evidence.package import EvidenceCheck, EvidenceReport
from lifecycle.extend import Extended
from lifecycle.hosts.check import HostsReport
from lifecycle.models import ModelsReport
from lifecycle.operator_policy.document import IamPolicyReport
from lifecycle.planning import PlanReport
from lifecycle.policy_cards import ProofReport, RuleList, RulesPage
from lifecycle.policy_check import PolicyReport
from lifecycle.reap import ReapReport
from lifecycle.register import Issued
from lifecycle.rehearsal.records import RehearsalReport
from lifecycle.repair import RepairReport
from lifecycle.rotation.report import RotationReport
from lifecycle.shell import SshReport
from lifecycle.sizing import SizeReport
from lifecycle.status import ListedStack, StatusReport
from lifecycle.sweep import SweepReport
from lifecycle.tokens import Rotated, Token
from lifecycle.up_report import UpReport
from lifecycle.verify import VerifyReport
from lifecycle.weights import FetchReport, WeightsReport
from planner.assess.report import Assessment
from planner.cost import CostReport
from planner.profile import Profile
from policies.exposure.exposure import Exposure
from policies.run import Card


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    code: str
    message: str
    hint: str


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """An error, and nothing else on stdout."""

    error: ErrorBody


class Stacks(msgspec.Struct, frozen=True, kw_only=True):
    """`list`."""

    stacks: tuple[ListedStack, ...]


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """`token list`."""

    tokens: tuple[Issued, ...]


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """`token revoke`: the ids that are refused from now on."""

    revoked: tuple[str, ...]


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """`logs`: service -> lines."""

    logs: dict[str, tuple[str, ...]]


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """`open`."""

    stack: str
    urls: dict[str, str]
    ca_file: str
    examples: dict[str, str]


class Doctor(msgspec.Struct, frozen=True, kw_only=True):
    """`doctor`."""

    ok: bool
    checks: tuple[DoctorFinding, ...]


class Ca(msgspec.Struct, frozen=True, kw_only=True):
    """`ca`: the fingerprint of the authority that signs, and of the other one while `rotate ca` is under way."""

    stack: str
    ca_file: str
    sha256: str
    others: tuple[str, ...]


class ListedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `profiles`."""

    name: str
    description: str
    model: dict[str, Any]
    hardware: dict[str, Any]


class Profiles(msgspec.Struct, frozen=True, kw_only=True):
    """`profiles`."""

    profiles: tuple[ListedProfile, ...]


class BackupReport(msgspec.Struct, frozen=True, kw_only=True):
    """`backup`: what is in the file."""

    stack: str
    path: str
    files: tuple[str, ...]
    created_at: datetime


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """`restore`: what was in the file, and which processes of a stack that gave way were ended."""

    stack: str
    files: tuple[str, ...]
    created_at: datetime
    ended: tuple[str, ...]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """`version`."""

    cloister: str
    python: str
    artefacts: dict[str, str]


REPORTS: dict[str, type[msgspec.Struct]] = {
    "up": UpReport,
    "plan": PlanReport,
    "size": SizeReport,
    "cost": CostReport,
    "models": ModelsReport,
    "compare": CompareReport,
    "assess": Assessment,
    "status": StatusReport,
    "verify": VerifyReport,
    "exposure": Exposure,
    "audit": AuditReport,
    "policy list": RuleList,
    "policy show": Card,
    "policy check": PolicyReport,
    "policy test": ProofReport,
    "policy docs": RulesPage,
    "evidence": EvidenceReport,
    "evidence verify": EvidenceCheck,
    "token issue": Token,
    "token list": Tokens,
    "token revoke": Revoked,
    "token rotate": Rotated,
    "rotate cert": RotationReport,
    "rotate ca": RotationReport,
    "rotate jwks": RotationReport,
    "rotate ssh-key": RotationReport,
    "alerts test": AlertsReport,
    "logs": Logs,
    "open": Open,
    "ssh": SshReport,
    "connect": ConnectReport,
    "tunnel": TunnelReport,
    "list": Stacks,
    "extend": Extended,
    "reap": ReapReport,
    "down": DownReport,
    "rehearse": RehearsalReport,
    "drift": DriftReport,
    "sweep": SweepReport,
    "repair": RepairReport,
    "doctor": Doctor,
    "iam-policy": IamPolicyReport,
    "hosts check": HostsReport,
    "capacity find": FindReport,
    "capacity buy": BuyReport,
    "capacity extend": ExtendReport,
    "capacity show": ShowReport,
    "bundle seal": SealReport,
    "bundle verify": VerifyBundleReport,
    "bundle push": PushReport,
    "bundle make": MakeReport,
    "weights fetch": FetchReport,
    "weights verify": WeightsReport,
    "profiles": Profiles,
    "profiles show": Profile,
    "ca": Ca,
    "backup": BackupReport,
    "restore": RestoreReport,
    "version": Version,
    "(any, on error)": Error,
}
