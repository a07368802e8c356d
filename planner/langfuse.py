"""Langfuse on hosts of one's own: six services that run from images, and the engine that sends it traces.

It is off unless the profile has `[langfuse]`. Variables, ports, paths and commands are those of Langfuse 4.16 (its
docker-compose.yml, entry points and env schemas) and, for what it keeps its data in, of each program's own
documentation. Each listens on loopback alone and has a user, a folder and a password of its own.
"""

from __future__ import annotations

import msgspec

from planner.errors import PlanError
from planner.images import read_image
from planner.plan import Decision, Health, LangfusePlan, Limits, Plan, Port, SecretRef, Service, Target
from planner.profile import LangfuseSection

IMAGES = ("web", "worker", "postgres", "clickhouse", "valkey", "store")
"""Fields of the profile's section that name images, in the order in which they start, but for the first two."""
PORTS = {
    "langfuse-web.http": 8300,
    "langfuse-worker.http": 8301,
    "langfuse-postgres.sql": 8302,
    "langfuse-clickhouse.http": 8303,
    "langfuse-clickhouse.native": 8304,
    "langfuse-valkey.resp": 8305,
    "langfuse-store.s3": 8306,
}
"""`service.port` -> number: none that a distribution's own package of the same program has."""
LOOPBACK = "127.0.0.1"
USER = "langfuse"
"""Of the databases and of the object store."""
DATABASE = "postgres"
"""PostgreSQL has it from the beginning."""
BUCKET = "langfuse"
REGION = "us-east-1"
"""Part of every signed request: what the store takes by itself."""
PROJECT = "cloister"
"""Organisation and project that are made at the first start."""
PUBLIC_KEY, SECRET_KEY = "langfuse-public-key", "langfuse-secret-key"
HEADERS = "langfuse-otlp-headers"
CLICKHOUSE, CLICKHOUSE_DIGEST = "langfuse-clickhouse", "langfuse-clickhouse-sha256"
RANDOM = {
    CLICKHOUSE: "Langfuse logs in to ClickHouse with it",
    "langfuse-encryption": "Langfuse encrypts with it what it keeps of other systems' keys",
    "langfuse-postgres": "Langfuse logs in to PostgreSQL with it",
    "langfuse-salt": "Langfuse hashes the keys of its API with it",
    "langfuse-session": "Langfuse signs sessions of its interface with it",
    "langfuse-store": "Langfuse signs requests to the object store with it",
    "langfuse-user": "password of Langfuse's first user",
    "langfuse-valkey": "Langfuse logs in to Valkey with it",
}
"""Secrets that are 32 random bytes in hexadecimal, which every one of their readers takes: name -> purpose."""
DERIVED = {
    CLICKHOUSE_DIGEST: "what ClickHouse knows of its password: the SHA-256",
    HEADERS: "lets the engine send traces to Langfuse",
    PUBLIC_KEY: "name of the key of Langfuse's API that the engine sends with",
    SECRET_KEY: "key of Langfuse's API that the engine sends with",
}
"""Secrets of other forms."""
TRACES_PATH = "/api/public/otel/v1/traces"
TRACES_FLAG = "--otlp-traces-endpoint"
HEADERS_VARIABLE = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
TRACED = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_SERVICE_NAME": "vllm"}
"""vLLM 0.33 speaks gRPC without TLS otherwise, which Langfuse does not take (its tracing/otel.py)."""
SILENT = {"CHECKPOINT_DISABLE": "1", "NEXT_TELEMETRY_DISABLED": "1", "TELEMETRY_ENABLED": "false"}
"""Nobody is told: neither by Langfuse nor by Next.js and Prisma, of which it is made."""
HEAP = {"NODE_OPTIONS": "--max-old-space-size=2048"}
"""MiB: Node's heap ends before the unit's memory does."""
_LINE = ("dumb-init", "--")
"""Beginning of the entry point of Langfuse's own images, which their documentation keeps stable."""


def check_langfuse(section: LangfuseSection | None, target: Target) -> None:
    """Refuse it where it cannot run, or where it is not said from what.

    Raises:
        PlanError: the nodes are AWS's, there are no hosts, or a field is missing or not pinned.

    """
    if section is None:
        return
    if target != "metal":
        where = "nodes in AWS run no images" if target == "aws" else "the sandbox runs no images"
        raise PlanError(
            f"`[langfuse]`: {where}",
            hint="Leave the section out there; hosts of one's own run it (`--target metal`).",
            code="langfuse_not_here",
        )
    if missing := [name for name in (*IMAGES, "user") if not getattr(section, name)]:
        raise PlanError(
            f"`[langfuse]` lacks {', '.join(missing)}",
            hint="Name every image as REGISTRY/REPOSITORY@sha256:DIGEST, and in `user` the first user's mail address: "
            "none is shipped, for a digest that nobody looked up is worth nothing. docs/langfuse.md says which images.",
            code="langfuse_incomplete",
        )
    for name in IMAGES:
        read_image(getattr(section, name), (), f"langfuse.{name}")


def langfuse_plan(section: LangfuseSection | None) -> LangfusePlan | None:
    """Return what a plan says of it besides its services; None where it is off."""
    if section is None:
        return None
    return LangfusePlan(
        user=section.user, project=PROJECT, url=f"http://localhost:{_at('web', 'http')}", disk_gib=section.disk_gib
    )


def langfuse_secrets(section: LangfuseSection | None) -> tuple[SecretRef, ...]:
    """Name what is secret."""
    if section is None:
        return ()
    purposes = sorted((RANDOM | DERIVED).items())
    return tuple(SecretRef(name=name, purpose=purpose, on_hosts=True) for name, purpose in purposes)


def langfuse_services(section: LangfuseSection | None) -> tuple[Service, ...]:
    """Describe all six, in the order in which they start; none where it is off."""
    if section is None:
        return ()
    stores = (_postgres(section), _clickhouse(section), _valkey(section), _store(section))
    web = _web(section, after=tuple(store.name for store in stores))
    return (*stores, web, _worker(section, after=(*web.after, web.name)))


def langfuse_decisions(plan: LangfusePlan | None, *, hosts: int, imitated: bool) -> tuple[Decision, ...]:
    """Say what it does here, and who sends to it."""
    if plan is None:
        return ()
    each = f", one on each of {hosts} hosts: each sees its own host's traces alone" if hosts > 1 else ""
    what = "nobody: the imitated engine sends no traces" if imitated else "the engine, by OTLP: times and token counts"
    why = "vLLM's traces hold no prompts and no answers; whatever else may send has the project's keys"
    return (
        Decision(
            what="Langfuse", choice=f"on loopback, {plan.url} through `ssh -L`{each}", why="`[langfuse]` asks for it"
        ),
        Decision(what="sends to Langfuse", choice=what, why=why),
    )


def traces_to(section: LangfuseSection | None) -> str:
    """Return the URL that the engine sends traces to; empty where it sends none."""
    return f"http://{LOOPBACK}:{_at('web', 'http')}{TRACES_PATH}" if section else ""


def langfuse_disk_gib(plan: Plan) -> int:
    """Return what its data may take on each host, in GiB."""
    return plan.langfuse.disk_gib if plan.langfuse else 0


def _at(service: str, port: str) -> int:
    return PORTS[f"langfuse-{service}.{port}"]


def _service(
    section: LangfuseSection, name: str, artefact: str, *, command: tuple[str, ...], port: str, limits: Limits
) -> Service:
    """Return what all six have in common: an image, a port on loopback, and a way to tell that it is ready."""
    image = read_image(getattr(section, name), command, f"langfuse.{name}")
    return Service(
        name=f"langfuse-{name}",
        artefact=artefact,
        # Which version that is, only its maker could say: the digest is exact.
        version=image.digest[:19],
        image=image,
        args=(),
        ports=(Port(name=port, number=_at(name, port), binding="loopback"),),
        health=Health(port=port, path="", scheme="tcp", timeout_s=120.0),
        limits=limits,
    )


def _postgres(section: LangfuseSection) -> Service:
    made = _service(section, "postgres", "postgres", command=("sh",), port="sql", limits=Limits(memory_mib=1024))
    return msgspec.structs.replace(made, args=("{config}/start.sh",), secret_files=("langfuse-postgres",))


def _clickhouse(section: LangfuseSection) -> Service:
    limits = Limits(memory_mib=4096, open_files=16384, tasks=4096)
    made = _service(section, "clickhouse", "clickhouse", command=("clickhouse-server",), port="http", limits=limits)
    native = Port(name="native", number=_at("clickhouse", "native"), binding="loopback")
    return msgspec.structs.replace(
        made,
        args=("--config-file={config}/config.xml",),
        # ClickHouse keeps a copy of its configuration, with what stood in its environment.
        secret_env={"CLICKHOUSE_PASSWORD_SHA256": CLICKHOUSE_DIGEST},
        ports=(*made.ports, native),
        health=Health(port="http", path="/ping", timeout_s=120.0),
    )


def _valkey(section: LangfuseSection) -> Service:
    made = _service(
        section, "valkey", "valkey", command=("sh",), port="resp", limits=Limits(memory_mib=1024, open_files=16384)
    )
    return msgspec.structs.replace(made, args=("{config}/start.sh",), secret_files=("langfuse-valkey",))


def _store(section: LangfuseSection) -> Service:
    made = _service(
        section, "store", "versitygw", command=("sh",), port="s3", limits=Limits(memory_mib=1024, open_files=16384)
    )
    return msgspec.structs.replace(
        made,
        args=("{config}/start.sh",),
        env={"ROOT_ACCESS_KEY_ID": USER},
        secret_env={"ROOT_SECRET_ACCESS_KEY": "langfuse-store"},
        health=Health(port="s3", path="/health", timeout_s=120.0),
    )


def _web(section: LangfuseSection, after: tuple[str, ...]) -> Service:
    """Describe interface and API. Its start brings both databases to its version, the first time from nothing."""
    command = (*_LINE, "./web/entrypoint.sh", "node", "./web/server.js", "--keepAliveTimeout", "110000")
    made = _service(
        section, "web", "langfuse-web", command=command, port="http", limits=Limits(memory_mib=3072, tasks=1024)
    )
    return msgspec.structs.replace(
        made,
        env={
            **_application("web"),
            "AUTH_DISABLE_SIGNUP": "true",
            "LANGFUSE_INIT_ORG_ID": PROJECT,
            "LANGFUSE_INIT_ORG_NAME": PROJECT,
            "LANGFUSE_INIT_PROJECT_ID": PROJECT,
            "LANGFUSE_INIT_PROJECT_NAME": PROJECT,
            "LANGFUSE_INIT_USER_EMAIL": section.user,
            "LANGFUSE_INIT_USER_NAME": section.user.partition("@")[0],
        },
        secret_env={
            **_SHARED,
            "LANGFUSE_INIT_PROJECT_PUBLIC_KEY": PUBLIC_KEY,
            "LANGFUSE_INIT_PROJECT_SECRET_KEY": SECRET_KEY,
            "LANGFUSE_INIT_USER_PASSWORD": "langfuse-user",
            "NEXTAUTH_SECRET": "langfuse-session",
        },
        health=Health(port="http", path="/api/public/health", timeout_s=600.0),
        after=after,
    )


def _worker(section: LangfuseSection, after: tuple[str, ...]) -> Service:
    command = (*_LINE, "./worker/entrypoint.sh", "node", "worker/dist/index.js")
    made = _service(
        section, "worker", "langfuse-worker", command=command, port="http", limits=Limits(memory_mib=3072, tasks=1024)
    )
    return msgspec.structs.replace(
        made,
        env=_application("worker"),
        secret_env=_SHARED,
        health=Health(port="http", path="/api/health", timeout_s=120.0),
        after=after,
    )


_SHARED = {
    "CLICKHOUSE_PASSWORD": CLICKHOUSE,
    "DATABASE_PASSWORD": "langfuse-postgres",
    "ENCRYPTION_KEY": "langfuse-encryption",
    "LANGFUSE_S3_EVENT_UPLOAD_SECRET_ACCESS_KEY": "langfuse-store",
    "REDIS_AUTH": "langfuse-valkey",
    "SALT": "langfuse-salt",
}


def _application(name: str) -> dict[str, str]:
    """Return the variables that interface and worker have in common."""
    return {
        **SILENT,
        **HEAP,
        "HOSTNAME": LOOPBACK,
        "PORT": str(_at(name, "http")),
        "NEXTAUTH_URL": f"http://localhost:{_at('web', 'http')}",
        "DATABASE_HOST": f"{LOOPBACK}:{_at('postgres', 'sql')}",
        "DATABASE_NAME": DATABASE,
        "DATABASE_USERNAME": USER,
        "CLICKHOUSE_CLUSTER_ENABLED": "false",
        "CLICKHOUSE_MIGRATION_URL": f"clickhouse://{LOOPBACK}:{_at('clickhouse', 'native')}",
        "CLICKHOUSE_URL": f"http://{LOOPBACK}:{_at('clickhouse', 'http')}",
        "CLICKHOUSE_USER": USER,
        "REDIS_HOST": LOOPBACK,
        "REDIS_PORT": str(_at("valkey", "resp")),
        "LANGFUSE_S3_EVENT_UPLOAD_ACCESS_KEY_ID": USER,
        "LANGFUSE_S3_EVENT_UPLOAD_BUCKET": BUCKET,
        "LANGFUSE_S3_EVENT_UPLOAD_ENDPOINT": f"http://{LOOPBACK}:{_at('store', 's3')}",
        "LANGFUSE_S3_EVENT_UPLOAD_FORCE_PATH_STYLE": "true",
        "LANGFUSE_S3_EVENT_UPLOAD_PREFIX": "events/",
        "LANGFUSE_S3_EVENT_UPLOAD_REGION": REGION,
        # Each part of an object's name is the name of a file in the store.
        "LANGFUSE_S3_EVENT_KEY_MAX_SEGMENT_BYTES": "255",
    }
