//! The thread that tells the rooms, so that a room that is slow (ten thousand partitions to make) does not hold up the next
//! commit or a heartbeat. What is told and who is answered stay in the order of the log.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use ottla_base::ErrorCode;
use ottla_metadata::{Delta, Image};
use tracing::error;

use super::Reply;
use crate::runtime::publish::Publisher;

/// What one round brought: the news, if there are any, and whom to answer once they are out.
pub(super) struct Publication {
    pub news: Option<(Arc<Image>, Delta)>,
    pub replies: Vec<(Reply, Result<(), ErrorCode>)>,
}

pub(super) struct Publishing {
    sender: mpsc::Sender<Publication>,
    thread: JoinHandle<()>,
}

impl Publishing {
    pub(super) fn start(mut publisher: Publisher) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Publication>();
        let thread = std::thread::Builder::new()
            .name("metadata-publish".into())
            .spawn(move || {
                for publication in receiver {
                    if let Some((image, delta)) = &publication.news {
                        publisher.publish(image, delta);
                    }
                    for (reply, result) in publication.replies {
                        reply(result);
                    }
                }
            })?;
        Ok(Self { sender, thread })
    }

    pub(super) fn publish(&self, publication: Publication) {
        if self.sender.send(publication).is_err() {
            error!("the thread that publishes metadata is gone: the node no longer hears of changes");
        }
    }

    /// Returns when everything is published and answered.
    pub(super) fn finish(self) {
        drop(self.sender);
        if self.thread.join().is_err() {
            error!("the thread that publishes metadata died");
        }
    }
}
