//! Kafka's keys about connections as the limits of `net`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use ottla_base::config::{BrokerConfig, Settings};

use crate::net::{Admission, NetLimits};

pub(super) fn of(config: &BrokerConfig) -> NetLimits {
    let count = |key: &str| usize::try_from(config.i32(key)).unwrap_or(usize::MAX);
    let defaults = NetLimits::default();
    NetLimits {
        request_bytes_max: count("socket.request.max.bytes"),
        admission: admission(config),
        idle_max: idle_max(config.i64("connections.max.idle.ms")),
        send_buffer_bytes: buffer_bytes(config, "socket.send.buffer.bytes"),
        receive_buffer_bytes: buffer_bytes(config, "socket.receive.buffer.bytes"),
        listen_backlog: listen_backlog(config).unwrap_or(defaults.listen_backlog),
        ..defaults
    }
}

/// The limits that are dynamic.
pub(super) fn admission(config: &impl Settings) -> Admission {
    let count = |key: &str| usize::try_from(config.i32(key)).unwrap_or(usize::MAX);
    Admission {
        connections_max: count("max.connections"),
        connections_per_ip_max: count("max.connections.per.ip"),
        connections_per_ip_overrides: overrides(config),
    }
}

/// Kafka's default of 100 KiB switches off the kernel's own sizing, which does better on every network: so only a size
/// that somebody has set counts.
fn buffer_bytes(config: &BrokerConfig, key: &str) -> Option<usize> {
    config.given(key)?;
    usize::try_from(config.i32(key)).ok()
}

/// Kafka's default of 50 drops connections when all clients of a broker come back at once; each of them then waits a second
/// before it tries again. So here too only a number that somebody has set counts.
fn listen_backlog(config: &BrokerConfig) -> Option<i32> {
    const KEY: &str = "socket.listen.backlog.size";
    config.given(KEY).map(|_| config.i32(KEY))
}

fn idle_max(ms: i64) -> Duration {
    // A negative time is "never"; a year is as good, and adds to a clock without overflow.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    u64::try_from(ms).map_or(YEAR, |ms| Duration::from_millis(ms).min(YEAR))
}

/// `host:count,host:count`. Names are not looked up: a connection has an address.
fn overrides(config: &impl Settings) -> HashMap<IpAddr, usize> {
    let text = config
        .string("max.connections.per.ip.overrides")
        .unwrap_or_default();
    let entries = text.split(',').filter_map(|entry| {
        let (host, count) = entry.trim().rsplit_once(':')?;
        Some((host.trim_matches(['[', ']']).parse().ok()?, count.parse().ok()?))
    });
    entries.collect()
}
