//! News of the cluster, from the metadata log to the rooms.
//!
//! The order is what keeps a client from being told of a partition that its broker does not serve yet: first the replicas
//! (which create, delete, lead and follow), then the image that requests are answered from, then the coordinators (which load
//! what their partitions hold).

use std::sync::Arc;

use ottla_metadata::{Delta, Image};

/// A room that acts on changes of the cluster. It is called on a thread of its own and may block for short
/// work on disk; it must never wait for the controller.
pub trait Subscriber: Send {
    fn apply(&mut self, image: &Arc<Image>, delta: &Delta);
}

impl<F: FnMut(&Arc<Image>, &Delta) + Send> Subscriber for F {
    fn apply(&mut self, image: &Arc<Image>, delta: &Delta) {
        self(image, delta);
    }
}

/// The rooms in the order in which they hear of a change.
#[derive(Default)]
pub struct Publisher {
    subscribers: Vec<Box<dyn Subscriber>>,
}

impl Publisher {
    /// Behind all that were added before.
    #[must_use]
    pub fn then(mut self, subscriber: impl Subscriber + 'static) -> Self {
        self.subscribers.push(Box::new(subscriber));
        self
    }

    pub(super) fn publish(&mut self, image: &Arc<Image>, delta: &Delta) {
        for subscriber in &mut self.subscribers {
            subscriber.apply(image, delta);
        }
    }
}
