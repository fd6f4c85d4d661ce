//! What a machine wants written, packed into batches: as few as their largest size allows, what belongs together in one.

use bytes::Bytes;
use ottla_base::ErrorCode;
use ottla_coordinator::records::Encoded;
use ottla_coordinator::{Machine, Outcome, Then, Token};
use ottla_storage::batch::{BatchBuilder, BatchOptions, Codec, HEADER_BYTES};

use super::transaction::{InTransaction, batch_options};

/// At most this much comes to a record's key and value: lengths, attributes and deltas.
const RECORD_OVERHEAD_BYTES: usize = 32;

/// Records that are appended together, and what follows.
pub(super) struct Unit<M: Machine> {
    pub records: Vec<M::Record>,
    pub encoded: Vec<Encoded>,
    pub parked: Vec<(Token, M::Reply)>,
    pub then: Then<M>,
    pub transaction: Option<InTransaction>,
    size_bytes: usize,
}

/// The units of an outcome: one, unless its records may be split and have to be.
pub(super) fn units<M: Machine>(
    outcome: Outcome<M>,
    transaction: Option<InTransaction>,
    batch_bytes_max: usize,
) -> Result<Vec<Unit<M>>, Refused<M>> {
    let Outcome {
        records,
        splittable,
        parked,
        then,
        ..
    } = outcome;
    let encoded: Result<Vec<Encoded>, _> = records.iter().map(M::encode).collect();
    let Ok(encoded) = encoded else {
        // A text or a list that its field has no room for: a request's, so it is the request that fails.
        return Err(Refused {
            parked,
            then,
            error: ErrorCode::UnknownServerError,
        });
    };
    let room = batch_bytes_max.saturating_sub(HEADER_BYTES);
    let mut units: Vec<Unit<M>> = Vec::with_capacity(1);
    for (record, encoded) in records.into_iter().zip(encoded) {
        let size_bytes = encoded.size_bytes() + RECORD_OVERHEAD_BYTES;
        match units.last_mut() {
            Some(unit) if !splittable || unit.size_bytes + size_bytes <= room => {
                unit.size_bytes += size_bytes;
                unit.records.push(record);
                unit.encoded.push(encoded);
            }
            _ => units.push(Unit {
                records: vec![record],
                encoded: vec![encoded],
                parked: Vec::new(),
                // What is split is replayed piece by piece.
                then: if splittable {
                    replayed_like(&then)
                } else {
                    Then::Nothing
                },
                transaction,
                size_bytes,
            }),
        }
    }
    match units.last_mut() {
        Some(last) if last.size_bytes <= room => {
            last.parked = parked;
            last.then = then;
            Ok(units)
        }
        _ => Err(Refused {
            parked,
            then,
            error: ErrorCode::UnknownServerError,
        }),
    }
}

/// An outcome that cannot be written.
pub(super) struct Refused<M: Machine> {
    pub parked: Vec<(Token, M::Reply)>,
    pub then: Then<M>,
    pub error: ErrorCode,
}

fn replayed_like<M: Machine>(then: &Then<M>) -> Then<M> {
    match then {
        Then::Replay => Then::Replay,
        Then::Nothing | Then::Resume(_) => Then::Nothing,
    }
}

/// Takes as many units from the front as fit into one batch; at least one. A batch belongs to one transaction, or to none.
pub(super) fn take_batch<M: Machine>(units: &mut Vec<Unit<M>>, batch_bytes_max: usize) -> Vec<Unit<M>> {
    let mut size_bytes = HEADER_BYTES;
    let transaction = units.first().and_then(|unit| unit.transaction);
    let fits = |unit: &&Unit<M>| {
        size_bytes += unit.size_bytes;
        size_bytes <= batch_bytes_max && unit.transaction == transaction
    };
    let count = units.iter().take_while(fits).count().max(1).min(units.len());
    units.drain(..count).collect()
}

/// The batch of units that were [taken](take_batch) together.
pub(super) fn build<M: Machine>(units: &[Unit<M>], codec: Codec, timestamp_ms: i64) -> Bytes {
    let transaction = units.first().and_then(|unit| unit.transaction);
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        ..batch_options(transaction)
    });
    for record in units.iter().flat_map(|unit| &unit.encoded) {
        builder.append(timestamp_ms, Some(&record.key), record.value.as_deref(), &[]);
    }
    builder.build()
}
