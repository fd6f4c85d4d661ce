//! What the work of a phase has cost: the broker's process by /proc, or a thread of this one.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use serde::Serialize;

use crate::histogram::Histogram;

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

/// What was done in a phase.
#[derive(Default)]
pub struct Work {
    pub operations: u64,
    /// Zero where they say nothing.
    pub bytes: u64,
    /// Those of single operations, where they say something.
    pub latencies: Histogram,
}

/// A phase of a bench as one line of output.
#[derive(Serialize)]
struct Phase<'a> {
    phase: &'a str,
    operations: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    seconds: f64,
    cpu_user_s: f64,
    cpu_system_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rss_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_9_ms: Option<f64>,
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
    pub fn since_its_start(self, begun: Instant) -> Meter {
        Meter {
            process: self,
            cpu: Cpu::default(),
            begun,
        }
    }

    /// The sum is exact; /proc, which alone knows how it divides, counts in ticks of 10 ms.
    fn cpu(self) -> Result<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat")?;
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
        let mut next = || ticks.next().context("/proc/PID/stat is short")?.context("ticks");
        let (user, system) = (next()?, next()?);
        let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(self.pid)?))?;
        let total_s = Duration::from(clock.now()?).as_secs_f64();
        let user_s = total_s * user / (user + system).max(1.0);
        Ok(Cpu {
            user_s,
            system_s: total_s - user_s,
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
        self.cpu = self.cpu.and(after.since(before));
        self.begun += begun.elapsed();
        Ok(())
    }

    /// Ends the phase and prints it.
    pub fn end(self, phase: &str, work: Work) -> Result<()> {
        let elapsed = self.begun.elapsed();
        let cpu = self.process.cpu()?.since(self.cpu);
        work.print(phase, elapsed, cpu, Some(self.process.rss_mb()?))
    }
}

impl Cpu {
    /// What the calling thread has used so far.
    pub fn of_this_thread() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        Ok(Self {
            user_s: seconds(usage.user_time()),
            system_s: seconds(usage.system_time()),
        })
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            user_s: self.user_s - before.user_s,
            system_s: self.system_s - before.system_s,
        }
    }

    pub fn and(self, other: Self) -> Self {
        Self {
            user_s: self.user_s + other.user_s,
            system_s: self.system_s + other.system_s,
        }
    }
}

impl Work {
    pub fn of(operations: u64) -> Self {
        Self {
            operations,
            ..Self::default()
        }
    }

    pub fn written(operations: u64, bytes: usize) -> Self {
        Self {
            bytes: bytes as u64,
            ..Self::of(operations)
        }
    }

    /// As many operations as there are latencies.
    pub fn timed(latencies: Histogram) -> Self {
        Self {
            operations: latencies.count(),
            bytes: 0,
            latencies,
        }
    }

    pub fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.latencies.add(&other.latencies);
    }

    pub fn print(self, phase: &str, elapsed: Duration, cpu: Cpu, rss_mb: Option<f64>) -> Result<()> {
        let phase = Phase {
            phase,
            operations: self.operations,
            bytes: Some(self.bytes).filter(|bytes| *bytes > 0),
            seconds: elapsed.as_secs_f64(),
            cpu_user_s: cpu.user_s,
            cpu_system_s: cpu.system_s,
            rss_mb,
            p50_ms: self.latencies.percentile_ms(0.50),
            p99_ms: self.latencies.percentile_ms(0.99),
            p99_9_ms: self.latencies.percentile_ms(0.999),
        };
        println!("{}", serde_json::to_string(&phase)?);
        Ok(())
    }
}
