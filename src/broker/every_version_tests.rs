//! Every version of every API that has a handler is answered, in a form that the version has: the answers that a handler
//! builds for the newest version must not carry what an older one cannot.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use ottla_base::config::Source;

use super::*;
use crate::api::table::{Row, Scope, rows};
use crate::runtime::format::{FormatOptions, InitialVoter, format};
use crate::wire::header::is_flexible;
use crate::wire::schema::every::decode_answer;
use crate::wire::schema::message;
use crate::wire::schema::sample::sample;

const API_VERSIONS: i16 = 18;
const CREATE_TOPICS: i16 = 19;

#[test]
fn every_version_of_every_api_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(Broker::open(config(folder.path()))).unwrap();
    let address = broker
        .bound()
        .into_iter()
        .find(|(name, _)| name == "PLAINTEXT")
        .unwrap()
        .1;
    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The samples speak of a topic "abc": with it some of the answers have contents.
    let topic = b"\0\0\0\x01\0\x03abc\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\x27\x10\0";
    assert_eq!(
        answer(&mut peer, CREATE_TOPICS, 2, topic).unwrap().last_chunk(),
        Some(&[0, 0, 0xff, 0xff])
    );
    let mut unanswered = Vec::new();
    let mut answered = 0;
    for row in rows()
        .iter()
        .filter(|row| matches!(row.scope, Scope::Broker | Scope::Both))
    {
        for (version, nulls) in samples(row) {
            let body = sample(message(row.key).unwrap(), version, nulls).body;
            match answer(&mut peer, row.key, version, &body) {
                Some(body) => {
                    answered += 1;
                    let read = decode_answer(row.key, version, &body);
                    assert!(
                        !matches!(read, Some(Err(_))),
                        "{} {version}: {read:?} {body:x?}",
                        row.name
                    );
                }
                None => {
                    unanswered.push(format!("{} {version}, nulls: {nulls}", row.name));
                    peer = TcpStream::connect(address).unwrap();
                }
            }
        }
    }
    runtime.block_on(broker.close());
    assert!(unanswered.is_empty(), "{unanswered:#?}");
    assert!(answered > 100, "{answered} were answered");
}

fn samples(row: &Row) -> impl Iterator<Item = (i16, bool)> {
    let versions = row.works().into_iter().flatten();
    versions.flat_map(|version| [(version, false), (version, true)])
}

/// The body of the answer; `None` if the connection was closed instead.
fn answer(peer: &mut TcpStream, key: i16, version: i16, body: &[u8]) -> Option<Vec<u8>> {
    const CORRELATION_ID: [u8; 4] = [1, 2, 3, 4];
    let (key_bytes, version_bytes) = (key.to_be_bytes(), version.to_be_bytes());
    let header = [&key_bytes[..], &version_bytes, &CORRELATION_ID, &[0xff, 0xff]].concat();
    let tags: &[u8] = if is_flexible(key, version) { &[0] } else { &[] };
    let size = u32::try_from(header.len() + tags.len() + body.len()).unwrap();
    peer.write_all(&[&size.to_be_bytes()[..], &header, tags, body].concat())
        .unwrap();
    let mut size = [0; 4];
    peer.read_exact(&mut size).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(size) as usize];
    peer.read_exact(&mut frame).ok()?;
    assert_eq!(frame[..4], CORRELATION_ID);
    let header_bytes = if key != API_VERSIONS && is_flexible(key, version) {
        5
    } else {
        4
    };
    Some(frame[header_bytes..].to_vec())
}

fn config(folder: &Path) -> Arc<BrokerConfig> {
    let data = folder.join("data");
    let overrides = [
        (
            "listeners".to_owned(),
            "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0".to_owned(),
        ),
        ("log.dirs".to_owned(), data.to_string_lossy().into_owned()),
    ];
    let config = BrokerConfig::load(&Source {
        file: None,
        overrides: &overrides,
        environment: &|_| None,
    });
    let config = config.unwrap();
    format(&FormatOptions {
        cluster_id: "every-version-000000ww".to_owned(),
        node_id: config.node_id,
        log_dirs: config.log_dirs.clone(),
        metadata_log_dir: config.metadata_log_dir.clone(),
        controller_listener: "CONTROLLER".to_owned(),
        is_dynamic_quorum: true,
        initial_voters: vec![InitialVoter {
            id: config.node_id,
            host: "127.0.0.1".to_owned(),
            port: 9093,
            directory_id: Uuid::nil(),
        }],
        ..FormatOptions::default()
    })
    .unwrap();
    Arc::new(config)
}
