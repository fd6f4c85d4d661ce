//! Sends a file line by line with acks=all and writes down every acknowledgement, also across a broker that dies and comes back.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use crate::check::Outcome;

/// How many acknowledgements lie between two lines `acked N` on stdout.
const PROGRESS_ACKS: u64 = 10_000;

/// Writes `LINE OFFSET` (both from 0) to `acks_file` for each acknowledged line, and `acked N` to stdout now and then; the last line is `done acked=N failed=N`.
pub fn send_lines(
    bootstrap: &str,
    topic: &str,
    file: &str,
    acks_file: &str,
    idempotence: &str,
) -> Outcome<()> {
    let acks = Acks {
        state: Mutex::new(State {
            out: BufWriter::new(File::create(acks_file)?),
            acked: 0,
            failed: 0,
        }),
    };
    let producer: BaseProducer<Acks> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", idempotence)
        .set("message.timeout.ms", "120000")
        .set("reconnect.backoff.max.ms", "300")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "20000")
        .create_with_context(acks)?;
    let mut lines = BufReader::new(File::open(file)?).split(b'\n');
    for number in 0u64.. {
        let Some(line) = lines.next() else { break };
        enqueue(&producer, topic, &line?, number)?;
        if number.is_multiple_of(1_000) {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(Duration::from_secs(150))?;
    let mut state = producer
        .context()
        .state
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    state.out.flush()?;
    println!("done acked={} failed={}", state.acked, state.failed);
    Ok(())
}

/// Waits while the queue is full: the broker may be down.
fn enqueue(producer: &BaseProducer<Acks>, topic: &str, line: &[u8], number: u64) -> Outcome<()> {
    let mut record = BaseRecord::<(), [u8], _>::with_opaque_to(topic, Box::new(number))
        .partition(0)
        .payload(line);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                record = refused;
                producer.poll(Duration::from_millis(20));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

struct Acks {
    state: Mutex<State>,
}

struct State {
    out: BufWriter<File>,
    acked: u64,
    failed: u64,
}

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = Box<u64>;

    fn delivery(&self, result: &DeliveryResult<'_>, line: Box<u64>) {
        use rdkafka::message::Message;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                state.acked += 1;
                if writeln!(state.out, "{line} {}", message.offset()).is_err() {
                    state.failed += 1;
                }
                if state.acked.is_multiple_of(PROGRESS_ACKS) {
                    println!("acked {}", state.acked);
                }
            }
            Err((error, _)) => {
                state.failed += 1;
                eprintln!("line {line}: {error}");
            }
        }
    }
}
