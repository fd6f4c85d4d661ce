//! Sockets: listeners, connections, limits.
