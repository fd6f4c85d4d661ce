"""Groups that change between the classic and the consumer protocol while members are live."""

import toolchains
from _steps import report
from consumer_protocol import PROMPT
from harness import check

# Apache Kafka does not take over groups of librdkafka's sticky assignor, which keeps data of its own in assignments.
STRATEGIES = ("range", "roundrobin")


def broker(ctx):
    return ctx.new_broker({**PROMPT, "group.initial.rebalance.delay.ms": 0})


@check("clients: confluent-kafka: a group migrates to the consumer protocol and back, member by member", own_broker=True, timeout_s=300)
def confluent(ctx):
    program = toolchains.python("confluent_migration.py")
    bootstrap = ctx.fixture("migration", broker).bootstrap
    report(ctx.sh(*program, bootstrap, ctx.unique("migration"), *STRATEGIES, timeout=290, rc=None), STRATEGIES)
