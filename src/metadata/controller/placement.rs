//! Where new replicas go: round robin over the racks, and over the brokers of each rack, from a random start.
//!
//! Brokers that shut down or take no replicas in any log dir are left out. Consecutive partitions start one broker further,
//! so that leaders spread evenly. Fenced brokers come last in their rack and never first in a partition.

use std::collections::BTreeMap;

use ottla_base::ids::DIRECTORY_MIGRATING;
use ottla_base::{ErrorCode, Uuid};

use super::{Problem, Random};
use crate::image::Image;

/// Dir that a replica on this broker is recorded with until the broker says otherwise.
pub fn directory_for(image: &Image, broker_id: i32) -> Uuid {
    image
        .brokers
        .get(&broker_id)
        .map_or(DIRECTORY_MIGRATING, |broker| broker.directory_for_new_replica())
}

/// The replicas of `count` new partitions, the preferred leader first in each.
pub fn place(
    image: &Image,
    count: usize,
    replication_factor: usize,
    random: &mut Random,
) -> Result<Vec<Vec<i32>>, Problem> {
    let usable: Vec<_> = image
        .brokers
        .values()
        .filter(|broker| !broker.in_controlled_shutdown && !broker.is_cordoned())
        .collect();
    let refuse = |message: String| Problem::new(ErrorCode::InvalidReplicationFactor, message);
    if usable.len() < replication_factor {
        return Err(refuse(format!(
            "Unable to replicate the partition {replication_factor} time(s): The target replication factor of \
             {replication_factor} cannot be reached because only {} broker(s) are registered or some brokers have all \
             their log directories cordoned.",
            usable.len()
        )));
    }
    if usable.iter().all(|broker| broker.fenced) {
        return Err(refuse(format!(
            "Unable to replicate the partition {replication_factor} time(s): All brokers are currently fenced or in \
             controlled shutdown."
        )));
    }
    let mut racks: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
    for broker in usable {
        let rack = racks.entry(broker.rack.as_deref()).or_default();
        let list = if broker.fenced {
            &mut rack.fenced
        } else {
            &mut rack.unfenced
        };
        list.push(broker.id);
    }
    let mut racks: Vec<Rack> = racks.into_values().collect();
    for rack in &mut racks {
        random.shuffle(&mut rack.unfenced);
        random.shuffle(&mut rack.fenced);
    }
    random.shuffle(&mut racks);
    let mut placer = Placer { racks, next_rack: 0 };
    Ok((0..count).map(|_| placer.next(replication_factor)).collect())
}

#[derive(Default)]
struct Rack {
    unfenced: Vec<i32>,
    fenced: Vec<i32>,
    /// Where the next partition that starts in this rack begins.
    start: usize,
}

struct Placer {
    racks: Vec<Rack>,
    next_rack: usize,
}

impl Placer {
    fn next(&mut self, replication_factor: usize) -> Vec<i32> {
        let mut replicas = Vec::with_capacity(replication_factor);
        let first = self.next_leader_rack();
        // The n-th replica of a rack is n steps behind the rack's start, so that no broker is taken twice.
        let mut taken = vec![0usize; self.racks.len()];
        let mut at = first;
        while replicas.len() < replication_factor {
            if let (Some(rack), Some(taken)) = (self.racks.get(at), taken.get_mut(at))
                && let Some(id) = rack.nth(*taken)
            {
                replicas.push(id);
                *taken += 1;
            }
            at = (at + 1) % self.racks.len();
        }
        for (rack, taken) in self.racks.iter_mut().zip(taken) {
            rack.start += usize::from(taken > 0);
        }
        self.next_rack = (first + 1) % self.racks.len();
        replicas
    }

    /// The next rack with a broker that may lead; `place` has seen that there is one.
    fn next_leader_rack(&self) -> usize {
        (0..self.racks.len())
            .map(|step| (self.next_rack + step) % self.racks.len())
            .find(|at| self.racks.get(*at).is_some_and(|rack| !rack.unfenced.is_empty()))
            .unwrap_or(0)
    }
}

impl Rack {
    fn nth(&self, n: usize) -> Option<i32> {
        match n.checked_sub(self.unfenced.len()) {
            None => self.unfenced.get((self.start + n) % self.unfenced.len()).copied(),
            Some(n) if n < self.fenced.len() => {
                self.fenced.get((self.start + n) % self.fenced.len()).copied()
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::tests::cluster;
    use std::collections::BTreeSet;

    fn placed(image: &Image, count: usize, factor: usize) -> Vec<Vec<i32>> {
        place(image, count, factor, &mut Random::new(7)).unwrap()
    }

    #[test]
    fn leaders_spread_and_no_broker_is_taken_twice() {
        let image = cluster(&[(1, false), (2, false), (3, false)]);
        let placed = placed(&image, 9, 2);
        let mut leads = BTreeMap::<i32, usize>::new();
        for replicas in &placed {
            *leads.entry(replicas[0]).or_default() += 1;
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 2);
        }
        assert_eq!(leads.into_values().collect::<Vec<_>>(), vec![3, 3, 3]);
    }

    #[test]
    fn fenced_brokers_never_come_first() {
        let image = cluster(&[(1, true), (2, false)]);
        assert_eq!(placed(&image, 3, 2), vec![vec![2, 1]; 3]);
        assert!(place(&cluster(&[(1, true)]), 1, 1, &mut Random::new(1)).is_err());
        assert!(place(&image, 1, 3, &mut Random::new(1)).is_err());
    }
}
