//! Log lines on standard error: which are written, and in which form.
//!
//! `OTTLA_LOG` or else `RUST_LOG` says which, in the usual syntax (`info,ottla::net=debug`). The levels can be changed while
//! the process runs, by IncrementalAlterConfigs on a broker logger.

use clap::ValueEnum;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::api::configs::loggers;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sets the process up to write log lines. Call once.
pub(super) fn init(format: LogFormat) {
    let directives = std::env::var("OTTLA_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let directives = directives.unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::builder().parse_lossy(&directives);
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_timer(SystemTime);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => lines.with_ansi(is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A second call, as a test may make, keeps the first set-up.
    if tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()
        .is_ok()
    {
        loggers::install(&directives, move |directives| {
            let filter = EnvFilter::builder().parse_lossy(directives);
            handle.reload(filter).is_ok()
        });
    }
}

fn is_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
