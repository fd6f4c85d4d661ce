//! Cluster metadata: the records of `__cluster_metadata`, the image they add up to, and the rules by which it changes.
//!
//! Reading order: [`features`] (levels), [`records`] (what the log holds), [`image`] (what it means), [`delta`] (what a
//! batch changed), [`replay`] (log to image), [`snapshot`] (image to records), [`controller`] (requests to records).
//!
//! Pure: no thread, no file, no clock. The controller is asked with an image and a time, and answers with records; the
//! runtime appends them, and what it asked for exists once they come back from the log.

pub mod controller;
pub mod delta;
pub mod features;
pub mod image;
pub mod records;
pub mod replay;
pub mod snapshot;

pub use controller::{Controller, Outcome, Problem};
pub use delta::Delta;
pub use features::MetadataVersion;
pub use image::Image;
pub use records::{Record, RecordError};
pub use replay::Replay;
