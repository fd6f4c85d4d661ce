//! Turns the metadata log back into an image, batch by batch, with the transactions that span batches.
//!
//! Records between BeginTransaction and EndTransaction are applied to a copy of the image, which costs nothing, and the copy
//! takes the image's place at the end or is thrown away at the abort.

use crate::delta::Delta;
use crate::image::{Image, ImageError};
use crate::records::Record;

/// An image that follows a log.
#[derive(Clone, Debug)]
pub struct Replay {
    image: Image,
    delta: Delta,
    open: Option<Box<(Image, Delta)>>,
}

impl Replay {
    pub fn new(image: Image) -> Self {
        Self {
            image,
            delta: Delta::default(),
            open: None,
        }
    }

    /// The image without what an open transaction has written so far.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// For what control records say: voters and `kraft.version`.
    pub fn image_mut(&mut self) -> &mut Image {
        &mut self.image
    }

    /// What changed since the last call.
    pub fn take_delta(&mut self) -> Delta {
        std::mem::take(&mut self.delta)
    }

    /// A snapshot must never end inside a transaction.
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    pub fn apply(&mut self, record: &Record, offset: i64, epoch: i32) -> Result<(), ImageError> {
        match (record, self.open.as_mut()) {
            (Record::BeginTransaction(_), None) => {
                self.open = Some(Box::new((self.image.clone(), self.delta.clone())));
            }
            (Record::EndTransaction(_), Some(open)) => {
                (self.image, self.delta) = std::mem::take(open.as_mut());
                self.open = None;
            }
            (Record::AbortTransaction(_), Some(_)) => self.open = None,
            (_, Some(open)) => open.0.apply(record, offset, &mut open.1)?,
            (_, None) => self.image.apply(record, offset, &mut self.delta)?,
        }
        self.advance(offset, epoch);
        Ok(())
    }

    /// Moves past a record that changes nothing: a control record.
    pub fn advance(&mut self, offset: i64, epoch: i32) {
        self.image.offset = offset;
        self.image.epoch = epoch;
    }
}
