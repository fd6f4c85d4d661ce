//! Clients of a broker that dies under them, and the history of what they asked and were told.
//!
//! [`link`] asks until there is an answer and says what came of it, [`records`] packs and unpacks batches, [`producer`] speaks
//! InitProducerId to EndTxn; [`writer`], [`copier`], [`bookkeeper`] and
//! [`reader`] are the workers, [`run`] starts them and reads all partitions
//! to their ends. One thread; times are ticks of one counter, taken before a request leaves and after its answer came.

mod bookkeeper;
mod copier;
mod link;
mod producer;
mod reader;
mod records;
mod run;
mod shared;
mod writer;

pub use run::{Options, run};
