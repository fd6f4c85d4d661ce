//! `.log` files and metadata snapshots: batches, and on demand their records.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use ottla_base::limits::DECOMPRESSED_BATCH_BYTES_MAX;
use ottla_storage::batch::control::{ControlRecord, EndTxn, LeaderChange, Voter};
use ottla_storage::batch::{self, AnyBatch, BatchHeader, Codec, Record, TimestampType};
use ottla_storage::walk::{Placed, Walk};

use super::Dump;
use super::decoders::quoted;

impl Dump<'_> {
    pub(super) fn log(&mut self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let end = size.min(self.options.max_bytes);
        let mut walk = Walk::headers(&file, 0, end);
        let mut previous = None;
        while let Some(Ok(placed)) = walk.next_header() {
            let mut bytes = vec![0; placed.batch.size_bytes()];
            file.read_exact_at(&mut bytes, placed.position)?;
            self.batch_line(&placed, &bytes)?;
            if self.prints_records() {
                previous = self.records(path, &placed.batch, &bytes, previous)?;
            }
        }
        if walk.position() < size && end == size {
            let left = size - walk.position();
            let name = ottla_storage::names::file_name(path);
            writeln!(self.out, "Found {left} invalid bytes at the end of {name}")?;
        }
        Ok(())
    }

    fn batch_line(&mut self, placed: &Placed, bytes: &[u8]) -> io::Result<()> {
        let position = placed.position;
        let size = placed.batch.size_bytes();
        let last_offset = placed.batch.last_offset();
        let max_timestamp = placed.batch.max_timestamp();
        let (timestamps, magic, codec, crc) = match &placed.batch {
            AnyBatch::Current(header) => {
                write!(self.out, "{}", batch_fields(header))?;
                (header.timestamp_type(), header.magic, header.codec(), header.crc)
            }
            AnyBatch::Legacy(header) => {
                write!(self.out, "offset: {last_offset}")?;
                (header.timestamp_type(), header.magic, header.codec(), header.crc)
            }
        };
        let timestamps = if magic == 0 {
            "NoTimestampType"
        } else {
            timestamp_name(timestamps)
        };
        writeln!(
            self.out,
            " position: {position} {timestamps}: {max_timestamp} size: {size} magic: {magic} compresscodec: {} crc: {crc} \
             isvalid: {}",
            codec.map_or("unknown", codec_name),
            placed.batch.crc_is_valid(bytes)
        )
    }

    /// Prints the records of a batch and returns the offset of the last one.
    fn records(
        &mut self,
        path: &Path,
        batch: &AnyBatch,
        bytes: &[u8],
        mut previous: Option<i64>,
    ) -> io::Result<Option<i64>> {
        let records = batch::records(bytes, DECOMPRESSED_BATCH_BYTES_MAX).map_err(io::Error::other)?;
        for record in records {
            let record = record.map_err(io::Error::other)?;
            if let Some(previous) = previous
                && record.offset != previous + 1
            {
                self.problems.non_consecutive(path, previous, record.offset);
            }
            previous = Some(record.offset);
            self.record(batch, &record)?;
        }
        Ok(previous)
    }

    fn record(&mut self, batch: &AnyBatch, record: &Record) -> io::Result<()> {
        let is_control = matches!(batch, AnyBatch::Current(header) if header.is_control());
        let mut prefix = "| ";
        if !self.options.skip_record_metadata {
            write!(self.out, "{prefix}{}", record_fields(batch, record))?;
            if is_control {
                write!(self.out, "{}", control_fields(record))?;
            }
            prefix = " ";
        }
        if self.prints_contents() && !is_control {
            let (key, value) = self.contents(record);
            if let Some(key) = key {
                write!(self.out, "{prefix}key: {key}")?;
                prefix = " ";
            }
            if let Some(value) = value {
                write!(self.out, "{prefix}payload: {value}")?;
            }
        }
        writeln!(self.out)
    }
}

fn batch_fields(header: &BatchHeader) -> String {
    let horizon = match header.delete_horizon_ms() {
        Some(horizon_ms) => format!("OptionalLong[{horizon_ms}]"),
        None => "OptionalLong.empty".to_owned(),
    };
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id,
        header.producer_epoch,
        header.leader_epoch,
        header.is_transactional(),
        header.is_control(),
    )
}

fn record_fields(batch: &AnyBatch, record: &Record) -> String {
    let size = |bytes: &Option<bytes::Bytes>| {
        bytes
            .as_ref()
            .map_or(-1, |b| i64::try_from(b.len()).unwrap_or(i64::MAX))
    };
    let (timestamps, is_current) = match batch {
        AnyBatch::Current(header) => (timestamp_name(header.timestamp_type()), true),
        AnyBatch::Legacy(header) if header.magic == 0 => ("NoTimestampType", false),
        AnyBatch::Legacy(header) => (timestamp_name(header.timestamp_type()), false),
    };
    let mut line = format!(
        "offset: {} {timestamps}: {} keySize: {} valueSize: {}",
        record.offset,
        record.timestamp,
        size(&record.key),
        size(&record.value)
    );
    if is_current && let AnyBatch::Current(header) = batch {
        let keys: Vec<_> = record
            .headers
            .iter()
            .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
            .collect();
        line.push_str(&format!(
            " sequence: {} headerKeys: [{}]",
            sequence_of(header, record.offset),
            keys.join(",")
        ));
    }
    line
}

/// The sequence of one record: the batch's first, counted on, with the wrap of 31 bits.
fn sequence_of(header: &BatchHeader, offset: i64) -> i64 {
    if header.base_sequence < 0 {
        return -1;
    }
    (i64::from(header.base_sequence) + offset - header.base_offset) & i64::from(i32::MAX)
}

fn control_fields(record: &Record) -> String {
    let key = record.key.as_deref().unwrap_or_default();
    let value = record.value.as_deref().unwrap_or_default();
    match ControlRecord::parse(key, value) {
        Ok(ControlRecord::EndTxn {
            kind,
            coordinator_epoch,
        }) => {
            let kind = match kind {
                EndTxn::Abort => "ABORT",
                EndTxn::Commit => "COMMIT",
            };
            format!(" endTxnMarker: {kind} coordinatorEpoch: {coordinator_epoch}")
        }
        Ok(ControlRecord::LeaderChange(change)) => format!(" LeaderChange: {}", leader_change(&change)),
        Ok(ControlRecord::SnapshotHeader {
            last_contained_log_timestamp,
        }) => format!(
            " SnapshotHeader {{\"version\":0,\"lastContainedLogTimestamp\":{last_contained_log_timestamp}}}"
        ),
        Ok(ControlRecord::SnapshotFooter) => " SnapshotFooter {\"version\":0}".to_owned(),
        Ok(ControlRecord::KRaftVersion(version)) => {
            format!(" KRaftVersion {{\"version\":0,\"kRaftVersion\":{version}}}")
        }
        Ok(ControlRecord::KRaftVoters(voters)) => format!(" KRaftVoters {}", kraft_voters(&voters)),
        Ok(ControlRecord::Unknown(kind)) => format!(" controlType: UNKNOWN({kind})"),
        Err(error) => format!(" controlType: unreadable ({error})"),
    }
}

fn leader_change(change: &LeaderChange) -> String {
    let voters = |voters: &[(i32, ottla_base::Uuid)]| {
        let all: Vec<String> = voters
            .iter()
            .map(|(id, directory)| match change.version {
                0 => format!("{{\"voterId\":{id}}}"),
                _ => format!(
                    "{{\"voterId\":{id},\"voterDirectoryId\":\"{}\"}}",
                    ottla_base::ids::uuid_to_string(*directory)
                ),
            })
            .collect();
        all.join(",")
    };
    format!(
        "{{\"version\":{},\"leaderId\":{},\"voters\":[{}],\"grantingVoters\":[{}]}}",
        change.version,
        change.leader_id,
        voters(&change.voters),
        voters(&change.granting_voters)
    )
}

fn kraft_voters(voters: &[Voter]) -> String {
    let all: Vec<String> = voters
        .iter()
        .map(|voter| {
            let endpoints: Vec<String> = voter
                .endpoints
                .iter()
                .map(|e| {
                    format!(
                        "{{\"name\":{},\"host\":{},\"port\":{}}}",
                        quoted(&e.name),
                        quoted(&e.host),
                        e.port
                    )
                })
                .collect();
            format!(
                "{{\"voterId\":{},\"voterDirectoryId\":\"{}\",\"endpoints\":[{}],\
                 \"kRaftVersionFeature\":{{\"minSupportedVersion\":{},\"maxSupportedVersion\":{}}}}}",
                voter.id,
                ottla_base::ids::uuid_to_string(voter.directory_id),
                endpoints.join(","),
                voter.kraft_version_min,
                voter.kraft_version_max
            )
        })
        .collect();
    format!("{{\"version\":0,\"voters\":[{}]}}", all.join(","))
}

fn timestamp_name(timestamps: TimestampType) -> &'static str {
    match timestamps {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "none",
        other => other.name(),
    }
}
