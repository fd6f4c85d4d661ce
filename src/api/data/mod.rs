//! Produce, fetch and what else concerns the records of a partition. One file per API.
