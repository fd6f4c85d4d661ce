//! Consumer groups and their committed offsets. One file per API.
