// KafkaJS on the steps of ../README.md. Arguments: BOOTSTRAP PREFIX scenario|before|after.
//
// KafkaJS has gzip built in, and hooks for more: snappy has a codec package in JavaScript; for lz4 and zstd there are only
// bindings that need a native build, so those two are not in its list.

const assert = require('node:assert')
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')

CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec

const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }
const RECORD_COUNT = 200
const WAIT_MS = 90_000
const BASE_MS = Date.now() - 3_600_000

const [bootstrap, prefix, part] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'compat-kafkajs', brokers: [bootstrap], logLevel: logLevel.ERROR, retry: { retries: 8 } })
const admin = kafka.admin()

// The first half of a group's values, kept from the step `group` for the step `resume`.
let first = []

const scenario = [
  ['create', create],
  ...Object.keys(CODECS).map(codec => [`codec-${codec}`, () => filled(`${prefix}-${codec}`, 2, codec)]),
  ['group', group],
  ['resume', resume],
  ['rebalance', rebalance],
  ['groups', groups],
  ['timestamps', timestamps],
  ['delete', deleteTopic],
]
const parts = { scenario, before: [['before', before]], after: [['after', after]] }

async function main() {
  let failed = false
  await admin.connect()
  for (const [name, step] of parts[part]) {
    try {
      await step()
      console.log(`ok ${name}`)
    } catch (error) {
      failed = true
      console.error(error)
      console.log(`FAIL ${name} ${String(error.message).replaceAll('\n', ' ').slice(0, 400)}`)
    }
  }
  await admin.disconnect()
  // A consumer left behind by a failed step would keep the process alive.
  process.exit(failed ? 1 : 0)
}

async function create() {
  const topic = `${prefix}-create`
  await createTopic(topic, 3, [{ name: 'retention.ms', value: '86400000' }])
  const found = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }] })
  assert.equal(found.resources[0].configEntries[0].configValue, '86400000')
}

async function group() {
  const topic = `${prefix}-group`
  await filled(topic, 2, 'none')
  first = await consumeAndCommit(topic, `${prefix}-g`, 80)
}

async function resume() {
  const rest = await consumeAndCommit(`${prefix}-group`, `${prefix}-g`, RECORD_COUNT - 80)
  assert.deepEqual([...first, ...rest].sort(), records(RECORD_COUNT, 2).map(r => String(r.value)).sort())
}

async function rebalance() {
  const [topic, groupId] = [`${prefix}-rebalance`, `${prefix}-rg`]
  await createTopic(topic, 4)
  const a = await member(topic, groupId)
  await waitUntil(() => a.partitions.length === 4, 'one member owns all 4 partitions')
  const b = await member(topic, groupId)
  await waitUntil(() => a.partitions.length === 2 && b.partitions.length === 2, '2 partitions each')
  assert.deepEqual([...a.partitions, ...b.partitions].sort(), [0, 1, 2, 3])
  const described = (await admin.describeGroups([groupId])).groups[0]
  assert.equal(described.state, 'Stable')
  assert.equal(described.members.length, 2)
  await b.consumer.disconnect()
  await waitUntil(() => a.partitions.length === 4, 'the one that stays takes over')
  await produce(topic, records(40, 4), 'none')
  await waitUntil(() => a.values.length >= 40, '40 records after the take-over')
  assert.deepEqual(a.values.sort(), records(40, 4).map(r => String(r.value)).sort())
  await a.consumer.disconnect()
}

async function groups() {
  const groupId = `${prefix}-rg`
  const listed = (await admin.listGroups()).groups.find(g => g.groupId === groupId)
  assert.equal(listed?.protocolType, 'consumer')
  const described = (await admin.describeGroups([groupId])).groups[0]
  assert.equal(described.state, 'Empty')
  assert.equal(described.members.length, 0)
}

async function timestamps() {
  const topic = `${prefix}-times`
  await filled(topic, 2, 'none')
  // Partition 0 holds the records 0, 2, 4, ...: the first at or after +41 ms is record 42, its offset 21.
  for (const [afterMs, want] of [[41, ['21', '20']], [0, ['0', '0']], [199, ['100', '99']]]) {
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, BASE_MS + afterMs)
    assert.deepEqual(found.sort((x, y) => x.partition - y.partition).map(o => o.offset), want)
  }
  for (const { low, high } of await admin.fetchTopicOffsets(topic)) {
    assert.deepEqual([low, high], ['0', '100'])
  }
}

async function deleteTopic() {
  await admin.deleteTopics({ topics: [`${prefix}-create`] })
  await waitUntil(async () => !(await admin.listTopics()).includes(`${prefix}-create`), 'topic gone')
}

async function before() {
  await filled(`${prefix}-restart`, 2, 'none')
  await consumeAndCommit(`${prefix}-restart`, `${prefix}-restart-g`, 120)
}

async function after() {
  const topic = `${prefix}-restart`
  await produce(topic, records(100, 2, RECORD_COUNT), 'none')
  const values = await consumeAndCommit(topic, `${prefix}-restart-g`, 180)
  const numbers = values.map(v => Number(v.split(' ')[0].split('-')[1])).sort((x, y) => x - y)
  assert.equal(new Set(numbers).size, 180)
  assert.deepEqual(numbers.filter(n => n >= RECORD_COUNT), Array.from({ length: 100 }, (_, i) => RECORD_COUNT + i))
}

/** Record i goes to partition i % partitions, one millisecond after record i - 1; sizes vary, one key in ten is null. */
function records(count, partitions, start = 0) {
  return Array.from({ length: count }, (_, n) => n + start).map(i => ({
    partition: i % partitions,
    key: i % 10 === 9 ? null : Buffer.from(`key-${i}`),
    value: Buffer.from(`value-${i} ` + 'compressible text, '.repeat(i % 20)),
    headers: { n: Buffer.from(String(i)), bytes: Buffer.from([0, 255, i & 255]) },
    timestamp: String(BASE_MS + i),
  }))
}

async function createTopic(topic, numPartitions, configEntries = []) {
  assert.equal(await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] }), true)
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.equal(topics[0].partitions.length, numPartitions)
}

async function produce(topic, messages, codec) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const reports = await producer.send({ topic, messages, acks: -1, compression: CODECS[codec] })
  await producer.disconnect()
  return reports
}

/** Creates the topic, fills it, and compares what comes back, field by field. */
async function filled(topic, partitions, codec) {
  await createTopic(topic, partitions)
  const sent = records(RECORD_COUNT, partitions)
  const reports = await produce(topic, sent, codec)
  assert.deepEqual(reports.map(r => [r.errorCode, r.baseOffset]), Array(partitions).fill([0, '0']))
  const got = Array.from({ length: partitions }, () => [])
  const { consumer } = await consume(topic, `${topic}-read`, ({ partition, message }) => got[partition].push(message))
  await waitUntil(() => got.flat().length >= RECORD_COUNT, `${RECORD_COUNT} records of ${topic}`)
  await consumer.disconnect()
  got.forEach((messages, p) => {
    const want = sent.filter(r => r.partition === p).map(({ partition, ...r }, n) => ({ offset: String(n), ...r }))
    assert.deepEqual(messages.map(({ offset, key, value, headers, timestamp }) => ({ offset, key, value, headers, timestamp })), want)
  })
}

async function member(topic, groupId) {
  const values = []
  const joined = await consume(topic, groupId, ({ message }) => values.push(String(message.value)))
  return Object.assign(joined, { values })
}

/** Starts a consumer; its result's `partitions` follows the group's assignment. */
async function consume(topic, groupId, eachMessage) {
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 300, sessionTimeout: 10_000, maxWaitTimeInMs: 100 })
  const joined = { consumer, partitions: [] }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    joined.partitions = payload.memberAssignment[topic] ?? []
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ autoCommit: false, eachMessage: async message => eachMessage(message) })
  return joined
}

/** Takes exactly `count` records, commits behind the last one taken of each partition, and leaves the group. */
async function consumeAndCommit(topic, groupId, count) {
  const values = []
  const next = new Map()
  const { consumer } = await consume(topic, groupId, ({ partition, message }) => {
    if (values.length === count) return
    values.push(String(message.value))
    next.set(partition, String(BigInt(message.offset) + 1n))
  })
  await waitUntil(() => values.length === count, `${count} records of ${topic}`)
  await consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset })))
  await consumer.disconnect()
  const committed = (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions
  next.forEach((offset, partition) => assert.equal(committed.find(c => c.partition === partition).offset, offset))
  return values
}

async function waitUntil(condition, what) {
  const deadline = Date.now() + WAIT_MS
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${WAIT_MS / 1000} s: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

main().catch(error => {
  console.error(error)
  console.log(`FAIL start ${error.message}`)
  process.exit(1)
})
