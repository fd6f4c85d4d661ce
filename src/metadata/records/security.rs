//! Records about who may do what: ACLs, SCRAM credentials, delegation tokens.

use bytes::Bytes;
use ottla_base::{Uuid, record_schema};

record_schema! {
    pub struct AccessControlEntryRecord: versions 0..=0, flexible 0.. {
        id: Uuid;
        resource_type: i8;
        resource_name: String;
        pattern_type: i8;
        principal: String;
        host: String;
        operation: i8;
        permission_type: i8;
    }

    pub struct RemoveAccessControlEntryRecord: versions 0..=0, flexible 0.. {
        id: Uuid;
    }

    pub struct UserScramCredentialRecord: versions 0..=0, flexible 0.. {
        name: String;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8;
        salt: Bytes;
        stored_key: Bytes;
        server_key: Bytes;
        iterations: i32;
    }

    pub struct RemoveUserScramCredentialRecord: versions 0..=0, flexible 0.. {
        name: String;
        mechanism: i8;
    }

    pub struct DelegationTokenRecord: versions 0..=0, flexible 0.. {
        owner: String;
        requester: String;
        renewers: Vec<String>;
        issue_timestamp: i64;
        max_timestamp: i64;
        expiration_timestamp: i64;
        token_id: String;
    }

    pub struct RemoveDelegationTokenRecord: versions 0..=0, flexible 0.. {
        token_id: String;
    }
}
