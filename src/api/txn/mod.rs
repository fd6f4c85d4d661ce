//! Transactional and idempotent producers. One file per API.

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod common;
pub mod describe_transactions;
pub mod end_txn;
pub mod init_producer_id;
pub mod list_transactions;
pub mod txn_offset_commit;
pub mod verification;
pub mod write_txn_markers;
