"""An exactly-once source: what it read and how far it read are one transaction, so that not even a kill repeats a line."""

from _lines import line, of_source
from _workers import Connect
from harness import check, eventually, expect, expect_eq

# A new worker reads the topic of offsets to its end before anything else, and so waits out the transaction of the one that was killed.
SOURCE = {"exactly.once.support": "required", "transaction.boundary": "poll", "producer.override.transaction.timeout.ms": "10000"}


class Source:
    """A file that grows, and what readers of committed records see of its lines."""

    def __init__(self, ctx, connect):
        self.ctx, self.connect, self.count = ctx, connect, 0
        self.name = ctx.unique("once")
        self.file = ctx.work_dir / self.name
        self.file.touch()
        connect.source(self.name, self.file, self.name, **SOURCE)
        connect.wait_for(self.name)

    def write(self, count):
        with self.file.open("a") as file:
            file.writelines(f"{line(self.name, n)}\n" for n in range(self.count, self.count + count))
        self.count += count

    def end(self):
        lines = self.ctx.tool("kafka-get-offsets", "--topic", self.name, broker=self.connect.broker, rc=None).lines
        return int(lines[0].split(":")[2]) if lines else 0

    def write_until_in_the_middle(self, count):
        before = self.end()
        self.write(count)
        eventually(lambda: self.end() > before, "the source is in the middle", interval_s=0.02)

    def expect_exact(self):
        def complete():
            numbers = of_source(self.name, [value for _, value in self.ctx.read(self.name, self.connect.broker)])
            expect(len(numbers) >= self.count, f"{len(numbers)} committed lines of {self.count}")
            return numbers
        expect_eq(eventually(complete, f"{self.count} committed lines", timeout_s=60), list(range(self.count)), "committed lines")
        position = {"partition": {"filename": str(self.file)}, "offset": {"position": self.file.stat().st_size}}
        expect_eq(self.connect.rest("GET", f"/connectors/{self.name}/offsets"), {"offsets": [position]}, "the source's offset")


@check("connect: an exactly-once source, its worker killed, the broker killed", own_broker=True)
def exactly_once(ctx):
    connect = Connect(ctx, workers=1, **{"exactly.once.source.support": "enabled"})
    source = Source(ctx, connect)
    source.write(1000)
    source.expect_exact()

    source.write_until_in_the_middle(60000)
    connect.kill_worker(connect.workers[0])
    source.write(1000)
    connect.add_worker()
    connect.wait_until_ready()
    source.expect_exact()

    source.write_until_in_the_middle(60000)
    connect.broker.kill9()
    source.write(1000)
    connect.broker.start()
    source.expect_exact()
    expect(source.end() > source.count, "the topic holds the markers of transactions")
