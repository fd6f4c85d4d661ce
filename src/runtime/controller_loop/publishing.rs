//! The thread that tells the rooms, so that a room that is slow (ten thousand partitions to make) does not hold up the next
//! commit or a heartbeat. What is told stays in the order of the log.
//!
//! Whoever wrote is answered once the rooms have heard of it, so that a client finds the topic that it has just made. A room
//! that takes too long cannot hold back the answer for ever: the write is committed, and the client sees the rest in time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use ottla_base::ErrorCode;
use ottla_metadata::{Delta, Image};
use tracing::error;

use parking_lot::Mutex;

use super::Reply;
use crate::runtime::publish::Publisher;

/// Longest time that an answer waits for the rooms.
const ANSWER_WAIT_MS: i64 = 5_000;

pub(super) type Replies = Vec<(Reply, Result<(), ErrorCode>)>;

/// What one round brought, if anything changed.
pub(super) type News = Option<(Arc<Image>, Delta)>;

/// Replies of one round. Whoever takes them first answers: the thread when the news are out, or the controller when it is late.
type Pending = Arc<Mutex<Replies>>;

pub(super) struct Publishing {
    sender: mpsc::Sender<(News, Pending)>,
    thread: JoinHandle<()>,
    /// Rounds that were handed over, with the time.
    waiting: VecDeque<(i64, Pending)>,
}

impl Publishing {
    pub(super) fn start(mut publisher: Publisher) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<(News, Pending)>();
        let thread = std::thread::Builder::new()
            .name("metadata-publish".into())
            .spawn(move || {
                for (news, pending) in receiver {
                    if let Some((image, delta)) = &news {
                        publisher.publish(image, delta);
                    }
                    answer(&pending);
                }
            })?;
        Ok(Self {
            sender,
            thread,
            waiting: VecDeque::new(),
        })
    }

    /// Publishes the news of a round, then answers.
    pub(super) fn publish(&mut self, news: News, replies: Replies, now_ms: i64) {
        let pending = Arc::new(Mutex::new(replies));
        self.waiting.push_back((now_ms, Arc::clone(&pending)));
        // A thread that is gone is noticed by whoever asks [`Self::has_died`].
        let _ = self.sender.send((news, pending));
        self.answer_late(now_ms);
    }

    /// Whether the thread has died of a fault in a room: from then on the node would serve a cluster that is no more.
    pub(super) fn has_died(&self) -> bool {
        self.thread.is_finished()
    }

    /// Answers those who have waited long enough.
    pub(super) fn answer_late(&mut self, now_ms: i64) {
        while let Some((since_ms, pending)) = self.waiting.front() {
            let is_done = pending.lock().is_empty();
            if !is_done && now_ms - since_ms < ANSWER_WAIT_MS {
                return;
            }
            answer(pending);
            self.waiting.pop_front();
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

fn answer(pending: &Pending) {
    let replies = std::mem::take(&mut *pending.lock());
    for (reply, result) in replies {
        reply(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn reply_to(sender: &mpsc::Sender<u32>, number: u32) -> Replies {
        let sender = sender.clone();
        vec![(Box::new(move |_| sender.send(number).unwrap()), Ok(()))]
    }

    fn news() -> News {
        Some((Arc::new(Image::empty()), Delta::default()))
    }

    #[test]
    fn answers_follow_the_news_unless_a_room_is_too_slow() {
        let (release, gate) = channel::<()>();
        let (answers, answered) = channel();
        let slow = move |_: &Arc<Image>, _: &Delta| gate.recv().unwrap();
        let mut publishing = Publishing::start(Publisher::default().then(slow)).unwrap();
        publishing.publish(news(), reply_to(&answers, 1), 0);
        publishing.answer_late(ANSWER_WAIT_MS - 1);
        assert!(answered.try_recv().is_err(), "the room has not heard of it");
        release.send(()).unwrap();
        assert_eq!(answered.recv(), Ok(1));
        publishing.publish(news(), reply_to(&answers, 2), 0);
        publishing.publish(None, reply_to(&answers, 3), 1);
        publishing.answer_late(ANSWER_WAIT_MS);
        assert_eq!(answered.recv(), Ok(2), "the room is too slow");
        assert!(answered.try_recv().is_err());
        release.send(()).unwrap();
        assert_eq!(answered.recv(), Ok(3));
        publishing.finish();
        assert!(answered.try_recv().is_err(), "nobody is answered twice");
    }

    #[test]
    fn a_room_that_panics_is_noticed() {
        let faulty = |_: &Arc<Image>, _: &Delta| panic!("a fault in a room");
        let mut publishing = Publishing::start(Publisher::default().then(faulty)).unwrap();
        assert!(!publishing.has_died());
        let (answers, answered) = channel();
        publishing.publish(news(), reply_to(&answers, 1), 0);
        while !publishing.has_died() {
            std::thread::yield_now();
        }
        publishing.finish();
        drop(answers);
        assert!(
            answered.recv().is_err(),
            "what no room has heard of is not confirmed"
        );
    }
}
