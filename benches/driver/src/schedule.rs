//! When each request is meant to be sent. At a given rate that time does not wait for answers, and latencies are measured from
//! it: a broker that falls behind is charged for every request that should have been under way by then.

use std::time::{Duration, Instant};

pub struct Schedule {
    begun: Instant,
    /// None: as soon as there is room.
    per_second: Option<f64>,
}

impl Schedule {
    pub fn new(begun: Instant, per_second: Option<f64>) -> Self {
        Self { begun, per_second }
    }

    /// Returns the time when the request was due, which has come.
    pub fn wait(&self, number: u64) -> Instant {
        let Some(due) = self.due(number) else {
            return Instant::now();
        };
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due
    }

    pub fn due(&self, number: u64) -> Option<Instant> {
        let per_second = self.per_second?;
        Some(self.begun + Duration::from_secs_f64(number as f64 / per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_the_rate_whenever_the_last_was_sent() {
        let begun = Instant::now();
        let schedule = Schedule::new(begun, Some(2000.0));
        assert_eq!(schedule.due(0), Some(begun));
        assert_eq!(schedule.due(3), Some(begun + Duration::from_micros(1500)));
        assert_eq!(schedule.due(2_000_000), Some(begun + Duration::from_secs(1000)));
    }

    #[test]
    fn who_is_late_does_not_wait_and_is_told_when_it_was_due() {
        let now = Instant::now();
        let Some(begun) = now.checked_sub(Duration::from_secs(3600)) else {
            return;
        };
        let schedule = Schedule::new(begun, Some(1.0));
        assert_eq!(schedule.wait(60), begun + Duration::from_secs(60));
        assert!(now.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn without_a_rate_a_request_is_due_when_there_is_room_for_it() {
        let begun = Instant::now();
        let schedule = Schedule::new(begun, None);
        assert!(schedule.due(1).is_none());
        assert!(schedule.wait(1_000_000) >= begun);
    }
}
