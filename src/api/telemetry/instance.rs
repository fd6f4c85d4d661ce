//! A client that pushes metrics: when it last asked and pushed, so that it does neither more often than it was told to.

use ottla_base::{ErrorCode, Uuid};

use super::subscription::Subscription;
use crate::api::Ctx;

/// Remembered with the connection: a client that connects again begins anew.
#[derive(Debug, Default)]
pub struct Instance {
    id: Uuid,
    subscription_id: i32,
    interval_ms: i64,
    last_get_ms: Option<i64>,
    last_push_ms: Option<i64>,
    last_error: Option<ErrorCode>,
    terminating: bool,
}

impl Instance {
    /// Runs `f` on the connection's client. Another client, or another subscription of the same one, begins anew.
    pub fn with<R>(ctx: &Ctx, id: Uuid, subscription: &Subscription, f: impl FnOnce(&mut Self) -> R) -> R {
        ctx.connection.state.with(|instance: &mut Self| {
            if (instance.id, instance.subscription_id) != (id, subscription.id) {
                *instance = Self::new(id, subscription);
            }
            f(instance)
        })
    }

    fn new(id: Uuid, subscription: &Subscription) -> Self {
        Self {
            id,
            subscription_id: subscription.id,
            interval_ms: i64::from(subscription.interval_ms),
            ..Self::default()
        }
    }

    /// Whether the client may ask now: after an interval, or after it was told that its subscription or codec is wrong.
    pub fn get(&mut self, now_ms: i64) -> Result<(), ErrorCode> {
        let told_to_ask = matches!(
            self.last_error,
            Some(ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType)
        );
        let result = if self.is_due(self.last_get_ms.max(self.last_push_ms), now_ms) {
            self.last_get_ms = Some(now_ms);
            Ok(())
        } else if told_to_ask {
            Ok(())
        } else {
            Err(ErrorCode::ThrottlingQuotaExceeded)
        };
        self.last_error = result.err();
        result
    }

    /// Whether the client may push now (once after it has asked, then once an interval, and once more as its last word)
    /// and whether `content` is right.
    pub fn push(
        &mut self,
        now_ms: i64,
        terminating: bool,
        content: impl FnOnce() -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        let result = self.admit_push(now_ms, terminating).and_then(|()| content());
        self.last_error = result.err();
        self.terminating |= terminating;
        result
    }

    fn admit_push(&mut self, now_ms: i64, terminating: bool) -> Result<(), ErrorCode> {
        if self.terminating {
            return Err(ErrorCode::InvalidRequest);
        }
        let has_asked_since = self.last_get_ms.is_some() && !self.pushed_since_get();
        if has_asked_since || self.is_due(self.last_push_ms, now_ms) {
            self.last_push_ms = Some(now_ms);
            return Ok(());
        }
        if terminating {
            Ok(())
        } else {
            Err(ErrorCode::ThrottlingQuotaExceeded)
        }
    }

    fn pushed_since_get(&self) -> bool {
        self.last_push_ms >= self.last_get_ms && self.last_push_ms.is_some()
    }

    fn is_due(&self, last_ms: Option<i64>, now_ms: i64) -> bool {
        last_ms.is_none_or(|last_ms| now_ms - last_ms >= self.interval_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        Instance {
            interval_ms: 1000,
            ..Instance::default()
        }
    }

    fn right() -> Result<(), ErrorCode> {
        Ok(())
    }

    const THROTTLED: Result<(), ErrorCode> = Err(ErrorCode::ThrottlingQuotaExceeded);

    // The sequences and their answers are those of Apache Kafka 4.3.1.

    #[test]
    fn a_client_asks_and_pushes_once_an_interval() {
        let mut client = instance();
        assert_eq!(client.get(10), Ok(()));
        assert_eq!(client.get(11), THROTTLED);
        assert_eq!(client.push(12, false, right), Ok(()));
        assert_eq!(client.push(13, false, right), THROTTLED);
        assert_eq!(client.push(1012, false, right), Ok(()));
        assert_eq!(client.get(1013), THROTTLED);
        assert_eq!(client.get(2012), Ok(()));
    }

    #[test]
    fn a_client_that_was_refused_may_ask_at_once() {
        let mut client = instance();
        let wrong = || Err(ErrorCode::UnknownSubscriptionId);
        assert_eq!(
            client.push(10, false, wrong),
            Err(ErrorCode::UnknownSubscriptionId)
        );
        assert_eq!(client.get(10), Ok(()));
        assert_eq!(client.push(11, false, right), THROTTLED);
        assert_eq!(client.get(12), THROTTLED);
    }

    #[test]
    fn the_last_word_is_heard_at_any_time_and_only_once() {
        let mut client = instance();
        assert_eq!(client.get(10), Ok(()));
        assert_eq!(client.push(11, false, right), Ok(()));
        assert_eq!(client.push(12, true, right), Ok(()));
        assert_eq!(client.push(13, true, right), Err(ErrorCode::InvalidRequest));
        assert_eq!(client.push(14, false, right), Err(ErrorCode::InvalidRequest));
    }
}
