//! What does not fit together: indexes against logs, offsets against each other. Printed when all files are through.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

type Pairs = BTreeMap<PathBuf, Vec<(i64, i64)>>;

#[derive(Default)]
pub(super) struct Problems {
    index_mismatches: Pairs,
    time_mismatches: Pairs,
    times_out_of_order: Pairs,
    offsets_not_found: Pairs,
    non_consecutive: Pairs,
}

impl Problems {
    /// An entry for `index_offset` leads to a batch that ends with another offset.
    pub fn index_mismatch(&mut self, file: &Path, index_offset: i64, log_offset: i64) {
        add(&mut self.index_mismatches, file, (index_offset, log_offset));
    }

    pub fn time_mismatch(&mut self, file: &Path, index_time: i64, log_time: i64) {
        add(&mut self.time_mismatches, file, (index_time, log_time));
    }

    pub fn time_out_of_order(&mut self, file: &Path, index_time: i64, previous: i64) {
        add(&mut self.times_out_of_order, file, (index_time, previous));
    }

    /// No batch ends with the offset of a time index entry; `found` does instead, −1 for none.
    pub fn offset_not_found(&mut self, file: &Path, offset: i64, found: i64) {
        add(&mut self.offsets_not_found, file, (offset, found));
    }

    pub fn non_consecutive(&mut self, file: &Path, first: i64, second: i64) {
        add(&mut self.non_consecutive, file, (first, second));
    }
}

fn add(to: &mut Pairs, file: &Path, pair: (i64, i64)) {
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
    to.entry(path).or_default().push(pair);
}

/// The latest problem of a file comes first, as in Kafka's tool.
fn section(
    f: &mut fmt::Formatter<'_>,
    pairs: &Pairs,
    title: &str,
    line: fn(i64, i64) -> String,
) -> fmt::Result {
    for (path, pairs) in pairs {
        writeln!(f, "{title}{}", path.display())?;
        for (first, second) in pairs.iter().rev() {
            writeln!(f, "{}", line(*first, *second))?;
        }
    }
    Ok(())
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        section(f, &self.index_mismatches, "Mismatches in :", |index, log| {
            format!("  Index offset: {index}, log offset: {log}")
        })?;
        section(
            f,
            &self.time_mismatches,
            "Found timestamp mismatch in :",
            |index, log| format!("  Index timestamp: {index}, log timestamp: {log}"),
        )?;
        section(
            f,
            &self.times_out_of_order,
            "Found out of order timestamp in :",
            |index, previous| format!("  Index timestamp: {index}, Previously indexed timestamp: {previous}"),
        )?;
        section(
            f,
            &self.offsets_not_found,
            "The following indexed offsets are not found in :",
            |offset, found| format!("Indexed offset: {offset}, found log offset: {found}"),
        )?;
        section(
            f,
            &self.non_consecutive,
            "Non-consecutive offsets in ",
            |first, second| format!("  {first} is followed by {second}"),
        )
    }
}
