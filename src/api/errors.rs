//! Each room's errors as Kafka's error codes: the one place where they are mapped.
