//! Latencies, counted in buckets that grow with what they hold: the memory is the same for a run of any length, and a percentile
//! is less than 1 % too high.

use std::time::Duration;

/// Each doubling has as many buckets as this has bits for.
const BUCKET_BITS: u32 = 7;
const BUCKETS_PER_DOUBLING: usize = 1 << BUCKET_BITS;

#[derive(Default)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max_ns: u64,
}

impl Histogram {
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(ns);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// What a `share` of all latencies does not exceed, in ms; of nothing it is nothing.
    pub fn percentile_ms(&self, share: f64) -> Option<f64> {
        let rank = ((self.count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(highest_of(bucket).min(self.max_ns) as f64 / 1e6)
    }
}

/// Below two doublings a bucket is one nanosecond wide; from there on its width doubles with its value.
fn bucket_of(ns: u64) -> usize {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(BUCKET_BITS + 1);
    shift as usize * BUCKETS_PER_DOUBLING + (ns >> shift) as usize
}

fn highest_of(bucket: usize) -> u64 {
    let shift = (bucket / BUCKETS_PER_DOUBLING).saturating_sub(1);
    let place = (bucket - shift * BUCKETS_PER_DOUBLING) as u128;
    u64::try_from(((place + 1) << shift) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_the_bucket_that_ends_just_above_it() {
        let mut last = 0;
        for ns in (0..100_000)
            .chain((17..64).map(|bits| (1 << bits) - 1))
            .chain([u64::MAX])
        {
            let bucket = bucket_of(ns);
            let highest = highest_of(bucket);
            assert!(
                highest >= ns && (highest - ns) as f64 <= ns as f64 / 100.0,
                "{ns} {highest}"
            );
            assert!(bucket >= last && bucket <= last.max(1) * 2 + BUCKETS_PER_DOUBLING);
            last = bucket;
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let mut latencies = Histogram::default();
        assert_eq!(latencies.percentile_ms(0.5), None);
        for ms in (1..=1000).rev() {
            latencies.record(Duration::from_millis(ms));
        }
        assert_eq!(latencies.count(), 1000);
        for (share, expected) in [
            (0.0, 1.0),
            (0.5, 500.0),
            (0.99, 990.0),
            (0.999, 999.0),
            (1.0, 1000.0),
        ] {
            let found = latencies.percentile_ms(share).unwrap();
            assert!(found >= expected && found < expected * 1.01, "{share}: {found}");
        }
    }

    #[test]
    fn two_add_up_to_one_of_both() {
        let (mut few, mut many) = (Histogram::default(), Histogram::default());
        few.record(Duration::from_micros(3));
        for us in 100..200 {
            many.record(Duration::from_micros(us));
        }
        few.add(&many);
        assert_eq!((few.count(), few.percentile_ms(1.0)), (101, Some(0.199)));
        assert_eq!(few.percentile_ms(0.001), few.percentile_ms(0.0));
        many.add(&Histogram::default());
        assert_eq!(many.count(), 100);
    }

    #[test]
    fn the_highest_is_exact() {
        let mut latencies = Histogram::default();
        latencies.record(Duration::from_nanos(1_234_567));
        assert_eq!(latencies.percentile_ms(0.999), Some(1.234_567));
    }
}
