//! What the APIs of groups share: who the client is, and how several groups are asked at once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use futures::future::join_all;
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;
use ottla_coordinator::{Command, Reply};
use ottla_metadata::features::GROUP_VERSION;

use crate::api::Ctx;

/// The client's address in Java's notation, as Kafka writes it into the records of groups.
pub fn client_host(ctx: &Ctx) -> String {
    host_text(ctx.peer_addr.ip().to_canonical())
}

fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("/{address}"),
        IpAddr::V6(address) => {
            let segments: Vec<String> = address
                .segments()
                .iter()
                .map(|segment| format!("{segment:x}"))
                .collect();
            format!("/{}", segments.join(":"))
        }
    }
}

pub fn owned(text: &StrBytes) -> String {
    text.as_str().to_owned()
}

pub fn owned_option(text: &Option<StrBytes>) -> Option<String> {
    text.as_ref().map(owned)
}

/// A copy that does not keep the whole request alive: what members say of themselves outlives it.
pub fn copied(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// The error in a reply that is not of the expected kind.
pub fn error_of(reply: &Reply) -> ErrorCode {
    match reply {
        Reply::Failed(error) => *error,
        _ => ErrorCode::UnknownServerError,
    }
}

/// Whether members may speak the consumer protocol at all: the cluster has the feature, and this broker's file allows it.
pub fn is_consumer_protocol_enabled(ctx: &Ctx) -> bool {
    ctx.node.groups.options().allows_consumer_protocol && ctx.image().features.level(GROUP_VERSION) >= 1
}

/// Asks each partition once for all of its groups; gives back the groups of each, and what the partition answered.
pub fn ask_by_partition(
    ctx: &Ctx,
    group_ids: Vec<String>,
    command: fn(Vec<String>) -> Command,
) -> impl Future<Output = Vec<(Vec<String>, Reply)>> + Send + use<> {
    let mut by_partition: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for id in group_ids {
        by_partition
            .entry(ctx.node.groups.partition_for(&id))
            .or_default()
            .push(id);
    }
    let asked = by_partition.into_iter().map(|(partition, ids)| {
        let answer = ctx.node.groups.submit_to(partition, command(ids.clone()));
        async move { (ids, answer.await) }
    });
    join_all(asked.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::host_text;

    #[test]
    fn addresses_look_as_java_prints_them() {
        assert_eq!(host_text("127.0.0.1".parse().unwrap()), "/127.0.0.1");
        assert_eq!(host_text("::1".parse().unwrap()), "/0:0:0:0:0:0:0:1");
        assert_eq!(host_text("fe80::a:0:1".parse().unwrap()), "/fe80:0:0:0:0:a:0:1");
    }
}
