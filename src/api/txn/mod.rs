//! Transactional and idempotent producers. One file per API.

pub mod init_producer_id;
pub mod txn_offset_commit;
pub mod verification;
pub mod write_txn_markers;
