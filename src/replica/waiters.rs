//! Who waits for a partition to move: fetches for bytes, produces for replicas, coordinators for their own records.
//!
//! A waiter is one [`Notify`], registered with every partition it waits for. A partition that moves wakes its waiters and
//! knows nothing of what they wait for; each looks for itself and waits on if that was not it. A partition without
//! waiters pays an empty list, and nobody polls.
//!
//! The order that loses no news: register, look, wait. What happens between the look and the wait leaves a permit in the
//! `Notify`, and the wait returns at once.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The waiters of one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    list: Mutex<Vec<Arc<Notify>>>,
}

impl Waiters {
    /// Wakes `waiter` at every change until the registration is dropped.
    pub fn register(self: &Arc<Self>, waiter: &Arc<Notify>) -> Registration {
        self.list.lock().push(waiter.clone());
        Registration {
            waiters: self.clone(),
            waiter: waiter.clone(),
        }
    }

    /// Tells all who wait that something has changed; false if nobody does.
    pub fn wake(&self) -> bool {
        let list = self.list.lock();
        for waiter in list.iter() {
            waiter.notify_one();
        }
        !list.is_empty()
    }
}

/// A place in a partition's list, given up on drop.
#[derive(Debug)]
pub struct Registration {
    waiters: Arc<Waiters>,
    waiter: Arc<Notify>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut list = self.waiters.list.lock();
        if let Some(at) = list.iter().position(|waiter| Arc::ptr_eq(waiter, &self.waiter)) {
            list.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_change_between_the_look_and_the_wait_is_not_lost() {
        let (waiters, waiter) = (Arc::new(Waiters::default()), Arc::new(Notify::new()));
        let _registration = waiters.register(&waiter);
        waiters.wake();
        assert!(tokio::time::timeout(SOON, waiter.notified()).await.is_ok());
        assert!(tokio::time::timeout(SOON, waiter.notified()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_waiter_hears_of_every_partition_and_all_waiters_of_one() {
        let (a, b) = (Arc::new(Waiters::default()), Arc::new(Waiters::default()));
        let (one, two) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let _registrations = [a.register(&one), b.register(&one), b.register(&two)];
        a.wake();
        assert!(tokio::time::timeout(SOON, one.notified()).await.is_ok());
        assert!(tokio::time::timeout(SOON, two.notified()).await.is_err());
        b.wake();
        assert!(tokio::time::timeout(SOON, one.notified()).await.is_ok());
        assert!(tokio::time::timeout(SOON, two.notified()).await.is_ok());
    }

    #[test]
    fn who_has_left_leaves_nothing_behind() {
        let (waiters, waiter) = (Arc::new(Waiters::default()), Arc::new(Notify::new()));
        let first = waiters.register(&waiter);
        let second = waiters.register(&waiter);
        drop(first);
        assert_eq!(waiters.list.lock().len(), 1);
        drop(second);
        assert!(waiters.list.lock().is_empty());
    }
}
