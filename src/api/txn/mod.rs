//! Transactional and idempotent producers. One file per API.
