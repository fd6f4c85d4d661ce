//! A history as text, one operation a line, so that a run can be kept and judged again, and test cases can be read.
//!
//! ```text
//! 3..9 send by=1/2 txn=5 to=0 values=11,12 -> ok at=40
//! ```
//! Times, then the action and its fields in any order, then what came of it. Without times a line begins after the one above
//! has ended, line `n` lasting from `10 n` to `10 n + 5`. A `#` begins a comment.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use crate::history::{Action, History, Isolation, Operation, Outcome, Poll, Producer, Send};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {reason}")]
pub struct NotationError {
    line: usize,
    reason: String,
}

impl FromStr for History {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let mut operations = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if line.is_empty() {
                continue;
            }
            let start = 10 * (number as u64 + 1);
            let operation = parse(line, start).map_err(|reason| NotationError {
                line: number + 1,
                reason,
            })?;
            operations.push(operation);
        }
        Ok(Self { operations })
    }
}

impl Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operations
            .iter()
            .try_for_each(|operation| writeln!(f, "{operation}"))
    }
}

impl Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{} ", self.called, self.done)?;
        match &self.action {
            Action::Init { producer } => write!(f, "init by={producer}")?,
            Action::Send(send) => {
                write!(f, "send by={} to={}", send.producer, send.partition)?;
                if let Some(txn) = send.txn {
                    write!(f, " txn={txn}")?;
                }
                write!(f, " values={}", List(&send.values))?;
                if !send.sources.is_empty() {
                    write!(f, " sources={}", List(&send.sources))?;
                }
                if let Some(offset) = send.offset {
                    write!(f, " at={offset}")?;
                }
            }
            Action::CommitOffset {
                producer,
                txn,
                partition,
                offset,
            } => write!(
                f,
                "commit-offset by={producer} txn={txn} of={partition} offset={offset}"
            )?,
            Action::SetOffset { partition, offset } => {
                write!(f, "set-offset of={partition} offset={offset}")?;
            }
            Action::End {
                producer,
                txn,
                commit,
            } => {
                let verb = if *commit { "commit" } else { "abort" };
                write!(f, "{verb} by={producer} txn={txn}")?;
            }
            Action::Poll(poll) => write_poll(f, poll)?,
            Action::Committed { partition, offset } => {
                write!(f, "committed of={partition} offset={offset}")?;
            }
        }
        let outcome = match self.outcome {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        };
        write!(f, " -> {outcome}")
    }
}

fn write_poll(f: &mut fmt::Formatter<'_>, poll: &Poll) -> fmt::Result {
    let isolation = match poll.isolation {
        Isolation::Uncommitted => "uncommitted",
        Isolation::Committed => "committed",
    };
    let last = if poll.is_final { "final" } else { "read" };
    write!(f, "{last}-{isolation} of={} from={}", poll.partition, poll.from)?;
    write!(f, " hw={} lso={}", poll.high_watermark, poll.last_stable_offset)?;
    if !poll.records.is_empty() {
        let records: Vec<String> = poll.records.iter().map(|(at, it)| format!("{at}:{it}")).collect();
        write!(f, " records={}", List(&records))?;
    }
    Ok(())
}

impl Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.incarnation)
    }
}

struct List<'l, T>(&'l [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

fn parse(line: &str, start: u64) -> Result<Operation, String> {
    let (asked, told) = line.split_once("->").ok_or("no outcome")?;
    let mut words = asked.split_whitespace().peekable();
    let times = words.next_if(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let (called, done) = match times {
        Some(times) => {
            let (called, done) = times.split_once("..").ok_or("times are called..done")?;
            (number(called)?, number(done)?)
        }
        None => (start, start + 5),
    };
    let verb = words.next().ok_or("no action")?;
    let mut told = told.split_whitespace();
    let outcome = match told.next() {
        Some("ok") => Outcome::Ok,
        Some("failed") => Outcome::Failed,
        Some("unknown") => Outcome::Unknown,
        other => return Err(format!("outcome {other:?}")),
    };
    let fields = words
        .chain(told)
        .map(|word| word.split_once('=').ok_or(format!("{word} is no key=value")))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    Ok(Operation {
        called,
        done,
        action: action(verb, &Fields(fields))?,
        outcome,
    })
}

fn action(verb: &str, fields: &Fields<'_>) -> Result<Action, String> {
    let isolation = match verb.rsplit_once('-').map(|(_, last)| last) {
        Some("committed") => Isolation::Committed,
        _ => Isolation::Uncommitted,
    };
    Ok(match verb {
        "init" => Action::Init {
            producer: fields.producer()?,
        },
        "send" => Action::Send(Send {
            producer: fields.producer()?,
            txn: fields.optional("txn")?,
            partition: fields.required("to")?,
            values: fields.list("values", number)?,
            sources: fields.list("sources", number)?,
            offset: fields.optional("at")?,
        }),
        "commit-offset" => Action::CommitOffset {
            producer: fields.producer()?,
            txn: fields.required("txn")?,
            partition: fields.required("of")?,
            offset: fields.required("offset")?,
        },
        "set-offset" => Action::SetOffset {
            partition: fields.required("of")?,
            offset: fields.required("offset")?,
        },
        "commit" | "abort" => Action::End {
            producer: fields.producer()?,
            txn: fields.required("txn")?,
            commit: verb == "commit",
        },
        "committed" => Action::Committed {
            partition: fields.required("of")?,
            offset: fields.required("offset")?,
        },
        "read-committed" | "read-uncommitted" | "final-committed" | "final-uncommitted" => {
            Action::Poll(Poll {
                isolation,
                partition: fields.required("of")?,
                from: fields.required("from")?,
                is_final: verb.starts_with("final"),
                high_watermark: fields.required("hw")?,
                last_stable_offset: fields.required("lso")?,
                records: fields.list("records", |word| pair(word, ':'))?,
            })
        }
        _ => return Err(format!("action {verb}")),
    })
}

struct Fields<'t>(BTreeMap<&'t str, &'t str>);

impl Fields<'_> {
    fn optional<T: FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        self.0.get(key).map(|word| number(word)).transpose()
    }

    fn required<T: FromStr>(&self, key: &str) -> Result<T, String> {
        self.optional(key)?.ok_or(format!("no {key}="))
    }

    fn producer(&self) -> Result<Producer, String> {
        let word = self.0.get("by").ok_or("no by=")?;
        let (id, incarnation) = pair(word, '/')?;
        Ok(Producer { id, incarnation })
    }

    fn list<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
        let words = self.0.get(key).into_iter().flat_map(|list| list.split(','));
        words.map(read).collect()
    }
}

fn pair<A: FromStr, B: FromStr>(word: &str, between: char) -> Result<(A, B), String> {
    let (first, second) = word
        .split_once(between)
        .ok_or(format!("{word} has no {between}"))?;
    Ok((number(first)?, number(second)?))
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "1..4 init by=1/2 -> ok\n\
            5..9 send by=1/2 to=0 txn=5 values=11,12 sources=1,2 at=40 -> ok\n\
            6..8 send by=2/1 to=0 values=13 -> unknown\n\
            10..11 commit-offset by=1/2 txn=5 of=1 offset=3 -> ok\n\
            12..13 commit by=1/2 txn=5 -> failed\n\
            14..15 abort by=1/2 txn=5 -> ok\n\
            16..17 read-committed of=0 from=3 hw=9 lso=7 records=3:11,5:12 -> ok\n\
            18..19 final-uncommitted of=0 from=0 hw=0 lso=0 -> ok\n\
            20..21 committed of=1 offset=-1 -> ok\n\
            22..23 set-offset of=1 offset=4 -> unknown\n";
        let history: History = text.parse().unwrap();
        assert_eq!(history.operations.len(), 10);
        assert_eq!(history.to_string(), text);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("\ninit by=1/1", "line 2: no outcome"),
            ("init -> ok", "line 1: no by="),
            ("init by=1/x -> ok", "line 1: x is no number"),
            ("jump by=1/1 -> ok", "line 1: action jump"),
            ("init by=1/1 -> maybe", "line 1: outcome Some(\"maybe\")"),
        ] {
            let error = text.parse::<History>().unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
