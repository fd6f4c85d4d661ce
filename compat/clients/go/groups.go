package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type member struct {
	client *kgo.Client
	owned  *partitionSet
}

// join starts a group member with franz-go's default assignor, cooperative-sticky.
func (s *scenario) join(topic, group string) (*member, error) {
	owned := &partitionSet{owned: map[int32]bool{}}
	change := func(to bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			owned.change(partitions[topic], to)
		}
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(s.bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300*time.Millisecond), kgo.SessionTimeout(10*time.Second),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
	)
	return &member{client, owned}, err
}

func (s *scenario) rebalance(ctx context.Context) error {
	topic, group := s.prefix+"-rebalance", s.prefix+"-rg"
	if err := s.createTopic(ctx, topic, 4, nil); err != nil {
		return err
	}
	a, err := s.join(topic, group)
	if err != nil {
		return err
	}
	defer a.client.Close()
	if err := waitUntil(ctx, "one member owns all 4 partitions", func() bool { return len(a.owned.list()) == 4 }); err != nil {
		return err
	}
	b, err := s.join(topic, group)
	if err != nil {
		return err
	}
	defer b.client.Close()
	if err := waitUntil(ctx, "2 partitions each", func() bool { return len(a.owned.list()) == 2 && len(b.owned.list()) == 2 }); err != nil {
		return err
	}
	both := map[int]bool{}
	for _, p := range append(a.owned.list(), b.owned.list()...) {
		both[p] = true
	}
	if err := equal("partitions of both members", len(both), 4); err != nil {
		return err
	}
	// A cooperative rebalance takes two rounds; the client's view may be a moment ahead of the last one's end.
	if err := waitUntil(ctx, "stable with 2 members", func() bool { return s.describedAs(ctx, group, "Stable", 2) == nil }); err != nil {
		return err
	}
	b.client.Close()
	if err := waitUntil(ctx, "the one that stays takes over", func() bool { return len(a.owned.list()) == 4 }); err != nil {
		return err
	}
	return s.takesOver(ctx, a, topic)
}

// takesOver sends ten records to each of the four partitions and expects the one member left to get them all.
func (s *scenario) takesOver(ctx context.Context, a *member, topic string) error {
	sent := s.records(40, 4, 0)
	if _, err := s.produce(ctx, sent, topic, kgo.NoCompression()); err != nil {
		return err
	}
	var got, want []string
	for _, r := range sent {
		want = append(want, string(r.Value))
	}
	for len(got) < len(want) {
		fetches := a.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d records: %w", len(got), err)
		}
		for _, r := range fetches.Records() {
			got = append(got, string(r.Value))
		}
	}
	return equal("records after the take-over", sorted(got), sorted(want))
}

// consumeAndCommit takes exactly count records, commits behind them, checks the commit, and leaves the group.
func (s *scenario) consumeAndCommit(ctx context.Context, topic, group string, count int) ([]string, error) {
	m, err := s.join(topic, group)
	if err != nil {
		return nil, err
	}
	defer m.client.Close()
	var values []string
	next := map[int32]int64{}
	for len(values) < count {
		fetches := m.client.PollRecords(ctx, count-len(values))
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d of %d records: %w", len(values), count, err)
		}
		for _, r := range fetches.Records() {
			values = append(values, string(r.Value))
			next[r.Partition] = r.Offset + 1
		}
	}
	if err := m.client.CommitUncommittedOffsets(ctx); err != nil {
		return nil, err
	}
	committed, err := s.admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	for p, offset := range next {
		found, _ := committed.Lookup(topic, p)
		if err := equal(fmt.Sprintf("committed offset of partition %d", p), found.At, offset); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (s *scenario) describedAs(ctx context.Context, group, state string, members int) error {
	described, err := s.admin.DescribeGroups(ctx, group)
	if err != nil {
		return err
	}
	found := described[group]
	if found.Err != nil {
		return found.Err
	}
	return equal("described group", fmt.Sprint(found.State, len(found.Members)), fmt.Sprint(state, members))
}

// partitionSet follows a member's assignment, which franz-go reports as differences.
type partitionSet struct {
	sync.Mutex
	owned map[int32]bool
}

func (p *partitionSet) change(partitions []int32, owned bool) {
	p.Lock()
	defer p.Unlock()
	for _, partition := range partitions {
		if owned {
			p.owned[partition] = true
		} else {
			delete(p.owned, partition)
		}
	}
}

func (p *partitionSet) list() []int {
	p.Lock()
	defer p.Unlock()
	list := []int{}
	for partition := range p.owned {
		list = append(list, int(partition))
	}
	sort.Ints(list)
	return list
}
