//! Clients that send what no client sends: each is cut off or told its error, and the broker goes on for the others.

use std::fs;

use kafka_protocol::messages::MetadataRequest;
use ottla::api::table::rows;

use crate::client::Client;
use crate::node::Node;

/// The broker still serves an honest client.
fn assert_alive(node: &Node) {
    let response = node.client().call(12, &MetadataRequest::default());
    assert_eq!(response.brokers.len(), 1);
}

/// A cheap generator: the same bytes in every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn bodies_of_rubbish_are_refused_by_every_version_of_every_api() {
    let node = Node::start();
    let served = rows()
        .iter()
        .filter_map(|row| row.works().map(|versions| (row.key, versions)));
    for (key, versions) in served {
        for version in versions {
            let huge_counts = [0x7f, 0xff, 0xff, 0xff].repeat(16);
            let endless_varints = vec![0xff; 64];
            for body in [
                Vec::new(),
                huge_counts,
                endless_varints,
                noise(key as u64 * 100 + version as u64, 300),
            ] {
                let mut client = node.client();
                client.send_body(key, version, ottla_header_version(key, version), &body);
                // An answer or a closed connection; both within the client's patience.
                let _ = client.receive_frame();
            }
        }
    }
    assert_alive(&node);
}

fn ottla_header_version(key: i16, version: i16) -> i16 {
    if ottla::wire::header::is_flexible(key, version) {
        2
    } else {
        1
    }
}

/// As in Kafka: librdkafka 2.12 sends three bytes behind its Metadata request.
#[test]
fn bytes_behind_a_request_are_ignored() {
    let node = Node::start();
    let mut client = node.client();
    client.send_body(3, 1, 1, &[0xff, 0xff, 0xff, 0xff, 0]);
    assert!(client.receive_frame().is_some());
    assert_alive(&node);
}

#[test]
fn frames_of_impossible_size_end_the_connection() {
    let node = Node::start();
    for size in [-1, i32::MIN, i32::MAX, 104_857_601] {
        let mut client = node.client();
        client.send_bytes(&size.to_be_bytes());
        assert!(client.is_closed(), "size {size}");
    }
    let mut client = node.client();
    client.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(client.is_closed());
    for frame in [&b""[..], &[0; 7], &[0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff]] {
        let mut client = node.client();
        client.send_frame(frame);
        assert!(client.is_closed(), "{frame:?}");
    }
    assert_alive(&node);
}

#[test]
fn what_is_only_announced_takes_no_memory() {
    let node = Node::start();
    assert_alive(&node);
    let before = resident_bytes();
    let mut clients: Vec<Client> = (0..200).map(|_| node.client()).collect();
    for client in &mut clients {
        client.send_bytes(&(100u32 << 20).to_be_bytes());
        client.send_bytes(&[0; 1024]);
    }
    assert_alive(&node);
    let grown = resident_bytes().saturating_sub(before);
    // Believed, it would be 20 GB. The other tests of this process grow too.
    assert!(grown < 200 << 20, "{} MiB for 200 KiB", grown >> 20);
}

fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn noise_on_many_connections_leaves_the_broker_unharmed() {
    let node = Node::start();
    for seed in 0..300u64 {
        let mut client = node.client();
        let len = 50 + (seed as usize * 37) % 2000;
        let mut bytes = noise(seed + 1, len);
        if seed % 2 == 0 {
            // A plausible size and key, so that the noise gets past the first check.
            let size = u32::try_from(len - 4).unwrap().to_be_bytes();
            bytes[..4].copy_from_slice(&size);
            bytes[4..8].copy_from_slice(&[0, (seed % 76) as u8, 0, (seed % 5) as u8]);
            client.send_bytes(&bytes);
            let _ = client.receive_frame();
        } else {
            client.send_bytes(&bytes);
        }
    }
    assert_alive(&node);
}
