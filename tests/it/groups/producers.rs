//! Ids for idempotent producers.

use std::collections::HashSet;

use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};
use ottla_base::ErrorCode;

use super::{code, start, text};
use crate::client::Client;

fn init(client: &mut Client, version: i16, request: &InitProducerIdRequest) -> (i64, i16, i16) {
    let response = client.call(version, request);
    (
        response.producer_id.0,
        response.producer_epoch,
        response.error_code,
    )
}

fn plain() -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}

#[test]
fn every_producer_has_an_id_of_its_own_even_after_a_restart() {
    let mut node = start();
    let mut ids = HashSet::new();
    for _ in 0..2 {
        let mut client = node.client();
        for version in (0..=5).cycle().take(600) {
            let (id, epoch, error) = init(&mut client, version, &plain());
            assert_eq!((epoch, error), (0, 0), "v{version}");
            assert!(ids.insert(id), "{id} was given out twice");
        }
        node.restart();
    }
}

#[test]
fn what_cannot_be_had() {
    let node = start();
    let mut client = node.client();
    let nothing = |error: ErrorCode| (-1, -1, code(error));
    let half = plain().with_producer_id(ProducerId(7));
    assert_eq!(init(&mut client, 3, &half), nothing(ErrorCode::InvalidRequest));
    let unnamed = plain().with_transactional_id(Some(text("").into()));
    assert_eq!(init(&mut client, 3, &unnamed), nothing(ErrorCode::InvalidRequest));
    let timeless = plain().with_transactional_id(Some(text("tx").into()));
    assert_eq!(
        init(&mut client, 3, &timeless),
        nothing(ErrorCode::InvalidTransactionTimeout)
    );
    // Nobody has asked who coordinates it: its topic is not there.
    let early = timeless.with_transaction_timeout_ms(60_000);
    assert_eq!(init(&mut client, 3, &early), nothing(ErrorCode::NotCoordinator));
}
