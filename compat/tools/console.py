"""kafka-console-producer and kafka-console-consumer: keys, headers, codecs, starting points, groups, formatters."""

import re
import time

from harness import check, eventually, expect, expect_eq, expect_in, expect_match

KEYED = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
WHERE = [arg for name in ("timestamp", "partition", "offset", "headers", "key") for arg in ("--formatter-property", f"print.{name}=true")]


@check("console: values, from the beginning and by --max-messages")
def values(ctx):
    topic = ctx.topic()
    ctx.produce(topic, ["one", "two", "", "four", "ünï→✓"])
    expect_eq(ctx.consume(topic, 5), ["one", "two", "", "four", "ünï→✓"], "lines read")
    expect_eq(ctx.consume(topic, 2), ["one", "two"], "the first two")
    result = ctx.tool("kafka-console-consumer", "--topic", topic, "--from-beginning", "--max-messages", 3)
    expect_in("Processed a total of 3 messages", result.err, result)


@check("console: keys, headers, null values and what the formatter prints of them")
def keys_and_headers(ctx):
    topic = ctx.topic()
    before = int(time.time() * 1000)
    ctx.produce(topic, ["h1:v1,h2:v2\tk1\tval1", "NULL\tk2\tNULL", "h:\tNULL\tval3"], "--reader-property", "parse.headers=true",
                "--reader-property", "parse.key=true", "--reader-property", "null.marker=NULL")
    after = int(time.time() * 1000)
    lines = ctx.consume(topic, 3, *WHERE)
    stamps = [int(expect_match(r"^CreateTime:(\d+)\t", line).group(1)) for line in lines]
    expect(all(before <= stamp <= after for stamp in stamps), f"timestamps {stamps} are not between {before} and {after}")
    expect_eq([re.sub(r"^CreateTime:\d+\t", "", line) for line in lines], [
        "Partition:0\tOffset:0\th1:v1,h2:v2\tk1\tval1",
        "Partition:0\tOffset:1\tNO_HEADERS\tk2\tnull",
        "Partition:0\tOffset:2\th:\tnull\tval3",
    ], "lines read")
    lines = ctx.consume(topic, 3, "--formatter-property", "print.key=true", "--formatter-property", "key.separator=|",
                        "--formatter-property", "null.literal=<nil>", "--formatter-property", "line.separator=!\n")
    expect_eq(lines, ["k1|val1!", "k2|<nil>!", "<nil>|val3!"], "lines read with other separators")


def codec_check(codec):
    @check(f"console: {codec} round trip")
    def codec_round_trip(ctx):
        topic = ctx.topic(codec)
        sent = [f"k{n}:value {n} " + "abcdefgh" * (n % 50) for n in range(500)]
        ctx.produce(topic, sent, *KEYED, "--compression-codec", codec, "--batch-size", 4000)
        lines = ctx.consume(topic, 500, "--formatter-property", "print.key=true", "--formatter-property", "key.separator=:")
        expect_eq(lines, sent, "lines read")
        # On disk as it was sent: the topic's compression.type is "producer".
        log = next(ctx.broker.partition_dir(topic).glob("*.log"))
        result = ctx.tool("kafka-dump-log", "--files", log)
        codecs = set(re.findall(r"compresscodec: (\S+)", result.out))
        expect_eq(codecs, {codec}, "codec of the batches on disk", result)


for _codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    codec_check(_codec)


@check("console: the topic's compression.type converts what producers send")
def conversion(ctx):
    for configured in ("gzip", "snappy", "lz4", "zstd", "uncompressed"):
        topic = ctx.topic("convert", compression_type=configured)
        sent = [f"{codec} {n} " + "xyz" * 20 for codec in ("none", "zstd", "gzip") for n in range(20)]
        for i, codec in enumerate(("none", "zstd", "gzip")):
            ctx.produce(topic, sent[20 * i:20 * i + 20], "--compression-codec", codec)
        expect_eq(ctx.consume(topic, 60), sent, f"lines read from the {configured} topic")
        result = ctx.tool("kafka-dump-log", "--deep-iteration", "--files", next(ctx.broker.partition_dir(topic).glob("*.log")))
        codecs = set(re.findall(r"compresscodec: (\S+)", result.out))
        expect_eq(codecs, {configured.replace("uncompressed", "none")}, "codec of the batches on disk", result)
        expect_eq(len(re.findall(r"^\| offset: ", result.out, re.M)), 60, "records on disk", result)


@check("console: acks 0, 1 and all")
def acks(ctx):
    topic = ctx.topic()
    for value in ("1", "all", "-1"):
        ctx.produce(topic, [f"acks {value}"], "--request-required-acks", value)
    expect_eq(ctx.consume(topic, 3), ["acks 1", "acks all", "acks -1"], "lines read")
    # acks=0 has no answer to wait for; the record must arrive all the same.
    ctx.produce(topic, ["acks 0"], "--command-property", "acks=0", "--command-property", "enable.idempotence=false")
    expect_eq(ctx.consume(topic, 4)[3], "acks 0", "the record without an answer")
    ctx.produce(topic, ["sync 1", "sync 2"], "--sync")
    expect_eq(ctx.consume(topic, 6)[4:], ["sync 1", "sync 2"], "sent one by one")


@check("console: --partition with --offset, numeric, earliest and latest")
def by_offset(ctx):
    topic = ctx.topic(partitions=2)
    ctx.produce(topic, [f"k{n}:{n}" for n in range(40)], *KEYED)
    counts = [int(line.rsplit(":", 1)[1]) for line in sorted(ctx.tool("kafka-get-offsets", "--topic", topic).lines)]
    expect(sum(counts) == 40 and all(counts), f"40 records in two partitions: {counts}")
    lines = ctx.consume(topic, counts[1] - 3, "--partition", 1, "--offset", 3, "--formatter-property", "print.offset=true", from_beginning=False)
    expect_eq([line.split("\t")[0] for line in lines], [f"Offset:{n}" for n in range(3, counts[1])], "offsets read")
    lines = ctx.consume(topic, 1, "--partition", 0, "--offset", "earliest", "--formatter-property", "print.offset=true", from_beginning=False)
    expect_in("Offset:0\t", lines[0])
    result = ctx.tool("kafka-console-consumer", "--topic", topic, "--partition", 0, "--offset", "latest", "--timeout-ms", 1000)
    expect_in("Processed a total of 0 messages", result.err, result)
    # Beyond the end: the consumer resets to the end and finds nothing.
    result = ctx.tool("kafka-console-consumer", "--topic", topic, "--partition", 0, "--offset", 100000, "--timeout-ms", 1500)
    expect_in("Processed a total of 0 messages", result.err, result)


@check("console: a group goes on where it stopped")
def group(ctx):
    topic, group_id = ctx.topic(), ctx.unique("g")
    ctx.produce(topic, [f"a{n}" for n in range(5)])
    expect_eq(ctx.consume(topic, 2, "--group", group_id), ["a0", "a1"], "first two")
    expect_eq(ctx.consume(topic, 3, "--group", group_id), ["a2", "a3", "a4"], "the rest, in spite of --from-beginning")
    ctx.produce(topic, ["b0"])
    expect_eq(ctx.consume(topic, 1, "--group", group_id, from_beginning=False), ["b0"], "only what is new")
    # Another group starts where auto.offset.reset says.
    expect_eq(ctx.consume(topic, 6, "--group", ctx.unique("g")), ["a0", "a1", "a2", "a3", "a4", "b0"], "another group")


@check("console: a consumer that waits gets what comes")
def waiting_consumer(ctx):
    topic = ctx.topic()
    consumer = ctx.tool_start("kafka-console-consumer", "--topic", topic, "--from-beginning", "--max-messages", 3, "--timeout-ms", 30000)
    for line in ("first", "second", "third"):
        ctx.produce(topic, [line])
        time.sleep(0.3)
    result = consumer.wait(40)
    expect_eq(result.lines, ["first", "second", "third"], "lines read", result)


@check("console: several topics by pattern")
def include(ctx):
    prefix = ctx.unique("many")
    for suffix in ("a", "b", "c"):
        ctx.tool("kafka-topics", "--create", "--topic", f"{prefix}-{suffix}")
        ctx.produce(f"{prefix}-{suffix}", [suffix])
    result = ctx.tool("kafka-console-consumer", "--include", f"{prefix}-.*", "--from-beginning", "--max-messages", 3, "--timeout-ms", 15000)
    expect_eq(sorted(result.lines), ["a", "b", "c"], "lines read", result)


@check("console: read_committed, LoggingMessageFormatter and number deserializers")
def options(ctx):
    topic = ctx.topic()
    ctx.produce(topic, ["12345678", "abcdefgh"])
    result = ctx.tool("kafka-console-consumer", "--topic", topic, "--from-beginning", "--max-messages", 2, "--timeout-ms", 15000, "--isolation-level", "read_committed")
    expect_eq(result.lines, ["12345678", "abcdefgh"], "read_committed", result)
    lines = ctx.consume(topic, 2, "--formatter-property", "value.deserializer=org.apache.kafka.common.serialization.LongDeserializer")
    expect_eq(lines, [str(int.from_bytes(text, "big")) for text in (b"12345678", b"abcdefgh")], "as longs")
    result = ctx.tool("kafka-console-consumer", "--topic", topic, "--from-beginning", "--max-messages", 2, "--timeout-ms", 15000,
                      "--formatter", "org.apache.kafka.tools.consumer.NoOpMessageFormatter")
    expect_eq(result.out, "", "NoOpMessageFormatter", result)


@check("console: producing to a topic that does not exist creates it")
def auto_create(ctx):
    topic = ctx.unique("auto")
    result = ctx.tool("kafka-console-producer", "--topic", topic, input="hello\n")
    if ctx.peer:
        # Ottla answers when the topic is there, so that the client need not ask again.
        expect_match(rf"\{{{topic}=(UNKNOWN_TOPIC_OR_PARTITION|LEADER_NOT_AVAILABLE)\}}", result.err, result)
    expect_eq(ctx.consume(topic, 1), ["hello"], "lines read")
    expect_in("PartitionCount: 1\tReplicationFactor: 1\t", ctx.tool("kafka-topics", "--describe", "--topic", topic).out)
    bad = ctx.tool("kafka-console-producer", "--topic", "not a name", "--max-block-ms", 4000, input="x\n", rc=None)
    expect_in("INVALID_TOPIC_EXCEPTION", bad.err, bad)


@check("console: LogAppendTime")
def log_append_time(ctx):
    topic = ctx.topic(message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    ctx.produce(topic, ["x", "y"])
    after = int(time.time() * 1000)
    lines = ctx.consume(topic, 2, "--formatter-property", "print.timestamp=true")
    for line in lines:
        stamp = int(expect_match(r"^LogAppendTime:(\d+)\t[xy]$", line).group(1))
        expect(before <= stamp <= after, f"{stamp} is not between {before} and {after}")


@check("console: a record too large is refused, and the topic goes on")
def too_large(ctx):
    topic = ctx.topic()
    result = ctx.tool("kafka-console-producer", "--topic", topic, "--command-property", "max.request.size=5000000", input="x" * 2_000_000 + "\n")
    expect_in("RecordTooLargeException: The request included a message larger than the max message size the server will accept.", result.err, result)
    ctx.produce(topic, ["y" * 900_000])
    lines = ctx.consume(topic, 1, "--command-property", "max.partition.fetch.bytes=1000")
    expect_eq(lines, ["y" * 900_000], "a batch larger than the fetch size")


@check("console: formatters of the offsets topic")
def offsets_topic(ctx):
    topic, group_id = ctx.topic(), ctx.unique("g")
    ctx.produce(topic, ["a", "b", "c"])
    ctx.consume(topic, 2, "--group", group_id)
    topic_id = expect_match(r"TopicId: (\S+)", ctx.tool("kafka-topics", "--describe", "--topic", topic).out).group(1)

    def expect_records(formatter, *patterns):
        def there():
            result = ctx.tool("kafka-console-consumer", "--topic", "__consumer_offsets", "--from-beginning", "--timeout-ms", 2000,
                              "--formatter", f"org.apache.kafka.tools.consumer.{formatter}")
            return all([expect_match(pattern, result.out, result) for pattern in patterns])
        eventually(there, f"what {formatter} prints")
    expect_records(
        "OffsetsMessageFormatter",
        rf'\{{"key":\{{"type":1,"data":\{{"group":"{group_id}","topic":"{topic}","partition":0\}}\}},'
        rf'"value":\{{"version":4,"data":\{{"offset":2,"leaderEpoch":(-1|0),"metadata":"","commitTimestamp":\d+,"topicId":"{topic_id}"\}}\}}\}}')
    expect_records(
        "GroupMetadataMessageFormatter",
        rf'\{{"key":\{{"type":2,"data":\{{"group":"{group_id}"\}}\}},"value":\{{"version":3,"data":\{{"protocolType":"consumer","generation":1,'
        r'"protocol":"range","leader":"console-consumer-[0-9a-f-]{36}","currentStateTimestamp":\d+,"members":\[\{"memberId":"console-consumer-[0-9a-f-]{36}",'
        r'"groupInstanceId":null,"clientId":"console-consumer","clientHost":"/127.0.0.1","rebalanceTimeout":300000,"sessionTimeout":45000,',
        rf'"group":"{group_id}"\}}\}},"value":\{{"version":3,"data":\{{"protocolType":"consumer","generation":2,"protocol":null,"leader":null,'
        r'"currentStateTimestamp":\d+,"members":\[\]')
