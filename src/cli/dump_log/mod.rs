//! `ottla dump-log`: what log segments, indexes and snapshots hold, in the words of `kafka-dump-log.sh`.
//!
//! Options and lines are those of Apache Kafka's tool, so that scripts and eyes that know it need not learn anything. Two
//! things differ on purpose: where Kafka's tool dies of an exception at the first bytes that are not a batch, this one
//! says how many they are and goes on to the next file; and the first record of a segment is not reported as one that
//! follows offset −1.

mod batches;
mod consumer_protocol;
mod decoders;
mod indexes;
mod problems;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use decoders::Decoder;
use ottla_storage::names::{FileKind, file_name};
use problems::Problems;

#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct DumpLog {
    /// The comma separated list of data and index log files to be dumped.
    #[arg(long, value_delimiter = ',', required = true)]
    files: Vec<PathBuf>,
    /// Print every record and not only every batch. Set by --print-data-log.
    #[arg(long)]
    deep_iteration: bool,
    /// Print keys and values. Set by every decoder.
    #[arg(long)]
    print_data_log: bool,
    /// Print keys and values alone.
    #[arg(long)]
    skip_record_metadata: bool,
    /// Only check what a start would check of an index.
    #[arg(long)]
    index_sanity_check: bool,
    /// Compare indexes with the log without printing their entries.
    #[arg(long)]
    verify_index_only: bool,
    /// Size of the largest message.
    #[arg(long, default_value_t = 5_242_880)]
    max_message_size: u64,
    /// Stop after this many bytes of a .log file.
    #[arg(long, default_value_t = u64::from(i32::MAX.unsigned_abs()))]
    max_bytes: u64,
    /// Records are those of __consumer_offsets.
    #[arg(long)]
    offsets_decoder: bool,
    /// Records are those of __transaction_state.
    #[arg(long)]
    transaction_log_decoder: bool,
    /// Records are those of __cluster_metadata.
    #[arg(long)]
    cluster_metadata_decoder: bool,
    /// How to print keys: StringDecoder, IntegerDecoder, LongDecoder or DefaultDecoder.
    #[arg(long, num_args = 0..=1)]
    key_decoder_class: Option<Option<String>>,
    /// How to print values: as for keys.
    #[arg(long, num_args = 0..=1)]
    value_decoder_class: Option<Option<String>>,
}

pub(super) fn run(arguments: &DumpLog) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = Dump::new(arguments, &mut out).files();
    match outcome.and_then(|all_read| out.flush().map(|()| all_read)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One run of the tool.
struct Dump<'a> {
    options: &'a DumpLog,
    keys: Decoder,
    values: Decoder,
    out: &'a mut dyn Write,
    problems: Problems,
}

impl<'a> Dump<'a> {
    fn new(options: &'a DumpLog, out: &'a mut dyn Write) -> Self {
        let (keys, values) = decoders::chosen(options);
        Self {
            options,
            keys,
            values,
            out,
            problems: Problems::default(),
        }
    }

    /// Dumps all files. False when one of them could not be read.
    fn files(mut self) -> io::Result<bool> {
        let mut all_read = true;
        for path in &self.options.files {
            writeln!(self.out, "Dumping {}", path.display())?;
            match self.file(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(error),
                Err(error) => {
                    self.out.flush()?;
                    eprintln!("{}: {error}", path.display());
                    all_read = false;
                }
            }
        }
        self.out.flush()?;
        eprint!("{}", self.problems);
        Ok(all_read)
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        if file_name(path) == BOOTSTRAP_SNAPSHOT {
            writeln!(self.out, "KRaft bootstrap snapshot")?;
            return self.log(path);
        }
        if let Some((end_offset, epoch)) = snapshot_name(path) {
            writeln!(self.out, "Snapshot end offset: {end_offset}, epoch: {epoch}")?;
            return self.log(path);
        }
        match FileKind::parse(file_name(path)) {
            Some((FileKind::Log, base)) => {
                writeln!(self.out, "Log starting offset: {base}")?;
                self.log(path)
            }
            Some((FileKind::OffsetIndex, base)) => self.offset_index(path, base),
            Some((FileKind::TimeIndex, base)) => self.time_index(path, base),
            Some((FileKind::TxnIndex, _)) => self.txn_index(path),
            Some((FileKind::Snapshot, _)) => self.producer_snapshot(path),
            None => {
                self.out.flush()?;
                eprintln!("Ignoring unknown file {}", path.display());
                Ok(())
            }
        }
    }

    fn prints_records(&self) -> bool {
        self.options.deep_iteration || self.prints_contents()
    }

    fn prints_contents(&self) -> bool {
        let options = self.options;
        options.print_data_log
            || options.offsets_decoder
            || options.transaction_log_decoder
            || options.cluster_metadata_decoder
            || options.key_decoder_class.is_some()
            || options.value_decoder_class.is_some()
    }
}

/// What `format` leaves for the first leader of the metadata log.
const BOOTSTRAP_SNAPSHOT: &str = "bootstrap.checkpoint";

/// End offset and epoch in the name of a snapshot of the metadata log: `00000000000000000042-0000000007.checkpoint`.
fn snapshot_name(path: &Path) -> Option<(i64, i32)> {
    let (end_offset, epoch) = file_name(path).strip_suffix(".checkpoint")?.split_once('-')?;
    Some((end_offset.parse().ok()?, epoch.parse().ok()?))
}

#[cfg(test)]
mod tests;
