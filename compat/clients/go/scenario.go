package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const recordCount = 200

var codecs = []struct {
	name  string
	codec kgo.CompressionCodec
}{
	{"none", kgo.NoCompression()},
	{"gzip", kgo.GzipCompression()},
	{"snappy", kgo.SnappyCompression()},
	{"lz4", kgo.Lz4Compression()},
	{"zstd", kgo.ZstdCompression()},
}

type scenario struct {
	bootstrap, prefix string
	admin             *kadm.Client
	base              time.Time
	// The first values of the group, kept from the step `group` for the step `resume`.
	first []string
}

func newScenario(bootstrap, prefix string) (*scenario, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return nil, err
	}
	base := time.UnixMilli(time.Now().UnixMilli() - 3_600_000)
	return &scenario{bootstrap: bootstrap, prefix: prefix, admin: kadm.NewClient(client), base: base}, nil
}

func (s *scenario) part(part string) []step {
	switch part {
	case "before":
		return []step{{"before", s.before}}
	case "after":
		return []step{{"after", s.after}}
	}
	steps := []step{{"create", s.create}}
	for _, c := range codecs {
		steps = append(steps, step{"codec-" + c.name, func(ctx context.Context) error {
			return s.filled(ctx, s.prefix+"-"+c.name, 2, c.codec)
		}})
	}
	return append(steps, step{"group", s.group}, step{"resume", s.resume}, step{"rebalance", s.rebalance},
		step{"groups", s.groups}, step{"timestamps", s.timestamps}, step{"delete", s.delete})
}

func (s *scenario) create(ctx context.Context) error {
	topic, retention := s.prefix+"-create", "86400000"
	if err := s.createTopic(ctx, topic, 3, map[string]*string{"retention.ms": &retention}); err != nil {
		return err
	}
	configs, err := s.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	described, err := configs.On(topic, nil)
	if err != nil {
		return err
	}
	for _, c := range described.Configs {
		if c.Key == "retention.ms" {
			return equal("retention.ms", c.MaybeValue(), retention)
		}
	}
	return fmt.Errorf("retention.ms is not described")
}

func (s *scenario) group(ctx context.Context) (err error) {
	if err = s.filled(ctx, s.prefix+"-group", 2, kgo.NoCompression()); err != nil {
		return err
	}
	s.first, err = s.consumeAndCommit(ctx, s.prefix+"-group", s.prefix+"-g", 80)
	return err
}

func (s *scenario) resume(ctx context.Context) error {
	rest, err := s.consumeAndCommit(ctx, s.prefix+"-group", s.prefix+"-g", recordCount-80)
	if err != nil {
		return err
	}
	var want []string
	for _, r := range s.records(recordCount, 2, 0) {
		want = append(want, string(r.Value))
	}
	return equal("values before and after the commit", sorted(append(s.first, rest...)), sorted(want))
}

func (s *scenario) groups(ctx context.Context) error {
	group := s.prefix + "-rg"
	listed, err := s.admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if err := equal("listed protocol type", listed[group].ProtocolType, "consumer"); err != nil {
		return err
	}
	return s.describedAs(ctx, group, "Empty", 0)
}

func (s *scenario) timestamps(ctx context.Context) error {
	topic := s.prefix + "-times"
	if err := s.filled(ctx, topic, 2, kgo.NoCompression()); err != nil {
		return err
	}
	// Partition 0 holds the records 0, 2, 4, ...: the first at or after +41 ms is record 42, its offset 21.
	for _, c := range []struct {
		afterMs int64
		want    [2]int64
	}{{41, [2]int64{21, 20}}, {0, [2]int64{0, 0}}, {199, [2]int64{100, 99}}} {
		found, err := s.admin.ListOffsetsAfterMilli(ctx, s.base.UnixMilli()+c.afterMs, topic)
		if err != nil {
			return err
		}
		if err := s.offsetsAre(found, topic, fmt.Sprintf("offsets at +%d ms", c.afterMs), c.want); err != nil {
			return err
		}
	}
	starts, err := s.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return err
	}
	ends, err := s.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	if err := s.offsetsAre(starts, topic, "start offsets", [2]int64{0, 0}); err != nil {
		return err
	}
	return s.offsetsAre(ends, topic, "end offsets", [2]int64{100, 100})
}

func (s *scenario) offsetsAre(found kadm.ListedOffsets, topic, what string, want [2]int64) error {
	if err := found.Error(); err != nil {
		return err
	}
	return equal(what, [2]int64{found[topic][0].Offset, found[topic][1].Offset}, want)
}

func (s *scenario) delete(ctx context.Context) error {
	topic := s.prefix + "-create"
	if _, err := s.admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	return waitUntil(ctx, "topic gone", func() bool {
		topics, err := s.admin.ListTopics(ctx)
		return err == nil && !topics.Has(topic)
	})
}

func (s *scenario) before(ctx context.Context) error {
	if err := s.filled(ctx, s.prefix+"-restart", 2, kgo.NoCompression()); err != nil {
		return err
	}
	_, err := s.consumeAndCommit(ctx, s.prefix+"-restart", s.prefix+"-restart-g", 120)
	return err
}

func (s *scenario) after(ctx context.Context) error {
	topic := s.prefix + "-restart"
	if _, err := s.produce(ctx, s.records(100, 2, recordCount), topic, kgo.NoCompression()); err != nil {
		return err
	}
	values, err := s.consumeAndCommit(ctx, topic, s.prefix+"-restart-g", 180)
	if err != nil {
		return err
	}
	distinct, late := map[string]bool{}, 0
	for _, v := range values {
		number := strings.TrimPrefix(strings.Fields(v)[0], "value-")
		distinct[number] = true
		if i, _ := strconv.Atoi(number); i >= recordCount {
			late++
		}
	}
	if err := equal("distinct records after the restart", len(distinct), 180); err != nil {
		return err
	}
	return equal("records produced after the restart", late, 100)
}

// records makes record i for partition i % partitions, one millisecond after record i - 1; sizes vary, one key in ten is null.
func (s *scenario) records(count, partitions, first int) []*kgo.Record {
	var records []*kgo.Record
	for i := first; i < first+count; i++ {
		r := &kgo.Record{
			Partition: int32(i % partitions),
			Value:     []byte(fmt.Sprintf("value-%d ", i) + strings.Repeat("compressible text, ", i%20)),
			Headers:   []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(i))}, {Key: "bytes", Value: []byte{0, 255, byte(i)}}},
			Timestamp: s.base.Add(time.Duration(i) * time.Millisecond),
		}
		if i%10 != 9 {
			r.Key = []byte(fmt.Sprintf("key-%d", i))
		}
		records = append(records, r)
	}
	return records
}

func (s *scenario) createTopic(ctx context.Context, topic string, partitions int32, config map[string]*string) error {
	if _, err := s.admin.CreateTopic(ctx, partitions, 1, config, topic); err != nil {
		return err
	}
	return waitUntil(ctx, fmt.Sprintf("%d partitions of %s", partitions, topic), func() bool {
		topics, err := s.admin.ListTopics(ctx, topic)
		return err == nil && topics[topic].Err == nil && len(topics[topic].Partitions) == int(partitions)
	})
}

// produce sends with franz-go's defaults, idempotent and acks=all, and returns the acknowledged offsets by partition.
func (s *scenario) produce(ctx context.Context, records []*kgo.Record, topic string, codec kgo.CompressionCodec) (map[int32][]int64, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(s.bootstrap), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codec),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	acked := map[int32][]int64{}
	for _, result := range client.ProduceSync(ctx, records...) {
		if result.Err != nil {
			return nil, result.Err
		}
		acked[result.Record.Partition] = append(acked[result.Record.Partition], result.Record.Offset)
	}
	return acked, nil
}

// filled creates the topic, fills it, and compares what comes back, field by field.
func (s *scenario) filled(ctx context.Context, topic string, partitions int, codec kgo.CompressionCodec) error {
	if err := s.createTopic(ctx, topic, int32(partitions), nil); err != nil {
		return err
	}
	sent := s.records(recordCount, partitions, 0)
	acked, err := s.produce(ctx, sent, topic, codec)
	if err != nil {
		return err
	}
	start, want := map[int32]kgo.Offset{}, make([][]string, partitions)
	for p := range partitions {
		var offsets []int64
		for _, r := range s.records(recordCount, partitions, 0) {
			if int(r.Partition) == p {
				r.Offset = int64(len(offsets))
				offsets = append(offsets, r.Offset)
				want[p] = append(want[p], describe(r))
			}
		}
		got := acked[int32(p)]
		sort.Slice(got, func(i, j int) bool { return got[i] < got[j] })
		if err := equal("acknowledged offsets", got, offsets); err != nil {
			return err
		}
		start[int32(p)] = kgo.NewOffset().At(0)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: start}))
	if err != nil {
		return err
	}
	defer client.Close()
	got := make([][]string, partitions)
	for count := 0; count < recordCount; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d records: %w", count, err)
		}
		for _, r := range fetches.Records() {
			count++
			got[r.Partition] = append(got[r.Partition], describe(r))
		}
	}
	return equal("records", got, want)
}

func describe(r *kgo.Record) string {
	return fmt.Sprintf("%d %q %v %q %v %d", r.Offset, r.Key, r.Key == nil, r.Value, r.Headers, r.Timestamp.UnixMilli())
}

func waitUntil(ctx context.Context, what string, condition func() bool) error {
	for !condition() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not in time: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
