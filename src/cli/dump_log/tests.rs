//! The tool's output on the partition of Apache Kafka 4.3.1 in tests/golden, against what Kafka's own tool printed.

use super::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/storage")
        .join(name)
}

fn dump(options: DumpLog) -> String {
    let mut out = Vec::new();
    assert!(Dump::new(&options, &mut out).files().unwrap());
    String::from_utf8(out).unwrap()
}

/// Compares line by line, without the paths after "Dumping" and the spaces at the end.
fn assert_is_kafkas(found: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| match line.rsplit_once('/') {
                Some((_, name)) if line.starts_with("Dumping ") || line.ends_with("empty.") => {
                    name.to_owned()
                }
                _ => line.trim_start_matches("Dumping ").trim_end().to_owned(),
            })
            .collect()
    };
    let expected = std::fs::read_to_string(golden(expected)).unwrap();
    for (n, (found, expected)) in lines(found).iter().zip(lines(&expected)).enumerate() {
        assert_eq!(*found, expected, "line {n}");
    }
    assert_eq!(lines(found).len(), lines(&expected).len());
}

fn files(wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(golden("kafka-4.3.1-log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| wanted(file_name(path)))
        .collect();
    files.sort();
    files
}

fn options(files: Vec<PathBuf>) -> DumpLog {
    DumpLog {
        files,
        max_bytes: u64::MAX,
        max_message_size: 5_242_880,
        ..DumpLog::default()
    }
}

#[test]
fn batches_indexes_and_snapshots() {
    let all = files(|name| FileKind::parse(name).is_some());
    assert_is_kafkas(&dump(options(all)), "kafka-dump-log.plain.txt");
}

#[test]
fn records_with_their_contents() {
    let logs = files(|name| name.ends_with(".log"));
    let options = DumpLog {
        print_data_log: true,
        ..options(logs)
    };
    assert_is_kafkas(&dump(options), "kafka-dump-log.data.txt");
}

#[test]
fn records_without_metadata() {
    let logs = files(|name| name.ends_with(".log"));
    let options = DumpLog {
        print_data_log: true,
        skip_record_metadata: true,
        ..options(logs)
    };
    assert_is_kafkas(&dump(options), "kafka-dump-log.skip.txt");
}

/// Sets the option that a case is about.
type Choose = fn(&mut DumpLog);

#[test]
fn internal_topics_in_json() {
    let cases: [(&str, Choose); 4] = [
        ("metadata", |options| options.cluster_metadata_decoder = true),
        ("groups", |options| options.offsets_decoder = true),
        ("classic-groups", |options| options.offsets_decoder = true),
        ("transactions", |options| options.transaction_log_decoder = true),
    ];
    for (name, choose) in cases {
        let log = golden("decoders").join(name).join("00000000000000000000.log");
        let mut options = options(vec![log]);
        choose(&mut options);
        let found = dump(options);
        let found: Vec<&str> = found.lines().skip(2).map(str::trim_end).collect();
        let expected = std::fs::read_to_string(golden("decoders").join(format!("{name}.txt"))).unwrap();
        let expected: Vec<&str> = expected.lines().map(str::trim_end).collect();
        assert!(expected.len() > 10);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for path in files(|name| name.starts_with("00000000000000000000.")) {
        std::fs::copy(&path, dir.path().join(file_name(&path))).unwrap();
    }
    let change = |name: &str, act: fn(&mut Vec<u8>)| {
        let path = dir.path().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        act(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let index = change("00000000000000000000.index", |bytes| bytes[19] = 15);
    let times = change("00000000000000000000.timeindex", |bytes| {
        bytes[11] = 9;
        bytes[12 + 7] ^= 1;
    });
    let log = change("00000000000000000000.log", |bytes| {
        bytes[100] ^= 1;
        bytes.extend([0; 33]);
    });
    let options = DumpLog {
        verify_index_only: true,
        ..options(vec![index, times, log])
    };
    let mut out = Vec::new();
    let mut dump = Dump::new(&options, &mut out);
    for path in &options.files {
        dump.file(path).unwrap();
    }
    let problems = dump.problems.to_string();
    // What Kafka's tool prints of the same changes.
    for line in [
        "  Index offset: 15, log offset: 20\n",
        "  Index timestamp: 1795266202385, log timestamp: 1795266202384\n",
        "Indexed offset: 9, found log offset: 11\n",
    ] {
        assert!(problems.contains(line), "{problems}");
    }
    let out = String::from_utf8(out).unwrap();
    assert!(out.lines().nth(1).unwrap().ends_with("isvalid: false"), "{out}");
    assert!(
        out.ends_with("Found 33 invalid bytes at the end of 00000000000000000000.log\n"),
        "{out}"
    );
}
