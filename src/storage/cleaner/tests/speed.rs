//! How fast a cleaning is. Not a check: run it by hand, in release, with `--ignored --nocapture`.

use std::time::Instant;

use super::*;

const BYTES: u64 = 256 << 20;
const KEYS: u64 = 200_000;

#[test]
#[ignore = "a measurement"]
fn megabytes_a_second() {
    for codec in [batch::Codec::None, batch::Codec::Lz4] {
        let bench = Bench::new(LogConfig {
            segment_bytes: 16 << 20,
            index_interval_bytes: 4096,
            ..compacted()
        });
        let (mut plain_bytes, mut n) = (0, 0u64);
        while plain_bytes < BYTES {
            let options = BatchOptions {
                codec,
                ..BatchOptions::default()
            };
            let mut builder = BatchBuilder::new(options);
            for _ in 0..64 {
                n += 1;
                // Scattered over the keys, so that most batches lose some of their records.
                let key = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % KEYS;
                let value = format!("{n:0200}");
                builder.append(100, Some(&key.to_be_bytes()), Some(value.as_bytes()), &[]);
            }
            plain_bytes += builder.size_bytes() as u64;
            let batch = ValidBatch::trusted(&builder.build()).unwrap();
            bench
                .log
                .append_as_leader(batch, 0, AppendOrigin::Client, 100)
                .unwrap();
        }
        bench.log.raise_high_watermark(bench.log.log_end_offset());
        let before = bench.log.size_bytes();
        let memory = CleanerMemory {
            dedupe_buffer_bytes: 128 << 20,
            load_factor: 0.9,
            io_buffer_bytes: 512 << 10,
        };
        let cleanable = Cleanable::of(&bench.log, 1000).unwrap();
        let begun = Instant::now();
        let cleaned = bench.log.clean(&cleanable, &memory, &AtOnce, 1000).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{codec:?}: {} MB cleaned to {} MB in {seconds:.2} s: {:.0} MB/s of log, {:.0} MB/s of I/O",
            before >> 20,
            bench.log.size_bytes() >> 20,
            before as f64 / 1e6 / seconds,
            (cleaned.bytes_read + cleaned.bytes_written) as f64 / 1e6 / seconds,
        );
    }
}
