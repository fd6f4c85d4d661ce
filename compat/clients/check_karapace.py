"""Karapace, a schema registry that keeps all its state in a compacted topic of one partition, and elects its primary by a group of protocol `sr`.

It is in no package registry: these checks run with `--outside` (see README.md).
"""

import json
import subprocess
import urllib.error
import urllib.request

import toolchains
from beside import Beside
from harness import check, eventually, expect, expect_eq, expect_match
from ports import free_ports

AVRO = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
AVRO_WIDER = {**AVRO, "fields": [*AVRO["fields"], {"name": "note", "type": "string", "default": ""}]}
AVRO_BROKEN = {**AVRO, "fields": [*AVRO["fields"], {"name": "must", "type": "string"}]}
JSON_SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
JSON_BROKEN = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
PROTOBUF = 'syntax = "proto3";\nmessage Order {\n  int64 id = 1;\n}\n'
PROTOBUF_WIDER = PROTOBUF.replace("1;\n}", "1;\n  string note = 2;\n}")


class Registry(Beside):
    """One Karapace process. Processes of one broker are one cluster: they share the topic and the group."""

    def __init__(self, ctx, broker, name):
        self.ctx, self.name = ctx, name
        self.port = free_ports(1)[0]
        self.log_path = ctx.work_dir / f"{name}.log"
        self.config_path = ctx.work_dir / f"{name}.json"
        self.config_path.write_text(json.dumps({
            "bootstrap_uri": broker.bootstrap, "host": "127.0.0.1", "port": self.port, "advertised_hostname": "127.0.0.1", "advertised_port": self.port,
            "client_id": name, "group_id": "schema-registry", "topic_name": "_schemas", "karapace_registry": True, "log_level": "INFO", "session_timeout_ms": 6000,
        }))

    def start(self):
        self.process = subprocess.Popen([*toolchains.karapace(), str(self.config_path)], stdin=subprocess.DEVNULL, stdout=open(self.log_path, "ab"),
                                        stderr=subprocess.STDOUT, cwd=self.ctx.work_dir)
        self.ctx.processes.append(self)
        return self

    def call(self, method, path, body=None):
        """Status and answer; an answer that does not come is a status of 0."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/vnd.schemaregistry.v1+json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or "null")
        except OSError as nothing:
            return 0, str(nothing)

    def get(self, path):
        return self.expect(200, "GET", path)

    def expect(self, status, method, path, body=None):
        got, answer = self.call(method, path, body)
        expect(got == status, f"{method} {path} of {self.name}: {got} instead of {status}: {answer}\n{self.log_path.read_text()[-3000:]}")
        return answer

    def register(self, subject, schema, kind="AVRO"):
        return self.expect(200, "POST", f"/subjects/{subject}/versions", as_body(schema, kind))["id"]

    def primary(self):
        """The primary's address as this one knows it, once it is ready."""
        status, answer = self.call("GET", "/_health")
        health = answer if status == 200 else {}
        return health.get("schema_registry_primary_url") if health.get("schema_registry_ready") else None

    def ready(self):
        def writes():
            return self.primary() and self.call("PUT", "/config", {"compatibility": "BACKWARD"})[0] == 200
        eventually(writes, f"{self.name} is ready to write", timeout_s=60)
        return self

    def state(self):
        """All that it knows, deleted or not."""
        subjects = self.get("/subjects?deleted=true")
        versions = {subject: self.get(f"/subjects/{subject}/versions?deleted=true") for subject in subjects}
        schemas = {f"{subject} {version}": self.get(f"/subjects/{subject}/versions/{version}?deleted=true") for subject in subjects for version in versions[subject]}
        return {"live": sorted(self.get("/subjects")), "versions": versions, "schemas": schemas, "levels": [self.call("GET", f"/config/{subject}") for subject in subjects]}


def as_body(schema, kind="AVRO"):
    return {"schemaType": kind, "schema": schema if isinstance(schema, str) else json.dumps(schema)}


def schemas_of_all_kinds(registry):
    first = registry.register("avro", AVRO)
    expect_eq(registry.register("avro", AVRO), first, "the same schema again")
    expect_eq(registry.register("other", AVRO), first, "the same schema of another subject")
    wider = registry.register("avro", AVRO_WIDER)
    expect(wider > first, f"ids grow: {first}, {wider}")
    expect_eq(json.loads(registry.get(f"/schemas/ids/{wider}")["schema"]), AVRO_WIDER, "by id")
    expect_eq(registry.expect(200, "POST", "/subjects/avro", as_body(AVRO))["version"], 1, "version of a known schema")
    registry.register("json", JSON_SCHEMA, "JSON")
    registry.register("proto", PROTOBUF, "PROTOBUF")
    registry.register("proto", PROTOBUF_WIDER, "PROTOBUF")
    expect_eq(registry.get("/subjects/proto/versions"), [1, 2], "versions")


def compatibility(registry):
    for subject, kind, good, bad in (("avro", "AVRO", AVRO, AVRO_BROKEN), ("json", "JSON", JSON_SCHEMA, JSON_BROKEN)):
        path = f"/compatibility/subjects/{subject}/versions/latest"
        expect_eq(registry.expect(200, "POST", path, as_body(good, kind)).get("is_compatible"), True, f"{subject} as it is")
        expect_eq(registry.expect(200, "POST", path, as_body(bad, kind)).get("is_compatible"), False, f"{subject} broken")
        registry.expect(409, "POST", f"/subjects/{subject}/versions", as_body(bad, kind))
    registry.expect(200, "PUT", "/config/json", {"compatibility": "NONE"})
    registry.register("json", JSON_BROKEN, "JSON")
    expect_eq(registry.get("/config/json")["compatibilityLevel"], "NONE", "the subject's own level")


def deletion(registry):
    registry.register("soft", AVRO)
    registry.register("hard", AVRO)
    for subject in ("soft", "hard"):
        expect_eq(registry.expect(200, "DELETE", f"/subjects/{subject}"), [1], "deleted versions")
    registry.expect(200, "DELETE", "/subjects/hard?permanent=true")
    registry.expect(404, "GET", "/subjects/hard/versions?deleted=true")
    registry.expect(200, "DELETE", "/subjects/proto/versions/1")
    expect_eq(registry.get("/subjects/proto/versions"), [2], "versions left")
    expect("soft" in registry.get("/subjects?deleted=true") and "soft" not in registry.get("/subjects"), "softly deleted")


@check("karapace: schemas survive restarts of the registry and of the broker, and kill -9", tags=("outside",), own_broker=True, timeout_s=300)
def one_registry(ctx):
    broker = ctx.new_broker()
    registry = Registry(ctx, broker, "first").start().ready()
    expect_match(r"PartitionCount: 1\t.*cleanup.policy=compact", ctx.tool("kafka-topics", "--describe", "--topic", "_schemas", broker=broker).out)
    schemas_of_all_kinds(registry)
    compatibility(registry)
    deletion(registry)
    known = registry.state()

    registry.stop()
    registry = Registry(ctx, broker, "again").start().ready()
    expect_eq(registry.state(), known, "after the registry's restart")
    broker.restart()
    registry.ready()
    expect_eq(registry.state(), known, "after the broker's restart")

    # What was acknowledged before the kill is there after it, whoever reads it.
    ids = {f"burst-{n}": registry.register(f"burst-{n}", {**AVRO, "name": f"Burst{n}"}) for n in range(20)}
    broker.kill9()
    expect(registry.call("POST", "/subjects/late/versions", as_body({**AVRO, "name": "Late"}))[0] != 200, "no answer without a broker")
    broker.start()
    registry.ready()
    fresh = Registry(ctx, broker, "fresh").start().ready()
    for reader in (registry, fresh):
        expect_eq({subject: reader.get(f"/subjects/{subject}/versions/1")["id"] for subject in ids}, ids, f"ids known to {reader.name}")
    now = fresh.state()
    expect_eq({key: now["schemas"][key] for key in known["schemas"]}, known["schemas"], "what was there before")
    expect_eq(registry.state(), now, "the old one knows what the new one read")


@check("karapace: two instances, one primary; the other takes over", tags=("outside",), own_broker=True, timeout_s=300)
def two_registries(ctx):
    broker = ctx.new_broker()
    both = [Registry(ctx, broker, name).start() for name in ("left", "right")]
    for registry in both:
        registry.ready()

    def agreed():
        (url,) = {registry.primary() for registry in both}
        return next(registry for registry in both if url and str(registry.port) in url)
    primary = eventually(agreed, "both name the same primary", timeout_s=60)
    other = next(registry for registry in both if registry is not primary)
    listed = ctx.tool("kafka-groups", "--list", "--protocol", "sr", broker=broker)
    expect_match(r"^schema-registry +Classic +sr *$", listed.out, listed)
    # A write at the other one is forwarded; both read it from the topic.
    known = other.register("shared", AVRO)
    eventually(lambda: primary.call("GET", f"/schemas/ids/{known}")[0] == 200, "the primary knows it")
    primary.kill9()
    eventually(lambda: str(other.port) in (other.primary() or ""), "the other is primary", timeout_s=60)
    other.ready()
    expect(other.register("alone", AVRO_WIDER) > known, "ids go on")
    before = other.state()
    back = Registry(ctx, broker, "back").start().ready()
    expect_eq(back.state(), before, "what the next one reads")
