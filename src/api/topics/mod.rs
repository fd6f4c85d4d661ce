//! Topics and partitions: create, describe, delete, move. One file per API.
