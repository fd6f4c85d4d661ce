"""The shortest round trip: create, produce, consume."""
from harness import check, expect_eq


@check("round trip through the console tools")
def round_trip(ctx):
    topic = ctx.topic()
    ctx.produce(topic, ["one", "two", "three"])
    expect_eq(ctx.consume(topic, 3), ["one", "two", "three"], "lines read")
