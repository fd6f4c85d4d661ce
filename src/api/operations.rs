//! Sets of operations as the bit fields in which clients are told what they may do (KIP-430).
//!
//! A bit stands at the number of the operation in Kafka's ACL protocol. Without an authorizer every operation that a kind
//! of resource knows is allowed, which is what Kafka answers too.

/// "Not asked for": what the field holds unless the request wants the operations.
pub const NOT_REQUESTED: i32 = i32::MIN;

const READ: u8 = 3;
const WRITE: u8 = 4;
const CREATE: u8 = 5;
const DELETE: u8 = 6;
const ALTER: u8 = 7;
const DESCRIBE: u8 = 8;
const CLUSTER_ACTION: u8 = 9;
const DESCRIBE_CONFIGS: u8 = 10;
const ALTER_CONFIGS: u8 = 11;
const IDEMPOTENT_WRITE: u8 = 12;

const TOPIC: &[u8] = &[
    READ,
    WRITE,
    CREATE,
    DELETE,
    ALTER,
    DESCRIBE,
    DESCRIBE_CONFIGS,
    ALTER_CONFIGS,
];
const GROUP: &[u8] = &[READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS];
const CLUSTER: &[u8] = &[
    CREATE,
    ALTER,
    DESCRIBE,
    CLUSTER_ACTION,
    DESCRIBE_CONFIGS,
    ALTER_CONFIGS,
    IDEMPOTENT_WRITE,
];

/// The operations on a topic, if the request wants them.
pub fn on_topic(requested: bool) -> i32 {
    field(requested, TOPIC)
}

/// The operations on a group, if the request wants them.
pub fn on_group(requested: bool) -> i32 {
    field(requested, GROUP)
}

/// The operations on the cluster, if the request wants them.
pub fn on_cluster(requested: bool) -> i32 {
    field(requested, CLUSTER)
}

fn field(requested: bool, operations: &[u8]) -> i32 {
    match requested {
        true => operations.iter().fold(0, |bits, operation| bits | 1 << operation),
        false => NOT_REQUESTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_that_kafka_without_an_authorizer_answers() {
        assert_eq!(on_topic(true), 3576);
        assert_eq!(on_group(true), 3400);
        assert_eq!(on_cluster(true), 8096);
        assert_eq!(on_topic(false), NOT_REQUESTED);
    }
}
