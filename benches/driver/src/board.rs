//! Where the members of one group stand, so that a bench knows when all of them are stable again.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

/// What a member was told last: its generation or member epoch, and how many partitions it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub epoch: i32,
    pub partitions: usize,
}

/// A seat for each member. The group is settled when all who are present stand in its newest epoch and have every
/// partition between them.
pub struct Board {
    partitions: usize,
    seats: RefCell<Vec<Option<Standing>>>,
    newest: Cell<i32>,
    members_at_newest: Cell<usize>,
    partitions_at_newest: Cell<usize>,
    changed: Notify,
}

impl Board {
    pub fn new(members: usize, partitions: usize) -> Self {
        Self {
            partitions,
            seats: RefCell::new(vec![None; members]),
            newest: Cell::new(-1),
            members_at_newest: Cell::new(0),
            partitions_at_newest: Cell::new(0),
            changed: Notify::new(),
        }
    }

    pub fn newest(&self) -> i32 {
        self.newest.get()
    }

    pub fn members_at_newest(&self) -> usize {
        self.members_at_newest.get()
    }

    pub fn is_current(&self, seat: usize) -> bool {
        let seats = self.seats.borrow();
        let standing = seats.get(seat).copied().flatten();
        standing.is_some_and(|standing| standing.epoch == self.newest.get())
    }

    pub fn report(&self, seat: usize, standing: Option<Standing>) {
        let Some(before) = self
            .seats
            .borrow_mut()
            .get_mut(seat)
            .map(|place| std::mem::replace(place, standing))
        else {
            return;
        };
        if before == standing {
            return;
        }
        if let Some(before) = before.filter(|before| before.epoch == self.newest.get()) {
            self.members_at_newest.update(|count| count - 1);
            self.partitions_at_newest
                .update(|count| count - before.partitions);
        }
        if let Some(now) = standing {
            if now.epoch > self.newest.get() {
                self.newest.set(now.epoch);
                self.members_at_newest.set(0);
                self.partitions_at_newest.set(0);
            }
            if now.epoch == self.newest.get() {
                self.members_at_newest.update(|count| count + 1);
                self.partitions_at_newest.update(|count| count + now.partitions);
            }
        }
        self.changed.notify_one();
    }

    /// Waits until `members` are settled in an epoch behind `epoch`. For one waiter at a time.
    pub async fn settled(&self, members: usize, epoch: i32) {
        while !self.is_settled(members, epoch) {
            self.changed.notified().await;
        }
    }

    fn is_settled(&self, members: usize, epoch: i32) -> bool {
        self.newest.get() > epoch
            && self.members_at_newest.get() == members
            && self.partitions_at_newest.get() == self.partitions
    }
}
