//! The floor of compressed batches: their decoder with nothing around it.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use ottla_storage::batch::{BatchHeader, HEADER_BYTES, compression};

use crate::histogram::Histogram;
use crate::process::Cpu;
use crate::produce::Shape;

/// More than any batch of a bench holds.
const PLAIN_BYTES_MAX: usize = 64 << 20;

/// Decompresses the batches that `produce` would send, and looks at nothing in them.
pub fn run(shape: Shape) -> Result<()> {
    let requests = shape.pipeline()?.requests;
    let batch = shape.batch();
    let codec = BatchHeader::parse(&batch)?.codec()?;
    let packed = batch.get(HEADER_BYTES..).context("a short batch")?;
    let (before, begun) = (Cpu::of_this_thread()?, Instant::now());
    let mut latencies = Histogram::default();
    for _ in 0..requests {
        let at = Instant::now();
        black_box(compression::decompress(codec, packed, PLAIN_BYTES_MAX)?);
        latencies.record(at.elapsed());
    }
    let cpu = Cpu::of_this_thread()?.since(before);
    shape
        .work(latencies)
        .print("floor-decode", begun.elapsed(), cpu, None)
}
