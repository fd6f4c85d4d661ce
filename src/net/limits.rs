//! What one peer, and all peers together, may make this node hold.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// Bounds of every connection. Kafka's keys where Kafka has one; the deadlines are ours (Kafka waits ten minutes).
#[derive(Clone, Debug)]
pub struct NetLimits {
    /// `socket.request.max.bytes`
    pub request_bytes_max: usize,
    /// How many connections there may be, at the start.
    pub admission: Admission,
    /// `connections.max.idle.ms`
    pub idle_max: Duration,
    /// A connection that has not sent one whole frame by then is no Kafka client.
    pub first_frame_max: Duration,
    /// A frame that was begun must be complete by then.
    pub started_frame_max: Duration,
    /// A peer that takes no byte of its answers for so long is gone.
    pub write_stall_max: Duration,
    /// Requests of one connection that are started and not yet answered.
    pub in_flight_max: usize,
    /// Answers that wait for the socket; past it no further request of the connection is started.
    pub backlog_bytes_max: usize,
    /// How long a stopping node waits for answers that are under way.
    pub drain_max: Duration,
    /// `socket.send.buffer.bytes` and `socket.receive.buffer.bytes`; `None` is the system's default.
    pub send_buffer_bytes: Option<usize>,
    pub receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`
    pub listen_backlog: i32,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            request_bytes_max: 104_857_600,
            admission: Admission::default(),
            idle_max: Duration::from_secs(600),
            first_frame_max: Duration::from_secs(10),
            started_frame_max: Duration::from_secs(30),
            write_stall_max: Duration::from_secs(30),
            in_flight_max: 256,
            backlog_bytes_max: 1 << 20,
            drain_max: Duration::from_secs(2),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            listen_backlog: 1024,
        }
    }
}

/// The limits that may change while connections come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// `max.connections`
    pub connections_max: usize,
    /// `max.connections.per.ip`
    pub connections_per_ip_max: usize,
    /// `max.connections.per.ip.overrides`
    pub connections_per_ip_overrides: HashMap<IpAddr, usize>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            connections_max: usize::MAX,
            connections_per_ip_max: usize::MAX,
            connections_per_ip_overrides: HashMap::new(),
        }
    }
}

/// Counts the open connections of all listeners, in all and per address.
#[derive(Debug)]
pub struct ConnectionCount {
    by_ip: Mutex<HashMap<IpAddr, usize>>,
    admission: ArcSwap<Admission>,
}

/// One place among the open connections, given back when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    count: Arc<ConnectionCount>,
    ip: IpAddr,
}

impl ConnectionCount {
    pub fn new(admission: Admission) -> Self {
        Self {
            by_ip: Mutex::default(),
            admission: ArcSwap::from_pointee(admission),
        }
    }

    /// Counts from the next connection on; those that are open stay.
    pub fn set_admission(&self, admission: Admission) {
        self.admission.store(Arc::new(admission));
    }

    /// A place for one more connection from `ip`, or the sentence that says which limit it would break.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<ConnectionPermit, String> {
        let limits = self.admission.load();
        let ip = ip.to_canonical();
        let mut by_ip = self.by_ip.lock();
        let open: usize = by_ip.values().sum();
        if open >= limits.connections_max {
            return Err(format!("max.connections is {}", limits.connections_max));
        }
        let of_ip = by_ip.get(&ip).copied().unwrap_or(0);
        let of_ip_max = limits.connections_per_ip_overrides.get(&ip).copied();
        let of_ip_max = of_ip_max.unwrap_or(limits.connections_per_ip_max);
        if of_ip >= of_ip_max {
            return Err(format!("max.connections.per.ip is {of_ip_max}"));
        }
        by_ip.insert(ip, of_ip + 1);
        Ok(ConnectionPermit {
            count: self.clone(),
            ip,
        })
    }

    pub fn open(&self) -> usize {
        self.by_ip.lock().values().sum()
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut by_ip = self.count.by_ip.lock();
        let left = by_ip.get(&self.ip).map_or(0, |open| open.saturating_sub(1));
        if left == 0 {
            by_ip.remove(&self.ip);
        } else {
            by_ip.insert(self.ip, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_until_it_is_dropped() {
        let count = Arc::new(ConnectionCount::new(Admission {
            connections_max: 3,
            connections_per_ip_max: 2,
            ..Admission::default()
        }));
        let (one, two) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = count.admit(one).unwrap();
        let _second = count.admit(one).unwrap();
        assert!(count.admit(one).unwrap_err().contains("max.connections.per.ip"));
        let _third = count.admit(two).unwrap();
        assert!(count.admit(two).unwrap_err().contains("max.connections is 3"));
        drop(first);
        assert!(count.admit(one).is_ok());
        count.set_admission(Admission {
            connections_max: 2,
            ..Admission::default()
        });
        assert!(count.admit(one).unwrap_err().contains("max.connections is 2"));
    }
}
