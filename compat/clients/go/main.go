// franz-go on the steps of ../README.md.
//
//	go-client BOOTSTRAP PREFIX scenario|before|after
//	go-client BOOTSTRAP TOPIC read COUNT     the values of partition 0 to stdout, one a line (for ../../realtext)
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const waitTime = 30 * time.Second

type step struct {
	name string
	run  func(context.Context) error
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: go-client BOOTSTRAP PREFIX scenario|before|after, or BOOTSTRAP TOPIC read COUNT")
		os.Exit(2)
	}
	bootstrap, prefix, part := os.Args[1], os.Args[2], os.Args[3]
	if part == "read" {
		if err := read(bootstrap, prefix, os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	s, err := newScenario(bootstrap, prefix)
	if err != nil {
		fmt.Println("FAIL start", err)
		os.Exit(1)
	}
	failed := false
	for _, step := range s.part(part) {
		ctx, cancel := context.WithTimeout(context.Background(), waitTime)
		if err := step.run(ctx); err != nil {
			failed = true
			fmt.Println("FAIL", step.name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", step.name)
		}
		cancel()
	}
	if failed {
		os.Exit(1)
	}
}

// read prints COUNT values of partition 0 from its beginning, and fails if more come than that.
func read(bootstrap, topic, countText string) error {
	count, err := strconv.Atoi(countText)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}),
		kgo.FetchMaxWait(200*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for next := int64(0); next < int64(count); {
		ctx, cancel := context.WithTimeout(context.Background(), waitTime)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", next, count, err)
		}
		for _, r := range fetches.Records() {
			if r.Offset != next {
				return fmt.Errorf("offset %d where %d comes next", r.Offset, next)
			}
			next++
			out.Write(r.Value)
			out.WriteByte('\n')
		}
	}
	return nil
}

// equal compares by what is printed: enough for numbers, strings and slices of them, and readable when it fails.
func equal(what string, got, want any) error {
	g, w := fmt.Sprint(got), fmt.Sprint(want)
	if g == w {
		return nil
	}
	if len(g) > 300 {
		g = g[:300] + "..."
	}
	if len(w) > 300 {
		w = w[:300] + "..."
	}
	return fmt.Errorf("%s: got %s, want %s", what, g, w)
}

func sorted(values []string) []string {
	values = append([]string(nil), values...)
	sort.Strings(values)
	return values
}
