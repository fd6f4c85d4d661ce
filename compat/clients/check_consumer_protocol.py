"""Groups of the consumer protocol (KIP-848), with the clients that speak it."""

import toolchains
from _steps import report
from consumer_protocol import PROMPT
from harness import check

JAVA = ("share", "range", "pattern", "topics-change", "static", "silent", "refused", "resume")
CONFLUENT = ("share", "topics-change", "static", "resume")


def broker(ctx):
    return ctx.new_broker({**PROMPT, "group.consumer.session.timeout.ms": 4000})


@check("clients: java in consumer groups: every record once, whatever happens to the group", own_broker=True, timeout_s=400)
def java(ctx):
    report(ctx.sh(*toolchains.java_consumer(), ctx.fixture("consumer-protocol", broker).bootstrap, ctx.unique("java"), timeout=390, rc=None), JAVA)


@check("clients: confluent-kafka in consumer groups: every record once, whatever happens to the group", own_broker=True, timeout_s=300)
def confluent(ctx):
    program = toolchains.python("confluent_consumer_protocol.py")
    report(ctx.sh(*program, ctx.fixture("consumer-protocol", broker).bootstrap, ctx.unique("confluent"), timeout=290, rc=None), CONFLUENT)
