//! The answer to DescribeLogDirs 1-5: version 5 says which directories are cordoned. (The request of version 5 looks like
//! that of version 4, so kafka-protocol's serves.)

use ottla_base::record_schema;

record_schema! {
    pub struct DescribeLogDirsResponse: versions 1..=5, flexible 2.. {
        throttle_time_ms: i32;
        error_code: i16, versions 3..;
        results: Vec<DescribeLogDirsResult>;
    }

    pub struct DescribeLogDirsResult {
        error_code: i16;
        log_dir: String;
        topics: Vec<DescribeLogDirsTopic>;
        /// Of the volume that the directory is on.
        total_bytes: i64 = -1, versions 4..;
        usable_bytes: i64 = -1, versions 4..;
        is_cordoned: bool, versions 5..;
    }

    pub struct DescribeLogDirsTopic {
        name: String;
        partitions: Vec<DescribeLogDirsPartition>;
    }

    pub struct DescribeLogDirsPartition {
        partition_index: i32;
        partition_size: i64;
        offset_lag: i64;
        is_future_key: bool;
    }
}

super::schema_responses!(DescribeLogDirsResponse);
