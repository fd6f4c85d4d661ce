"""Kafka Connect in distributed mode: two workers move files through topics into files, with everything the REST interface does to them.

No line may be lost, none may come twice where nothing was killed, and after a kill Connect may repeat only what had not been committed.
"""

import re
from collections import Counter

from _lines import expect_resumed, line, of_source
from _workers import Connect
from harness import check, eventually, expect, expect_eq, expect_match


class Flow:
    """Files, their sources and topics, and a sink that gathers all of them in one file. Names are this check's own."""

    def __init__(self, ctx, sources=1, **source_config):
        self.ctx, self.connect = ctx, ctx.fixture("connect", lambda fixture: Connect(fixture, workers=2))
        self.names = [ctx.unique("flow") for _ in range(sources)]
        self.written = dict.fromkeys(self.names, 0)
        self.out = ctx.work_dir / "out"
        self.sink = f"{self.names[0]}-sink"
        for name in self.names:
            self.file(name).touch()
            self.connect.source(f"{name}-source", self.file(name), name, **source_config)
            self.connect.wait_for(f"{name}-source")

    def file(self, name):
        return self.ctx.work_dir / name

    def start_sink(self, **config):
        """After the first records: a consumer that comes before makes the topic too, and not as the source would."""
        for name in self.names:
            eventually(lambda: self.connect.topic_lines(name), f"records in {name}", timeout_s=40)
        self.connect.sink(self.sink, self.out, self.names, tasks=len(self.names), **config)
        self.connect.wait_for(self.sink, tasks=len(self.names))

    def write(self, count):
        for name in self.names:
            first = self.written[name]
            with self.file(name).open("a") as file:
                file.writelines(f"{line(name, n)}\n" for n in range(first, first + count))
            self.written[name] += count

    def arrived(self, name):
        return of_source(name, self.out.read_text().splitlines()) if self.out.exists() else []

    @property
    def connectors(self):
        return [self.sink, *(f"{name}-source" for name in self.names)]

    def lines(self, name):
        return list(range(self.written[name]))

    def wait_until_arrived(self, timeout_s=30):
        """All that was written is in the sink's file at least once."""
        for name in self.names:
            eventually(lambda: set(self.arrived(name)) >= set(self.lines(name)), f"{self.written[name]} lines of {name}", timeout_s)

    def get_into_the_middle(self):
        """Lines have arrived, and more are on their way."""
        self.write(1000)
        self.start_sink()
        self.wait_until_arrived()
        self.write(20000)
        eventually(lambda: len(self.arrived(self.names[0])) > 1000, "the sink is in the middle", interval_s=0.02)

    def expect_exact(self):
        self.wait_until_arrived()
        for name in self.names:
            expect_eq(of_source(name, self.connect.topic_lines(name)), self.lines(name), f"lines in the topic {name}")
            expect_eq(self.arrived(name), self.lines(name), f"lines of {name} in the sink's file")

    def expect_repeats_only(self, stops):
        """Each stop may have set a reader back, never forward."""
        self.wait_until_arrived(60)
        for name in self.names:
            in_topic = of_source(name, self.connect.topic_lines(name))
            expect_resumed(in_topic, self.written[name], stops, f"the topic {name}")
            eventually(lambda: set(self.arrived(name)) >= set(in_topic), "the sink is at the end")
            expect_resumed(self.arrived(name), self.written[name], 2 * stops, f"the sink's file, lines of {name}")

    def tasks_of_workers(self):
        """How many running tasks each worker has."""
        tasks = [task for connector in self.connectors for task in self.connect.status(connector)["tasks"]]
        return Counter(task["worker_id"] for task in tasks if task["state"] == "RUNNING")

    def close(self):
        for connector in self.connectors:
            self.connect.rest("DELETE", f"/connectors/{connector}", expected=(204, 404))


@check("connect: two workers meet in one group and make compacted topics", own_broker=True)
def meeting(ctx):
    connect = ctx.fixture("connect", lambda fixture: Connect(fixture, workers=2))
    for kind, partitions in (("config", 1), ("offset", 5), ("status", 3)):
        out = ctx.tool("kafka-topics", "--describe", "--topic", f"{connect.group}-{kind}", broker=connect.broker).out
        expect_match(rf"PartitionCount: {partitions}\s+ReplicationFactor: 1\s+Configs: (.*,)?cleanup.policy=compact", out)
    out = ctx.tool("kafka-groups", "--list", "--protocol", "connect", broker=connect.broker).out
    expect_match(rf"^{connect.group} +Classic +connect *$", out)
    for worker in connect.workers:
        # 2 is the version of "sessioned", 1 of "compatible", 0 of "eager".
        log = worker.process.err
        expect_match(r"Joined group at generation \d+ with protocol version 2 ", log)
        answer = worker.rest("GET", "/")[1]
        expect_eq(answer["version"], "4.3.1", "version")
        expect(answer["kafka_cluster_id"], "the cluster's id")
    leaders = {re.findall(r"leaderUrl='([^']*)'", worker.process.err)[-1] for worker in connect.workers}
    expect(len(leaders) == 1, f"one leader: {leaders}")


@check("connect: lines go exactly from files through topics into a file", own_broker=True)
def exact(ctx):
    flow = Flow(ctx, sources=3, **{"topic.creation.default.retention.ms": "7200000", "topic.creation.default.compression.type": "lz4"})
    flow.write(5000)
    flow.start_sink()
    flow.write(5000)
    flow.expect_exact()
    expect_eq(flow.tasks_of_workers(), {worker.id: 3 for worker in flow.connect.workers}, "tasks of each worker")
    out = ctx.tool("kafka-topics", "--describe", "--topic", flow.names[0], broker=flow.connect.broker).out
    for config in ("retention.ms=7200000", "compression.type=lz4"):
        expect_match(rf"Configs: (.*,)?{config}(,|$)", out)
    expect_eq(sorted(flow.connect.rest("GET", f"/connectors/{flow.sink}/topics")[flow.sink]["topics"]), sorted(flow.names), "the sink's active topics")
    flow.close()
    for connector in (flow.sink, f"{flow.names[0]}-source"):
        answer = flow.connect.workers[1].rest("GET", f"/connectors/{connector}/status")
        eventually(lambda: flow.connect.workers[1].rest("GET", f"/connectors/{connector}/status")[0] == 404, f"{connector} is gone: {answer}")


@check("connect: pause, stop, resume, restart and another configuration", own_broker=True)
def operations(ctx):
    flow = Flow(ctx)
    connect, source, sink, topic = flow.connect, f"{flow.names[0]}-source", flow.sink, flow.names[0]
    flow.write(1000)
    flow.start_sink()
    flow.expect_exact()

    connect.rest("PUT", f"/connectors/{sink}/pause")
    connect.wait_for(sink, "PAUSED")
    flow.write(1000)
    eventually(lambda: len(connect.topic_lines(topic)) == 2000, "the source goes on")
    expect_eq(len(flow.arrived(topic)), 1000, "lines in the file of a paused sink")
    connect.rest("PUT", f"/connectors/{sink}/resume")
    flow.expect_exact()

    connect.rest("PUT", f"/connectors/{source}/pause")
    connect.wait_for(source, "PAUSED")
    flow.write(1000)
    connect.rest("PUT", f"/connectors/{sink}/stop")
    connect.wait_for(sink, "STOPPED", tasks=0)
    expect_eq(len(connect.topic_lines(topic)), 2000, "records of a paused source")
    connect.rest("PUT", f"/connectors/{source}/resume")
    connect.rest("PUT", f"/connectors/{sink}/resume")
    connect.wait_for(sink)
    flow.expect_exact()

    for connector in (source, sink):
        connect.rest("POST", f"/connectors/{connector}/restart?includeTasks=true&onlyFailed=false")
    flow.write(1000)
    flow.expect_exact()
    for connector in (source, sink):
        connect.wait_for(connector)

    # The sink goes on in another file, where it was.
    flow.out = ctx.work_dir / "out-2"
    connect.sink(sink, flow.out, flow.names)
    flow.write(1000)
    eventually(lambda: len(flow.arrived(topic)) >= 1000, "lines in the sink's new file")
    expect_eq(flow.arrived(topic), list(range(4000, 5000)), "lines in the sink's new file")
    flow.close()


@check("connect: offsets are seen, altered and reset", own_broker=True)
def offsets(ctx):
    flow = Flow(ctx)
    connect, source, sink, topic = flow.connect, f"{flow.names[0]}-source", flow.sink, flow.names[0]
    flow.write(1000)
    flow.start_sink()
    flow.expect_exact()
    width = len(line(topic, 0)) + 1
    of_file = {"filename": str(flow.file(topic))}
    of_topic = {"kafka_topic": topic, "kafka_partition": 0}

    def expect_offsets(connector, expected):
        eventually(lambda: connect.rest("GET", f"/connectors/{connector}/offsets") == {"offsets": expected}, f"{connector} is at {expected}")

    def stop(connector):
        connect.rest("PUT", f"/connectors/{connector}/stop")
        connect.wait_for(connector, "STOPPED", tasks=0)

    expect_offsets(source, [{"partition": of_file, "offset": {"position": 1000 * width}}])
    expect_offsets(sink, [{"partition": of_topic, "offset": {"kafka_offset": 1000}}])

    stop(source)
    connect.rest("PATCH", f"/connectors/{source}/offsets", {"offsets": [{"partition": of_file, "offset": {"position": 990 * width}}]})
    expect_offsets(source, [{"partition": of_file, "offset": {"position": 990 * width}}])
    connect.rest("PUT", f"/connectors/{source}/resume")
    again = list(range(1000)) + list(range(990, 1000))
    eventually(lambda: flow.arrived(topic) == again, "the last ten lines once more")
    stop(source)
    connect.rest("DELETE", f"/connectors/{source}/offsets")
    expect_offsets(source, [])
    connect.rest("PUT", f"/connectors/{source}/resume")
    again += range(1000)
    eventually(lambda: flow.arrived(topic) == again, "all lines once more")

    stop(sink)
    flow.out.unlink()
    connect.rest("PATCH", f"/connectors/{sink}/offsets", {"offsets": [{"partition": of_topic, "offset": {"kafka_offset": 2000}}]})
    expect_offsets(sink, [{"partition": of_topic, "offset": {"kafka_offset": 2000}}])
    connect.rest("PUT", f"/connectors/{sink}/resume")
    eventually(lambda: flow.arrived(topic) == again[2000:], "the records from 2000 on")
    stop(sink)
    flow.out.unlink()
    connect.rest("DELETE", f"/connectors/{sink}/offsets")
    expect_offsets(sink, [])
    connect.rest("PUT", f"/connectors/{sink}/resume")
    eventually(lambda: flow.arrived(topic) == again, "all records once more")
    flow.close()


@check("connect: a sink's tasks share the work by the consumer protocol", own_broker=True)
def consumer_protocol(ctx):
    flow = Flow(ctx, sources=2)
    connect, sink = flow.connect, flow.sink
    flow.write(1000)
    flow.start_sink(consumers={"consumer.override.group.protocol": "consumer"})
    flow.write(1000)
    flow.expect_exact()
    expect_match(rf"^connect-{sink} +Consumer +consumer *$", ctx.tool("kafka-groups", "--list", broker=connect.broker).out)
    connect.rest("POST", f"/connectors/{sink}/restart?includeTasks=true&onlyFailed=false")
    flow.write(1000)
    flow.expect_exact()
    connect.rest("PUT", f"/connectors/{sink}/stop")
    connect.wait_for(sink, "STOPPED", tasks=0)
    of_topic = {"kafka_topic": flow.names[0], "kafka_partition": 0}
    connect.rest("PATCH", f"/connectors/{sink}/offsets", {"offsets": [{"partition": of_topic, "offset": {"kafka_offset": 2990}}]})
    connect.rest("PUT", f"/connectors/{sink}/resume")
    again = flow.lines(flow.names[0]) + list(range(2990, 3000))
    eventually(lambda: flow.arrived(flow.names[0]) == again, "the last ten lines of one topic once more")
    expect_eq(flow.arrived(flow.names[1]), flow.lines(flow.names[1]), "lines of the other topic")
    flow.close()


@check("connect: what cannot be converted goes to a dead letter queue", own_broker=True)
def dead_letters(ctx):
    flow = Flow(ctx)
    connect, topic, letters = flow.connect, flow.names[0], ctx.unique("letters")
    flow.write(10)
    good = [f'{{"schema":{{"type":"string","optional":false}},"payload":"{line(topic, n)}"}}' for n in range(10, 20)]
    with flow.file(topic).open("a") as file:
        file.writelines(f"{text}\n" for text in good)
    queue = {"errors.tolerance": "all", "errors.deadletterqueue.topic.name": letters, "errors.deadletterqueue.topic.replication.factor": "1",
             "errors.deadletterqueue.context.headers.enable": "true"}
    connect.sink(flow.sink, flow.out, flow.names, **queue, **{"value.converter": "org.apache.kafka.connect.json.JsonConverter"})
    eventually(lambda: len(flow.arrived(topic)) == 10, "the good lines")
    expect_eq(flow.arrived(topic), list(range(10, 20)), "lines that are JSON")
    expect_eq(ctx.consume(letters, 10, broker=connect.broker), [line(topic, n) for n in range(10)], "lines that are not")
    headers = ctx.tool("kafka-console-consumer", "--topic", letters, "--from-beginning", "--max-messages", 10, "--formatter-property", "print.headers=true", broker=connect.broker).out
    origin = rf"__connect\.errors\.topic:{topic},__connect\.errors\.partition:0,__connect\.errors\.offset:(\d+),__connect\.errors\.connector\.name:{flow.sink},"
    expect_eq(re.findall(origin, headers), [str(n) for n in range(10)], "where the letters say that they come from")
    flow.close()


@check("connect: a worker is killed, the other takes its tasks, a new one takes its share", own_broker=True)
def worker_killed(ctx):
    flow = Flow(ctx, sources=3)
    connect = flow.connect
    flow.get_into_the_middle()
    connect.kill_worker(connect.workers[-1])
    flow.write(1000)
    survivor, = connect.workers
    eventually(lambda: flow.tasks_of_workers() == {survivor.id: 6}, "all tasks are on the worker that is left", timeout_s=40)
    flow.expect_repeats_only(stops=1)

    newcomer = connect.add_worker()
    connect.wait_until_ready()
    eventually(lambda: flow.tasks_of_workers() == {survivor.id: 3, newcomer.id: 3}, "the new worker has half of the tasks", timeout_s=40)
    flow.write(1000)
    # Tasks that move in peace commit before they go.
    flow.expect_repeats_only(stops=1)
    flow.close()


@check("connect: the broker is killed and comes back, and is stopped and comes back", own_broker=True)
def broker_killed(ctx):
    flow = Flow(ctx, sources=2)
    connect = flow.connect
    flow.get_into_the_middle()
    connect.broker.kill9()
    flow.write(1000)
    connect.broker.start()
    flow.write(1000)
    # Once because the workers lost the coordinator and gave up their tasks, once because they met again.
    flow.expect_repeats_only(stops=2)
    flow.write(1000)
    connect.broker.restart()
    flow.write(1000)
    flow.expect_repeats_only(stops=4)
    connect.wait_for(flow.sink, tasks=2)
    for name in flow.names:
        connect.wait_for(f"{name}-source")
    flow.close()
