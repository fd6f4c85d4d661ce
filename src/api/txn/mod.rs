//! Transactional and idempotent producers. One file per API.

pub mod init_producer_id;
