//! What the broker's process has used so far, from /proc.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

#[derive(Clone, Copy)]
pub struct Process {
    pid: u32,
}

/// CPU seconds.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    user_s: f64,
    system_s: f64,
}

/// A phase of a bench as one line of output.
#[derive(Serialize)]
pub struct Phase {
    phase: String,
    operations: u64,
    seconds: f64,
    cpu_user_s: f64,
    cpu_system_s: f64,
    rss_mb: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ms: Option<f64>,
}

/// A phase under way.
pub struct Meter {
    process: Process,
    begun: Instant,
    /// What the process had used when the phase began.
    cpu: Cpu,
}

impl Process {
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    pub fn begin(self) -> Result<Meter> {
        Ok(Meter {
            process: self,
            cpu: self.cpu()?,
            begun: Instant::now(),
        })
    }

    /// A phase that began when the process did.
    pub fn since_its_start(self) -> Meter {
        Meter {
            process: self,
            cpu: Cpu::default(),
            begun: Instant::now(),
        }
    }

    fn cpu(self) -> Result<Cpu> {
        // Linux tells all programs of 100 ticks a second, whatever its own clock does.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
        let mut next = || ticks.next().context("/proc/PID/stat is short")?.context("ticks");
        Ok(Cpu {
            user_s: next()? / TICKS_PER_SECOND,
            system_s: next()? / TICKS_PER_SECOND,
        })
    }

    fn rss_mb(self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|rest| rest.split_whitespace().next())
            .context("VmRSS")?;
        Ok(kib.parse::<f64>()? / 1024.0)
    }
}

impl Meter {
    /// Rests; what the process does in the meantime is no part of the phase.
    pub async fn pause(&mut self, rest: Duration) -> Result<()> {
        if rest.is_zero() {
            return Ok(());
        }
        let (before, begun) = (self.process.cpu()?, Instant::now());
        tokio::time::sleep(rest).await;
        let after = self.process.cpu()?;
        self.cpu.user_s += after.user_s - before.user_s;
        self.cpu.system_s += after.system_s - before.system_s;
        self.begun += begun.elapsed();
        Ok(())
    }

    /// Ends the phase and prints it. `latencies` are those of single operations, where they say something.
    pub fn end(self, phase: &str, operations: u64, mut latencies: Vec<Duration>) -> Result<()> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let cpu = self.process.cpu()?;
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            let found = latencies.get(index.min(latencies.len().checked_sub(1)?))?;
            Some(found.as_secs_f64() * 1e3)
        };
        let phase = Phase {
            phase: phase.to_owned(),
            operations,
            seconds,
            cpu_user_s: cpu.user_s - self.cpu.user_s,
            cpu_system_s: cpu.system_s - self.cpu.system_s,
            rss_mb: self.process.rss_mb()?,
            p50_ms: at(0.50),
            p99_ms: at(0.99),
        };
        println!("{}", serde_json::to_string(&phase)?);
        Ok(())
    }
}
