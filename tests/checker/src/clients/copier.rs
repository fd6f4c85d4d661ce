//! Copies one input partition to the outputs, exactly once: its records and the group's offset in one transaction. It aborts
//! some transactions, loses patience at times, and its earlier incarnations do not always know that they are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::history::{Isolation, Outcome, Partition, Value};

use super::producer::{Producer, Speaks};
use super::reader::Reader;
use super::shared::{INPUTS, OUTPUTS, Shared};

const PAUSE: Duration = Duration::from_millis(10);
const RECORDS: usize = 6;

pub struct Copier {
    shared: Shared,
    input: Partition,
    producer: Producer,
    reader: Reader,
    /// The incarnation before this one.
    ghost: Option<Producer>,
}

impl Copier {
    pub fn new(shared: &Shared, input: Partition) -> Self {
        let speaks = if input.is_multiple_of(2) {
            Speaks::Since890
        } else {
            Speaks::Before890
        };
        let transactional_id = shared.text(&format!("copier-{input}"));
        Self {
            shared: shared.clone(),
            input,
            producer: Producer::new(shared, Some(transactional_id), speaks),
            reader: Reader::new(shared),
            ghost: None,
        }
    }

    pub async fn copy(mut self) -> Result<()> {
        while !self.shared.is_over() {
            let Some(mut position) = self.begin().await else {
                continue;
            };
            self.haunt().await?;
            while !self.shared.is_over() && self.shared.below(60) > 0 {
                let Some(next) = self.transaction(position).await? else {
                    break;
                };
                position = next;
                sleep(PAUSE).await;
            }
        }
        // Ends what is open, and reads how far the copies have come.
        while self.begin().await.is_none() {
            if Instant::now() >= self.shared.last_answer_by() {
                bail!("no coordinator serves the copier of {} any more", self.input);
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    /// A new incarnation, and where it goes on.
    async fn begin(&mut self) -> Option<i64> {
        let before = self.producer.ghost();
        if self.producer.init().await != Outcome::Ok {
            return None;
        }
        self.ghost = Some(before).filter(Producer::has_begun);
        let offset = self.reader.committed(self.input).await?;
        Some(offset.max(0))
    }

    /// The incarnation before tries to write, and perhaps to commit.
    async fn haunt(&mut self) -> Result<()> {
        let Some(mut ghost) = self.ghost.take() else {
            return Ok(());
        };
        let txn = self.shared.number();
        let value = self.shared.number();
        let any = INPUTS + u32::try_from(self.shared.below(u64::from(OUTPUTS)))?;
        let partition = ghost.haunts().unwrap_or(any);
        ghost.send(Some(txn), partition, vec![value], vec![]).await?;
        ghost.end(txn, true).await;
        Ok(())
    }

    /// Where to go on; nothing when only a new incarnation may.
    async fn transaction(&mut self, position: i64) -> Result<Option<i64>> {
        let polled = self
            .reader
            .poll(self.input, Isolation::Committed, position)
            .await?;
        let Some((mut records, mut next)) = polled else {
            return Ok(Some(position));
        };
        if let Some((offset, _)) = records.get(RECORDS) {
            next = *offset;
            records.truncate(RECORDS);
        }
        if records.is_empty() {
            return Ok(Some(next));
        }
        let txn = self.shared.number();
        let mut batches: BTreeMap<Partition, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
        for (_, source) in records {
            let to = INPUTS + u32::try_from(self.shared.below(u64::from(OUTPUTS)))?;
            let (values, sources) = batches.entry(to).or_default();
            values.push(self.shared.number());
            sources.push(source);
        }
        for (to, (values, sources)) in batches {
            if self.producer.send(Some(txn), to, values, sources).await? != Outcome::Ok {
                return Ok(None);
            }
        }
        if self.producer.commit_offset(txn, self.input, next).await != Outcome::Ok {
            return Ok(None);
        }
        // Left alone: for the next incarnation to end.
        if self.shared.below(30) == 0 {
            return Ok(None);
        }
        let commit = self.shared.below(5) > 0;
        let ended = self.producer.end(txn, commit).await == Outcome::Ok;
        Ok(ended.then_some(if commit { next } else { position }))
    }
}
