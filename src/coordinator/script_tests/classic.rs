//! Commands of classic members in scripts:
//!
//! - `join a ...` joins with metadata of the consumers' protocol: `topics=t,u`, `owns=t.0.1+u.0`, `rack=r`, of version `sub=`.
//!   `metadata=text` is something else.
//! - `sync a assign=a:t.0.1+u.0,b:text` assigns partitions to `a`, and to `b` what nobody can read. `!` behind partitions adds
//!   data of a custom assignor.

use bytes::{BufMut, Bytes, BytesMut};
use ottla_base::Uuid;
use ottla_base::schema::{Schema, Writer};

use super::args::Args;
use super::print;
use super::world::World;
use crate::command::*;
use crate::consumer_protocol::{Assignment, Subscription, TopicPartitions};

impl World {
    pub(super) fn join(&mut self, args: &Args<'_>) -> JoinGroup {
        let version = args.number("v", 9);
        self.fresh_ids += 1;
        let metadata = subscription(args);
        let protocols = if args.get("protocols").is_some() {
            args.list("protocols")
        } else {
            vec!["range"]
        };
        let protocol = |name: &&str| Protocol {
            name: (*name).to_owned(),
            metadata: metadata.clone(),
        };
        JoinGroup {
            group_id: args.text("group", "g"),
            member_id: self.member_id(args),
            group_instance_id: args.get("instance").map(str::to_owned),
            client_id: args.name().to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            protocol_type: args.text("type", "consumer"),
            protocols: protocols.iter().map(protocol).collect(),
            session_timeout_ms: args.number("session", 10_000),
            rebalance_timeout_ms: args.number("rebalance", 60_000),
            reason: None,
            requires_known_member_id: version >= 4,
            supports_skipping_assignment: version >= 9,
            fresh_id: Uuid::from_u128(self.fresh_ids),
        }
    }

    pub(super) fn sync(&self, args: &Args<'_>) -> SyncGroup {
        SyncGroup {
            group_id: args.text("group", "g"),
            member_id: self.member_id(args),
            group_instance_id: args.get("instance").map(str::to_owned),
            generation_id: self.generation(args),
            protocol_type: args.get("type").map(str::to_owned),
            protocol_name: args.get("protocol").map(str::to_owned),
            assignments: args
                .list("assign")
                .into_iter()
                .map(|pair| self.assignment(pair))
                .collect(),
        }
    }

    fn assignment(&self, pair: &str) -> (String, Bytes) {
        let (name, value) = pair.split_once(':').expect("member:assignment");
        let id = self
            .clients
            .get(name)
            .map_or_else(|| print::long_id(name), |client| client.member_id.clone());
        (id, assigned(value))
    }
}

fn subscription(args: &Args<'_>) -> Bytes {
    if let Some(text) = args.get("metadata") {
        return Bytes::copy_from_slice(text.as_bytes());
    }
    let topics = args.get("topics").unwrap_or("t").split(',');
    let subscription = Subscription {
        topics: topics
            .filter(|topic| !topic.is_empty())
            .map(str::to_owned)
            .collect(),
        owned_partitions: partitions(args.get("owns").unwrap_or_default()),
        rack_id: args.get("rack").map(str::to_owned),
        ..Subscription::default()
    };
    versioned(&subscription, args.number("sub", 1))
}

fn assigned(text: &str) -> Bytes {
    let (text, is_custom) = match text.strip_suffix('!') {
        Some(text) => (text, true),
        None => (text, false),
    };
    if !text.contains('.') {
        return Bytes::copy_from_slice(text.as_bytes());
    }
    let assignment = Assignment {
        assigned_partitions: partitions(text),
        user_data: is_custom.then(|| Bytes::from_static(b"custom")),
    };
    versioned(&assignment, 1)
}

fn partitions(text: &str) -> Vec<TopicPartitions> {
    let topic = |text: &str| {
        let mut parts = text.split('.');
        TopicPartitions {
            topic: parts.next().unwrap_or_default().to_owned(),
            partitions: parts.map(|part| part.parse().expect("a number")).collect(),
        }
    };
    text.split('+')
        .filter(|topic| !topic.is_empty() && *topic != "-")
        .map(topic)
        .collect()
}

fn versioned(message: &impl Schema, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("encodes");
    let mut out = BytesMut::new();
    out.put_i16(version);
    out.put_slice(&writer.into_bytes());
    out.freeze()
}
