"""Consumer groups: how much broker CPU they cost to form, at rest and with commits, and how long a rebalance takes.

The clients are benches/driver: one connection per member, the protocol's own messages, the leader of a classic group assigns by
range. A rebalance is timed from the moment a member leaves until all others are stable with all partitions again. The others hear
of it by heartbeats that they send at once, since how long a client sleeps between two is its own affair. Each broker is warmed up
with groups of the same kinds first. `commits` are single-partition OffsetCommits, spread over all members at a fixed rate.
"""

from dataclasses import dataclass

from side_by_side import BenchBroker, cpu, create_topic, drive, in_turn


@dataclass
class Size:
    groups: int
    commit_rate: int
    commit_seconds: int
    rest_seconds: int
    leaves: dict  # members of a group: how often one of them leaves
    warm_up_seconds: int
    initial_delay_ms: int = 3000  # the broker's default, which the checks of compat/ shorten


def run(figures, size, protocols, rounds, run_dir, tools):
    for number, kind in in_turn(rounds):
        settings = {"group.initial.rebalance.delay.ms": size.initial_delay_ms}
        broker = BenchBroker(kind, run_dir / f"groups-{kind}-{number}", tools, settings)
        broker.start()
        try:
            for partitions in {3, *size.leaves}:
                create_topic(broker, f"read-{partitions}", partitions)
            for protocol in protocols:
                measure(figures, size, protocol, kind, broker)
        finally:
            broker.stop()


def measure(figures, size, protocol, kind, broker):
    # A consumer group's assignment is made at most once a second, so each of its rebalances needs a pause, and they are fewer.
    pause_ms, fewer = (1100, 5) if protocol == "consumer" else (20, 1)

    def groups(members, **options):
        return drive("groups", broker, protocol=protocol, topic=f"read-{members}", partitions=members, members=members, **options)

    groups(3, prefix=f"warm-{protocol}", groups=max(size.groups // 10, 1), commit_rate=size.commit_rate // 2, commit_seconds=size.warm_up_seconds)
    many = groups(3, prefix=f"many-{protocol}", groups=size.groups, rest_seconds=size.rest_seconds,
                  commit_seconds=size.commit_seconds, commit_rate=size.commit_rate)
    form, rest, commit = many["form"], many["rest"], many["commit"]
    title = f"{protocol}: {size.groups:,} groups of 3"
    figures.add(f"{title}, forming, per member", kind, cpu_us=cpu(form) * 1e6 / form["operations"], seconds=form["seconds"], rss_mb=form["rss_mb"])
    figures.add(f"{title}, at rest, per second", kind, cpu_us=cpu(rest) * 1e6 / rest["seconds"], rss_mb=rest["rss_mb"])
    figures.add(f"{title}, {size.commit_rate:,} commits/s, per commit", kind, cpu_us=cpu(commit) * 1e6 / commit["operations"],
                requests_per_s=commit["operations"] / commit["seconds"], p50_ms=commit["p50_ms"], p99_ms=commit["p99_ms"], rss_mb=commit["rss_mb"])
    for members, leaves in size.leaves.items():
        phases = groups(members, prefix=f"leave-{protocol}-{members}", leaves=max(leaves // fewer, 2), pause_ms=pause_ms)
        done = phases["rebalance"]
        figures.add(f"{protocol}: a group of {members:,}, one leaves, per rebalance", kind, cpu_us=cpu(done) * 1e6 / done["operations"],
                    p50_ms=done["p50_ms"], p99_ms=done["p99_ms"], rss_mb=done["rss_mb"])
