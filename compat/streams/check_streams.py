"""An unmodified Kafka Streams application (java/) on the broker: exact results, and none lost when application or broker are killed."""

import re
import shutil

from _app import CHANGELOG, PARTITIONS, REPARTITION, STEP_MS, App, Topics, older
from harness import check, eventually, expect, expect_eq, expect_in, expect_not_in, table

# Lets the application's sessions be short, so that a killed instance is missed soon.
SETTINGS = {"group.min.session.timeout.ms": 1000}
LINES = 8000
ORDERS = 5000
CUSTOMERS = 300
WINDOW_MS = 10_000
SOURCES = ("lines", "orders", "payments", "customers")
# What is open when a broker goes must not time out before the next one is there.
EXACTLY_ONCE = {"processing.guarantee": "exactly_once_v2", "producer.transaction.timeout.ms": 120000}
# Microseconds for each record: a round takes seconds then, and has a middle.
SLOW = 500
MIDDLE = (LINES + 2 * ORDERS) // 4
# What Apache Kafka shows of the topics that the application makes.
INTERNAL = {
    **dict.fromkeys(("words-repartition", "window-words-repartition", "paid-left-repartition", "paid-right-repartition", "billed-repartition"), REPARTITION),
    **dict.fromkeys(("counts-changelog", "customers-changelog"), CHANGELOG),
    **dict.fromkeys(("paid-this-join-store-changelog", "paid-other-join-store-changelog"), "4 delete retention.ms=90020000"),
    "windows-changelog": "4 compact,delete retention.ms=90010000",
}


class Data(Topics):
    """What java/StreamsTopology.java works on."""

    def __init__(self, ctx, broker):
        super().__init__(ctx, broker, SOURCES, ("counts", "windows"), ("paid", "billed"))
        self.rounds = 0

    def send(self):
        """One round of records for every source; the results grow by what they lead to."""
        # Before the first order: at the same time the join may see either of them first.
        rows = [("customers", None, -1, f"customer-{n}", f"name-{n}") for n in range(CUSTOMERS)]
        for n in range(self.rounds * LINES, (self.rounds + 1) * LINES):
            words = [f"w-{n % 50}", f"w-{n % 7}", f"id-{n}"]
            rows.append(("lines", n, n, "", " ".join(words)))
            self.counts["counts"].update(words)
            start_ms = (self.first_ms + n * STEP_MS) // WINDOW_MS * WINDOW_MS
            self.counts["windows"].update(f"{word}@{start_ms}" for word in words[:2])
        for n in range(self.rounds * ORDERS, (self.rounds + 1) * ORDERS):
            customer = f"customer-{n * 7 % CUSTOMERS}"
            rows.append(("orders", n, n, f"till-{n % 9}", f"order-{n} {customer}"))
            rows.append(("payments", n * 3 + 1, n, "", f"order-{n} {n * 5}"))
            self.joins["paid"][f"order-{n}"] = f"{customer} {n * 5}"
            self.joins["billed"][f"order-{n}"] = customer.replace("customer", "name")
        self.rounds += 1
        self.put(rows)


def scene(ctx, kind=None):
    broker = ctx.new_broker(SETTINGS, kind=kind)
    return broker, Data(ctx, broker)


@check("streams: exact results, internal topics, restore from changelogs, reset", own_broker=True, timeout_s=300)
def life(ctx):
    broker, data = scene(ctx)
    data.send()
    app = App(ctx, broker, data.prefix)
    data.settled()
    app.leave()
    data.exact()
    expect_eq(data.internal(), INTERNAL, "settings of the topics that the application made")
    read_is_deleted(ctx, broker, data)

    shutil.rmtree(app.state_dir)
    data.send()
    app = App(ctx, broker, data.prefix)
    data.settled()
    app.leave()
    data.exact()
    expect(app.restored()["counts"] >= LINES, f"the counts come back from their changelog\n{app}")
    expect(app.restored()["customers"] >= CUSTOMERS, f"the customers come back from their changelog\n{app}")

    reset(ctx, broker, data)
    shutil.rmtree(app.state_dir)
    app = App(ctx, broker, data.prefix)
    data.settled()
    app.leave()
    data.exact(times=2)


def read_is_deleted(ctx, broker, data):
    """Streams deletes from the repartition topics what it has worked off."""
    topic = data.topic("words-repartition")
    expect(sum(offsets(ctx, broker, topic, "earliest")) > 0, f"nothing of {topic} was deleted")


def offsets(ctx, broker, topic, time):
    result = ctx.tool("kafka-get-offsets", "--topic", topic, "--time", time, broker=broker)
    return [int(line.rsplit(":", 1)[1]) for line in result.lines]


def reset(ctx, broker, data):
    """The reset tool on an application that has ended: what it would do, and then the same done."""
    tool = ["kafka-streams-application-reset", "--application-id", data.prefix, "--input-topics", ",".join(map(data.topic, SOURCES))]
    committed, topics = group_offsets(ctx, broker, data), data.internal()
    start = {(source, partition): "0" for source in SOURCES for partition in range(PARTITIONS)}
    for last in ("--dry-run", None):
        result = ctx.tool(*tool, *filter(None, [last]), broker=broker)
        rewound = re.findall(rf"^Topic: {data.prefix}-(\S+) Partition: (\d+) Offset: (\d+)$", result.out, re.M)
        expect_eq({(source, int(partition)): offset for source, partition, offset in rewound}, start, "offsets to go back to", result)
        for name in topics:
            expect_in(data.topic(name), result.out, result)
        # The offsets of deleted topics go a little later than the topics.
        wanted = committed if last else start
        eventually(lambda: group_offsets(ctx, broker, data) == wanted, f"the offsets {wanted} after {result.command}")
        expect_eq(data.internal(), topics if last else {}, f"internal topics after {result.command}")


def group_offsets(ctx, broker, data):
    result = ctx.tool("kafka-consumer-groups", "--describe", "--group", data.prefix, broker=broker)
    expect_not_in("Error:", result.out, result)
    return {(row["TOPIC"].removeprefix(f"{data.prefix}-"), int(row["PARTITION"])): row["CURRENT-OFFSET"] for row in table(result.out, "GROUP")}


def in_the_middle(ctx, broker, data, **config):
    """The application, with a part of a round behind it and a part before it."""
    app = App(ctx, broker, data.prefix, slow=SLOW, **config)
    app.reaches("the middle", lambda app: app.records() >= MIDDLE)
    expect(app.records() < 3 * MIDDLE, f"already past the middle\n{app}")
    return app


@check("streams: the application is killed", own_broker=True, timeout_s=300)
def application_killed(ctx):
    kill_application(ctx).none_lost()


@check("streams: exactly once, the application is killed", own_broker=True, timeout_s=300)
def exactly_once_application_killed(ctx):
    # Without its stores: Streams itself loses records of other tasks when it finds unclean stores while the group rebalances, since
    # it aborts the transaction of all then. Its transactional ids it keeps.
    kill_application(ctx, forget_stores, **EXACTLY_ONCE).exact()


def forget_stores(app):
    for folder in app.state_dir.glob("*/[0-9]*_[0-9]*"):
        shutil.rmtree(folder)


def kill_application(ctx, afterwards=lambda app: None, **config):
    broker, data = scene(ctx)
    data.send()
    app = in_the_middle(ctx, broker, data, **config)
    app.kill9()
    afterwards(app)
    app = App(ctx, broker, data.prefix, **config)
    data.settled()
    app.leave()
    return data


@check("streams: the broker is killed", own_broker=True, timeout_s=300)
def broker_killed(ctx):
    kill_broker(ctx).exact()


@check("streams: exactly once, the broker is killed", own_broker=True, timeout_s=300)
def exactly_once_broker_killed(ctx):
    kill_broker(ctx, **EXACTLY_ONCE).exact()


def kill_broker(ctx, **config):
    broker, data = scene(ctx)
    data.send()
    app = in_the_middle(ctx, broker, data, **config)
    broker.kill9()
    broker.start()
    data.settled()
    app.leave()
    return data


@check("streams: an application of Streams 3.5, its broker killed, upgraded on its state", own_broker=True, timeout_s=600)
def upgraded(ctx):
    broker, data = scene(ctx)
    data.send()
    app = in_the_middle(ctx, broker, data, class_path=older)
    broker.kill9()
    broker.start()
    data.settled()
    app.leave()
    data.exact()
    data.send()
    app = App(ctx, broker, data.prefix)
    data.settled()
    app.leave()
    data.exact()


@check("streams: exactly once, the application goes on while Apache Kafka's node is taken over and given back", own_broker=True, timeout_s=300)
def swapped(ctx):
    broker, data = scene(ctx, kind="kafka")
    data.send()
    app = in_the_middle(ctx, broker, data, **EXACTLY_ONCE)
    broker.stop()
    broker.hand_over(ctx.suite.kind).start()
    app.reaches("the last quarter", lambda app: app.records() >= 3 * MIDDLE)
    data.send()
    broker.kill9()
    broker.hand_over("kafka").start()
    data.settled()
    app.leave()
    data.exact()


@check("streams: a second instance comes and goes", own_broker=True, timeout_s=300)
def two_instances(ctx):
    broker, data = scene(ctx)
    data.send()
    standby = {"num.standby.replicas": 1}
    first = in_the_middle(ctx, broker, data, **standby)
    second = App(ctx, broker, data.prefix, "b", slow=SLOW, **standby)
    second.reaches("tasks", lambda app: min(app.tasks()) > 0)
    data.send()
    second.reaches("records", lambda app: app.records() >= MIDDLE)
    second.leave()
    data.settled()
    first.leave()
    data.exact()
