//! Values with an inner form of their own: addresses, voters, throttled replicas, durations.

use super::error::ConfigError;

/// `host:port`, with or without a scheme before it and brackets around an IPv6 host.
pub(super) fn split_host_port(text: &str) -> Option<(&str, u16)> {
    let address = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if !is_host(host) || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((host, port.parse().ok()?))
}

/// The characters Kafka allows in a host name or an address, zone index included.
pub(super) fn is_host(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':'))
}

/// One entry of `controller.quorum.voters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

pub(super) fn parse_voter(text: &str) -> Option<Voter> {
    let (id, address) = text.split_once('@')?;
    let (host, port) = split_host_port(address)?;
    Some(Voter {
        id: id.parse().ok()?,
        host: host.to_owned(),
        port,
    })
}

pub(super) fn check_voters(name: &str, items: &[String]) -> Result<(), ConfigError> {
    match items.iter().find(|item| parse_voter(item).is_none()) {
        None => Ok(()),
        Some(item) => {
            let why = "Each entry should be in the form `{id}@{host}:{port}`.";
            Err(ConfigError::invalid_value(name, item, why))
        }
    }
}

pub(super) fn check_host_ports(name: &str, items: &[String]) -> Result<(), ConfigError> {
    match items.iter().find(|item| split_host_port(item).is_none()) {
        None => Ok(()),
        Some(item) => {
            let why = "Each entry should be in the form \"{host}:{port}\"";
            Err(ConfigError::invalid_value(name, item, why))
        }
    }
}

/// `*`, or `partition:broker` pairs between which empty items are forgiven.
pub(super) fn is_throttled_replicas(items: &[String]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_pair = |item: &String| {
        item.is_empty()
            || item
                .split_once(':')
                .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
    };
    items.concat() == "*" || items.iter().all(is_pair)
}

pub(super) fn is_share_offset_reset(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("by_duration:") {
        Some(duration) => is_duration(duration),
        None => matches!(lower.as_str(), "earliest" | "latest"),
    }
}

/// ISO 8601 as Java reads it, `PnDTnHnMn.nS`, not negative. The text is in lower case.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('p') else {
        return false;
    };
    let (days, time) = match rest.split_once('t') {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    if days.is_empty() && time.is_none() {
        return false;
    }
    let days_fit = days.is_empty() || days.strip_suffix('d').is_some_and(is_whole);
    let time_fits = time.is_none_or(is_time);
    days_fit && time_fits
}

fn is_time(text: &str) -> bool {
    let mut rest = text;
    let mut parts = 0;
    for unit in ['h', 'm', 's'] {
        if let Some((number, after)) = rest.split_once(unit) {
            let fits = if unit == 's' {
                is_decimal(number)
            } else {
                is_whole(number)
            };
            if !fits {
                return false;
            }
            rest = after;
            parts += 1;
        }
    }
    parts > 0 && rest.is_empty()
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    match text.split_once('.') {
        Some((whole, fraction)) => {
            is_whole(whole) && fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit())
        }
        None => is_whole(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(split_host_port("kafka-1:9093"), Some(("kafka-1", 9093)));
        assert_eq!(split_host_port("[::1]:9093"), Some(("::1", 9093)));
        assert_eq!(split_host_port("PLAINTEXT://h:1"), Some(("h", 1)));
        assert_eq!(split_host_port("h:"), None);
        assert_eq!(split_host_port("h"), None);
        assert_eq!(split_host_port("a b:1"), None);
    }

    #[test]
    fn throttled_replicas() {
        let fits = |text: &str| is_throttled_replicas(&super::super::value::split_list(text));
        assert!(fits("") && fits("*") && fits("0:1,2:3") && fits("0:1,"));
        assert!(!fits("0") && !fits("a:b") && !fits("0:1,*"));
    }

    #[test]
    fn share_offset_resets() {
        for good in [
            "latest",
            "EARLIEST",
            "by_duration:P1D",
            "by_duration:PT0.5S",
            "by_duration:P2DT3H4M",
        ] {
            assert!(is_share_offset_reset(good), "{good}");
        }
        for bad in [
            "",
            "none",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:-PT1S",
            "by_duration:1D",
        ] {
            assert!(!is_share_offset_reset(bad), "{bad}");
        }
    }
}
