"""What a Streams application may ask for beyond check_streams.py: static members, a pattern of topics, global, foreign-key and versioned tables."""

from _app import CHANGELOG, REPARTITION, STEP_MS, App, Topics
from harness import check, expect_eq

BILLS = 3000
CUSTOMERS = 200
MORE = 3000
GAP = 60  # steps without a record that end a session
# A killed static member comes back under its name; without that, the wait for it would be longer than the check waits.
CONFIG = {"wide": "yes", "group.instance.id": "a", "session.timeout.ms": 600000, "topology.optimization": "all", "metadata.max.age.ms": 500}
# The tables bills, customers and prices are their own changelogs (topology.optimization).
INTERNAL = {
    **dict.fromkeys(("priced-repartition", "values-repartition"), REPARTITION),
    **dict.fromkeys(("foreign-subscription-registration-topic", "foreign-subscription-response-topic"), REPARTITION),
    "foreign-subscription-store-changelog": CHANGELOG,
    "spread-repartition": "3 delete retention.ms=-1 segment.bytes=52428800",
    "spread-changelog": "3 compact",
    "sessions-changelog": "4 compact,delete retention.ms=90000500",
}


class Data(Topics):
    """What java/WideTopology.java works on."""

    def __init__(self, ctx, broker):
        super().__init__(ctx, broker, ["bills", "customers", "prices", "names", "more-a"], ("spread", "sessions"), ("named", "foreign", "priced"))

    def send(self):
        rows = []
        for n in range(CUSTOMERS):
            rows += [(table, None, -1, f"customer-{n}", f"{table}-{n}") for table in ("customers", "prices", "names")]
        for n in range(BILLS):
            customer = n * 7 % CUSTOMERS
            rows.append(("bills", None, n, f"order-{n}", f"customer-{customer}"))
            for result, table in (("named", "names"), ("foreign", "customers"), ("priced", "prices")):
                self.joins[result][f"order-{n}"] = f"{table}-{customer}"
        self.put(rows)
        self.send_more("more-a")

    def send_more(self, name):
        """Each value comes in bursts: so many records without a gap are a session."""
        rows, sessions = [], {}
        for n in range(MORE):
            step = n + n // 500 * GAP
            key, value = f"{name}-{n % 40}", f"{name}-{n % 3}"
            rows.append((name, None, step, key, value))
            self.counts["spread"][key] += 1
            sessions.setdefault((value, n // 500), []).append(self.first_ms + step * STEP_MS)
        for (value, _), times in sessions.items():
            self.counts["sessions"][f"{value}@{times[0]}-{times[-1]}"] = len(times)
        self.put(rows)


@check("streams: static members, a pattern of topics, global, foreign-key and versioned tables", own_broker=True, timeout_s=300)
def wide(ctx):
    broker = ctx.new_broker()
    data = Data(ctx, broker)
    data.send()
    app = App(ctx, broker, data.prefix, slow=500, **CONFIG)
    app.reaches("the middle", lambda app: app.records() >= (BILLS + MORE) // 3)
    app.kill9()
    app = App(ctx, broker, data.prefix, **CONFIG)
    app.reaches("tasks again", lambda app: app.told("state")[-1:] == ["RUNNING"], timeout_s=50)
    data.create("more-b")
    data.send_more("more-b")
    data.sources = ["bills", "customers", "prices", "more-a", "more-b"]
    data.settled()
    app.leave()
    data.none_lost()
    expect_eq(data.internal(), INTERNAL, "settings of the topics that the application made")
