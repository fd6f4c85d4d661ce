//! Client metrics (KIP-714). One file per API.
