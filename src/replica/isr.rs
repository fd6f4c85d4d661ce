//! The in-sync replicas of a partition as its leader sees them, and the high watermark that follows from them.
//!
//! Everything below the high watermark is on every in-sync replica. It is the smallest log end among them, and it never
//! goes back: a replica that joins with a shorter log holds it where it is.

/// What a leader knows of the replicas that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isr {
    own_id: i32,
    /// The others in the ISR, with the log end that each has shown by its last fetch; `None` before the first.
    others: Vec<(i32, Option<i64>)>,
    has_self: bool,
}

impl Isr {
    /// The ISR of a new leader. Nothing is known of the others until they fetch.
    pub fn new(own_id: i32, members: &[i32]) -> Self {
        let others = members
            .iter()
            .filter(|id| **id != own_id)
            .map(|id| (*id, None))
            .collect();
        Self {
            own_id,
            others,
            has_self: members.contains(&own_id),
        }
    }

    /// The ISR after the controller has changed it in the same leadership: what is known of those who stay is kept.
    pub fn with_members(&self, members: &[i32]) -> Self {
        let mut changed = Self::new(self.own_id, members);
        for (id, end) in &mut changed.others {
            *end = self
                .others
                .iter()
                .find(|(known, _)| known == id)
                .and_then(|(_, end)| *end);
        }
        changed
    }

    pub fn len(&self) -> usize {
        self.others.len() + usize::from(self.has_self)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that `replica` has everything below `log_end`; false if it is not in the ISR.
    pub fn advance(&mut self, replica: i32, log_end: i64) -> bool {
        let found = self.others.iter_mut().find(|(id, _)| *id == replica);
        if let Some((_, end)) = found {
            *end = Some(log_end);
            return true;
        }
        false
    }

    /// How far the high watermark may go, when the leader's own log ends at `own_log_end`; `None` while some replica has
    /// not been heard of.
    pub fn high_watermark(&self, own_log_end: i64) -> Option<i64> {
        self.others
            .iter()
            .try_fold(own_log_end, |least, (_, end)| end.map(|end| least.min(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members of the ISR of leader 1, what the others have fetched to, own log end: the high watermark.
    type Case<'a> = (&'a [i32], &'a [(i32, i64)], i64, Option<i64>);

    #[test]
    fn the_high_watermark_is_the_smallest_log_end() {
        let cases: &[Case<'_>] = &[
            (&[1], &[], 0, Some(0)),
            (&[1], &[], 42, Some(42)),
            (&[1], &[(2, 3)], 42, Some(42)),
            (&[1, 2], &[], 42, None),
            (&[1, 2], &[(2, 40)], 42, Some(40)),
            (&[1, 2], &[(2, 42), (2, 41)], 42, Some(41)),
            (&[1, 2, 3], &[(2, 40)], 42, None),
            (&[1, 2, 3], &[(2, 40), (3, 12)], 42, Some(12)),
            (&[2, 1, 3], &[(2, 50), (3, 50)], 42, Some(42)),
        ];
        for (members, fetched, own, expected) in cases {
            let mut isr = Isr::new(1, members);
            for (replica, end) in *fetched {
                assert_eq!(isr.advance(*replica, *end), members.contains(replica));
            }
            assert_eq!(
                isr.high_watermark(*own),
                *expected,
                "{members:?} {fetched:?} {own}"
            );
            assert_eq!(isr.len(), members.len());
        }
    }

    #[test]
    fn a_changed_isr_keeps_what_is_known_of_those_who_stay() {
        let mut isr = Isr::new(1, &[1, 2, 3]);
        isr.advance(2, 7);
        isr.advance(3, 9);
        let shrunk = isr.with_members(&[1, 3]);
        assert_eq!(shrunk.high_watermark(20), Some(9));
        assert_eq!(shrunk.with_members(&[1, 2, 3]).high_watermark(20), None);
    }
}
