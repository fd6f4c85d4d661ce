//! Asks again until somebody answers, and keeps apart what was refused from what nobody can tell.

use std::time::Duration;

use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::{Instant, sleep, timeout};

use crate::connection::Connection;
use crate::history::Outcome;

use super::shared::Shared;

/// A broker that was killed is back before this, and has loaded what it needs.
const PATIENCE: Duration = Duration::from_secs(45);
const ANSWER_WAIT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);

const LOST_ONE_IN: u64 = 40;
const LATE_MS_MAX: u64 = 1500;
/// Fetch and OffsetFetch: their answers change nothing.
const READS: [i16; 2] = [1, 9];

pub const NONE: i16 = 0;
pub const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
/// A leader or a coordinator that is not there yet, or is busy; nothing was done.
const NOT_YET: [i16; 9] = [3, 5, 14, 15, 16, 19, 51, 88, 100];
/// Errors that promise nothing: an unknown one, a lost leadership, a time-out, too few replicas after the append, a disk.
const PROMISES_NOTHING: [i16; 5] = [-1, 6, 7, 20, 56];

pub struct Link {
    shared: Shared,
    connection: Option<Connection>,
}

/// What came of asking.
pub struct Told<A> {
    pub outcome: Outcome,
    /// The last answer, whatever it says.
    pub answer: Option<A>,
    /// Of that answer.
    pub error: i16,
}

impl Link {
    pub fn new(shared: Shared) -> Self {
        Self {
            shared,
            connection: None,
        }
    }

    /// `error_of` finds the error of an answer. A request that went unanswered is sent once more with `again`: only what may
    /// be repeated without harm asks for it.
    pub async fn ask<Q: Request>(
        &mut self,
        version: i16,
        request: &Q,
        again: bool,
        error_of: fn(&Q::Response) -> i16,
    ) -> Told<Q::Response> {
        let now = Instant::now();
        let last = self.shared.last_answer_by().max(now + ANSWER_WAIT);
        let deadline = last.min(now + PATIENCE);
        let mut may_have_happened = false;
        loop {
            let told = self.once(version, request).await;
            let error = match &told {
                Ok(answer) => error_of(answer),
                Err(sent) => {
                    may_have_happened |= *sent;
                    -1
                }
            };
            let is_over = Instant::now() >= deadline || (may_have_happened && !again);
            let passing = told.is_err() || NOT_YET.contains(&error);
            if told.is_ok() && PROMISES_NOTHING.contains(&error) {
                may_have_happened = true;
            } else if !passing {
                let outcome = match error {
                    NONE | DUPLICATE_SEQUENCE_NUMBER => Outcome::Ok,
                    _ => refused(may_have_happened),
                };
                return Told {
                    outcome,
                    answer: told.ok(),
                    error,
                };
            }
            if is_over {
                return Told {
                    outcome: refused(may_have_happened),
                    answer: told.ok(),
                    error,
                };
            }
            sleep(PAUSE).await;
        }
    }

    /// On failure, whether the request may have arrived.
    async fn once<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response, bool> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let client_id = StrBytes::from_static_str("checker");
                let opening = Connection::open(self.shared.bootstrap(), &client_id);
                match timeout(ANSWER_WAIT, opening).await {
                    Ok(Ok(connection)) => connection,
                    _ => return Err(false),
                }
            }
        };
        match timeout(ANSWER_WAIT, connection.call(version, request)).await {
            Ok(Ok(_)) if !READS.contains(&Q::KEY) && self.loses_the_answer().await => Err(true),
            Ok(Ok(answer)) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            _ => Err(true),
        }
    }

    /// At times nobody takes notice of an answer, so that the same is asked again, at once or when the broker has perhaps
    /// been killed and is back: to the broker it is all the same whether the network or the client has lost it.
    async fn loses_the_answer(&self) -> bool {
        let is_lost = self.shared.below(LOST_ONE_IN) == 0;
        if is_lost && self.shared.below(2) == 0 {
            sleep(Duration::from_millis(self.shared.below(LATE_MS_MAX))).await;
        }
        is_lost
    }
}

fn refused(may_have_happened: bool) -> Outcome {
    if may_have_happened {
        Outcome::Unknown
    } else {
        Outcome::Failed
    }
}
