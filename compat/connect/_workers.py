"""Kafka Connect workers in distributed mode beside a check: a cluster of them, each as a process of its own, driven by REST."""

import json
import urllib.error
import urllib.request

from harness import CheckFailed, eventually, expect, expect_eq
from ports import free_ports

# A rebalance, the loss of a worker or of the broker, and the commit of offsets: seconds instead of the minutes of Connect's defaults.
WORKER = {
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    "plugin.discovery": "service_load",
    "config.storage.replication.factor": 1,
    "offset.storage.replication.factor": 1,
    "offset.storage.partitions": 5,
    "status.storage.replication.factor": 1,
    "status.storage.partitions": 3,
    "offset.flush.interval.ms": 300,
    "session.timeout.ms": 6000,
    "heartbeat.interval.ms": 500,
    "scheduled.rebalance.max.delay.ms": 500,
    "task.shutdown.graceful.timeout.ms": 5000,
    "consumer.metadata.max.age.ms": 1000,
    "reconnect.backoff.max.ms": 200,
    "producer.reconnect.backoff.max.ms": 200,
    "consumer.reconnect.backoff.max.ms": 200,
}
# Of a sink's consumers: in the consumer protocol the broker has the say, in a classic group each of them has.
BROKER = {"group.consumer.heartbeat.interval.ms": 500, "group.consumer.min.heartbeat.interval.ms": 500,
          "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500}
CLASSIC = {"consumer.override.session.timeout.ms": "6000", "consumer.override.heartbeat.interval.ms": "500"}


class Worker:
    """One process with a REST server."""

    def __init__(self, ctx, name, tool, arguments, settings):
        self.port, = free_ports(1)
        self.id = f"127.0.0.1:{self.port}"
        path = ctx.work_dir / f"{name}.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in {**settings, "listeners": f"http://{self.id}"}.items()))
        self.process = ctx.tool_start(tool, path, *arguments, heap="-Xmx192m", log_level="INFO")

    def rest(self, method, path, body=None):
        """Status and answer. A worker that cannot answer just now (it rebalances, it has no leader) is a CheckFailed."""
        if self.process.process.poll() is not None:
            raise RuntimeError(f"the worker {self.id} has ended; see {self.process.err_path}")
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.id}{path}", data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, _parsed(answer.read())
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code in (409, 500, 503):
                raise CheckFailed(f"{method} {path}: {error.code} {text}") from None
            return error.code, _parsed(text)
        except OSError as error:
            raise CheckFailed(f"{method} {path}: {error}") from None


class Connect:
    """A broker and workers of one group; what it runs ends with `ctx`."""

    def __init__(self, ctx, workers, **settings):
        self.settings = settings
        self.ctx, self.broker = ctx, ctx.new_broker(BROKER)
        self.group = ctx.unique("connect")
        self.workers = []
        for _ in range(workers):
            self.add_worker()
        self.wait_until_ready()

    def add_worker(self):
        topics = {f"{kind}.storage.topic": f"{self.group}-{kind}" for kind in ("config", "offset", "status")}
        settings = {"bootstrap.servers": self.broker.bootstrap, "group.id": self.group, **topics, **WORKER, **self.settings}
        worker = Worker(self.ctx, f"worker-{len(self.ctx.processes)}", "connect-distributed", (), settings)
        self.workers.append(worker)
        return worker

    def kill_worker(self, worker):
        worker.process.kill9()
        self.workers.remove(worker)

    def wait_until_ready(self):
        for worker in self.workers:
            eventually(lambda: worker.rest("GET", "/connectors")[0] == 200, f"the worker {worker.id} answers; its log: {worker.process.err_path}", timeout_s=60)

    def rest(self, method, path, body=None, expected=(200, 201, 202, 204)):
        """The answer; asked again while the workers rebalance."""
        status, answer = eventually(lambda: self.workers[0].rest(method, path, body), f"{method} {path}", timeout_s=30)
        expect(status in expected, f"{method} {path}: {status} {answer}")
        return answer

    def status(self, connector):
        return self.rest("GET", f"/connectors/{connector}/status")

    def wait_for(self, connector, state="RUNNING", tasks=1):
        """Connector and tasks are in that state."""
        def there():
            status = self.status(connector)
            expect_eq([status["connector"]["state"], *(task["state"] for task in status["tasks"])], [state] * (1 + tasks), f"states: {status}")
            return status
        return eventually(there, f"{connector} is {state}", timeout_s=40)

    def source(self, name, file, topic, **more):
        config = {"connector.class": "FileStreamSource", "tasks.max": "1", "file": str(file), "topic": topic,
                  "topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "1", **more}
        return self.configure(name, config)

    def sink(self, name, file, topics, tasks=1, consumers=CLASSIC, **more):
        config = {"connector.class": "FileStreamSink", "tasks.max": str(tasks), "file": str(file), "topics": ",".join(topics), **consumers, **more}
        return self.configure(name, config)

    def configure(self, name, config):
        """Creates the connector, or gives it another configuration."""
        answer = self.rest("PUT", f"/connectors/{name}/config", config)
        expect_eq(answer["config"], {**config, "name": name}, "the configuration that was taken")
        return name

    def topic_lines(self, topic):
        """All records of the topic's one partition."""
        end = self.ctx.tool("kafka-get-offsets", "--topic", topic, broker=self.broker, rc=None).lines
        expect(len(end) == 1, f"{topic} has one partition: {end}")
        count = int(end[0].split(":")[2])
        return self.ctx.consume(topic, count, broker=self.broker) if count else []


def _parsed(text):
    """Before a worker is ready its server answers with pages."""
    try:
        return json.loads(text)
    except ValueError:
        return text
