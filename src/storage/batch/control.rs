//! Control batches: transaction markers in any log, and the records by which the metadata log speaks of itself.
//!
//! A control record's key is `i16 version, i16 type`. Values follow Kafka's schemas: EndTxnMarker (fixed layout), and
//! LeaderChangeMessage, SnapshotHeaderRecord, SnapshotFooterRecord, KRaftVersionRecord and VotersRecord (flexible).

#![deny(clippy::indexing_slicing)]

use bytes::Bytes;
use ottla_base::Uuid;

use super::builder::{BatchBuilder, BatchOptions};
use super::cursor::{Cursor, put_base128};
use super::{BatchError, BatchHeader};

/// A control record by type. A type that is not known is kept as it is, since readers must skip it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    EndTxn { kind: EndTxn, coordinator_epoch: i32 },
    LeaderChange(LeaderChange),
    SnapshotHeader { last_contained_log_timestamp: i64 },
    SnapshotFooter,
    KRaftVersion(i16),
    KRaftVoters(Vec<Voter>),
    Unknown(i16),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndTxn {
    Abort,
    Commit,
}

/// The first record of every leadership of the metadata log. A voter has a directory id from version 1 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    pub version: i16,
    pub leader_id: i32,
    pub voters: Vec<(i32, Uuid)>,
    pub granting_voters: Vec<(i32, Uuid)>,
}

/// A voter of the metadata quorum, as the log names it once `kraft.version` is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    pub directory_id: Uuid,
    pub endpoints: Vec<VoterEndpoint>,
    pub kraft_version_min: i16,
    pub kraft_version_max: i16,
}

/// Where a voter's listener is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterEndpoint {
    pub name: String,
    pub host: String,
    pub port: u16,
}

/// The marker that ends a producer's transaction in one partition.
pub fn end_txn_marker(
    kind: EndTxn,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    timestamp: i64,
) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch,
        transactional: true,
        ..BatchOptions::default()
    };
    control_batch(
        options,
        timestamp,
        &[ControlRecord::EndTxn {
            kind,
            coordinator_epoch,
        }],
    )
}

/// One control batch with `records`; `options.control` need not be set.
pub fn control_batch(options: BatchOptions, timestamp: i64, records: &[ControlRecord]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        control: true,
        ..options
    });
    for record in records {
        builder.append(
            timestamp,
            Some(&record.encode_key()),
            Some(&record.encode_value()),
            &[],
        );
    }
    builder.build()
}

/// How the transaction ended, if `batch` is a transaction marker.
pub fn end_txn_of(header: &BatchHeader, batch: &[u8]) -> Result<Option<(EndTxn, i32)>, BatchError> {
    if !header.is_control() || !header.has_producer_id() {
        return Ok(None);
    }
    let Some(record) = super::records(batch, batch.len())?.next().transpose()? else {
        return Ok(None);
    };
    let key = record.key.as_deref().unwrap_or_default();
    let value = record.value.as_deref().unwrap_or_default();
    Ok(match ControlRecord::parse(key, value)? {
        ControlRecord::EndTxn {
            kind,
            coordinator_epoch,
        } => Some((kind, coordinator_epoch)),
        _ => None,
    })
}

impl ControlRecord {
    pub fn parse(key: &[u8], value: &[u8]) -> Result<Self, BatchError> {
        let mut key = Cursor::new(key);
        let (version, kind) = (key.i16()?, key.i16()?);
        if version < 0 {
            return Err(BatchError::ControlRecord("a negative key version"));
        }
        let mut value = Cursor::new(value);
        Ok(match kind {
            0 => Self::end_txn(EndTxn::Abort, &mut value)?,
            1 => Self::end_txn(EndTxn::Commit, &mut value)?,
            2 => Self::LeaderChange(LeaderChange::parse(&mut value)?),
            3 => {
                let _version = value.i16()?;
                Self::SnapshotHeader {
                    last_contained_log_timestamp: value.i64()?,
                }
            }
            4 => Self::SnapshotFooter,
            5 => {
                let _version = value.i16()?;
                Self::KRaftVersion(value.i16()?)
            }
            6 => {
                let _version = value.i16()?;
                Self::KRaftVoters(array(&mut value, Voter::parse)?)
            }
            other => Self::Unknown(other),
        })
    }

    fn end_txn(kind: EndTxn, value: &mut Cursor<'_>) -> Result<Self, BatchError> {
        let _version = value.i16()?;
        Ok(Self::EndTxn {
            kind,
            coordinator_epoch: value.i32()?,
        })
    }

    fn encode_key(&self) -> [u8; 4] {
        let kind: i16 = match self {
            Self::EndTxn {
                kind: EndTxn::Abort, ..
            } => 0,
            Self::EndTxn {
                kind: EndTxn::Commit, ..
            } => 1,
            Self::LeaderChange(_) => 2,
            Self::SnapshotHeader { .. } => 3,
            Self::SnapshotFooter => 4,
            Self::KRaftVersion(_) => 5,
            Self::KRaftVoters(_) => 6,
            Self::Unknown(kind) => *kind,
        };
        let [high, low] = kind.to_be_bytes();
        [0, 0, high, low]
    }

    fn encode_value(&self) -> Vec<u8> {
        let mut out = match self {
            Self::LeaderChange(change) => change.version.to_be_bytes().to_vec(),
            _ => vec![0, 0],
        };
        match self {
            // The marker is the one value that is not flexible: no tagged fields at its end.
            Self::EndTxn {
                coordinator_epoch, ..
            } => {
                out.extend_from_slice(&coordinator_epoch.to_be_bytes());
                return out;
            }
            Self::LeaderChange(change) => change.put(&mut out),
            Self::SnapshotHeader {
                last_contained_log_timestamp,
            } => {
                out.extend_from_slice(&last_contained_log_timestamp.to_be_bytes());
            }
            Self::KRaftVersion(version) => out.extend_from_slice(&version.to_be_bytes()),
            Self::KRaftVoters(voters) => put_array(&mut out, voters, Voter::put),
            Self::SnapshotFooter | Self::Unknown(_) => {}
        }
        out.push(NO_TAGS);
        out
    }
}

impl LeaderChange {
    fn parse(value: &mut Cursor<'_>) -> Result<Self, BatchError> {
        let version = value.i16()?;
        let leader_id = value.i32()?;
        let voter = |value: &mut Cursor<'_>| {
            let id = value.i32()?;
            let directory = if version >= 1 { uuid(value)? } else { Uuid::nil() };
            skip_tags(value).map(|()| (id, directory))
        };
        Ok(Self {
            version,
            leader_id,
            voters: array(value, voter)?,
            granting_voters: array(value, voter)?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.leader_id.to_be_bytes());
        for voters in [&self.voters, &self.granting_voters] {
            put_array(out, voters, |(id, directory), out| {
                out.extend_from_slice(&id.to_be_bytes());
                if self.version >= 1 {
                    out.extend_from_slice(directory.as_bytes());
                }
                out.push(NO_TAGS);
            });
        }
    }
}

impl Voter {
    fn parse(value: &mut Cursor<'_>) -> Result<Self, BatchError> {
        let id = value.i32()?;
        let directory_id = uuid(value)?;
        let endpoints = array(value, |value| {
            let endpoint = VoterEndpoint {
                name: text(value)?,
                host: text(value)?,
                port: value.array().map(u16::from_be_bytes)?,
            };
            skip_tags(value).map(|()| endpoint)
        })?;
        let (kraft_version_min, kraft_version_max) = (value.i16()?, value.i16()?);
        skip_tags(value)?;
        skip_tags(value)?;
        Ok(Self {
            id,
            directory_id,
            endpoints,
            kraft_version_min,
            kraft_version_max,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(self.directory_id.as_bytes());
        put_array(out, &self.endpoints, |endpoint, out| {
            for text in [&endpoint.name, &endpoint.host] {
                put_base128(out, text.len() as u64 + 1);
                out.extend_from_slice(text.as_bytes());
            }
            out.extend_from_slice(&endpoint.port.to_be_bytes());
            out.push(NO_TAGS);
        });
        out.extend_from_slice(&self.kraft_version_min.to_be_bytes());
        out.extend_from_slice(&self.kraft_version_max.to_be_bytes());
        // One end for the feature range, one for the voter.
        out.extend_from_slice(&[NO_TAGS, NO_TAGS]);
    }
}

/// An empty section of tagged fields.
const NO_TAGS: u8 = 0;

fn put_array<T>(out: &mut Vec<u8>, items: &[T], put: impl Fn(&T, &mut Vec<u8>)) {
    put_base128(out, items.len() as u64 + 1);
    for item in items {
        put(item, out);
    }
}

fn array<T>(
    value: &mut Cursor<'_>,
    item: impl Fn(&mut Cursor<'_>) -> Result<T, BatchError>,
) -> Result<Vec<T>, BatchError> {
    let count = value.uvarint()?.checked_sub(1).ok_or(BatchError::BadCount)?;
    // An element takes at least a byte: no memory for an announced count.
    if count > value.rest().len() {
        return Err(BatchError::BadCount);
    }
    (0..count).map(|_| item(value)).collect()
}

fn uuid(value: &mut Cursor<'_>) -> Result<Uuid, BatchError> {
    value.array().map(Uuid::from_bytes)
}

fn text(value: &mut Cursor<'_>) -> Result<String, BatchError> {
    let len = value
        .uvarint()?
        .checked_sub(1)
        .ok_or(BatchError::NegativeLength)?;
    let bytes = value.take(len)?.to_vec();
    String::from_utf8(bytes).map_err(|_| BatchError::ControlRecord("a string is not UTF-8"))
}

fn skip_tags(value: &mut Cursor<'_>) -> Result<(), BatchError> {
    for _ in 0..value.uvarint()? {
        let _tag = value.uvarint()?;
        let len = value.uvarint()?;
        value.take(len)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{crc_is_valid, records};
    use super::*;
    use proptest::prelude::*;

    fn samples() -> Vec<ControlRecord> {
        let directory = Uuid::from_u128(77);
        let change = |version, directory| LeaderChange {
            version,
            leader_id: 1,
            voters: vec![(1, directory)],
            granting_voters: vec![(1, directory)],
        };
        vec![
            ControlRecord::EndTxn {
                kind: EndTxn::Commit,
                coordinator_epoch: 4,
            },
            ControlRecord::LeaderChange(change(0, Uuid::nil())),
            ControlRecord::LeaderChange(change(1, directory)),
            ControlRecord::SnapshotHeader {
                last_contained_log_timestamp: 99,
            },
            ControlRecord::SnapshotFooter,
            ControlRecord::KRaftVersion(1),
            ControlRecord::KRaftVoters(vec![Voter {
                id: 1,
                directory_id: directory,
                endpoints: vec![VoterEndpoint {
                    name: "CONTROLLER".into(),
                    host: "localhost".into(),
                    port: 9093,
                }],
                kraft_version_min: 0,
                kraft_version_max: 1,
            }]),
        ]
    }

    #[test]
    fn control_records_go_both_ways() {
        let batch = control_batch(BatchOptions::default(), 5, &samples());
        assert!(crc_is_valid(&batch));
        assert!(BatchHeader::parse(&batch).unwrap().is_control());
        let read: Vec<ControlRecord> = records(&batch, 1 << 20)
            .unwrap()
            .map(Result::unwrap)
            .map(|r| ControlRecord::parse(&r.key.unwrap(), &r.value.unwrap()).unwrap())
            .collect();
        assert_eq!(read, samples());
    }

    #[test]
    fn values_are_kafkas_bytes() {
        let value = |i: usize| samples()[i].encode_value();
        assert_eq!(
            value(1),
            [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0]
        );
        assert_eq!(value(3), [0, 0, 0, 0, 0, 0, 0, 0, 0, 99, 0]);
        assert_eq!(value(4), [0, 0, 0]);
        assert_eq!(value(5), [0, 0, 0, 1, 0]);
        assert_eq!(samples()[1].encode_key(), [0, 0, 0, 2]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(kind in 0u8..9, value in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = ControlRecord::parse(&[0, 0, 0, kind], &value);
        }
    }
}
