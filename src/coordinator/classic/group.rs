//! The state of a classic group, and what is always true of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ottla_base::ErrorCode;

use super::member::Member;
use crate::command::Protocol;
use crate::consumer_protocol;
use crate::machine::Token;

/// Kafka has a fifth state, `Dead`; here such a group is not in the map any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub id: Arc<str>,
    pub generation: i32,
    /// None for a group that never had members: a "simple" one that only keeps offsets.
    pub protocol_type: Option<String>,
    /// The assignor that this generation uses.
    pub protocol: Option<String>,
    pub leader: Option<Arc<str>>,
    /// Whether somebody joined while the first members of an empty group are being waited for.
    pub new_member_added: bool,
    /// Whether the log has members of the group, and no assignment that they could go on with.
    pub is_unassigned: bool,
    /// Members whose SyncGroup has not come yet in this generation.
    pub pending_sync: BTreeSet<Arc<str>>,
    /// What the members read, as far as their metadata can be understood.
    pub subscribed_topics: Option<BTreeSet<String>>,
    pub(super) state: State,
    pub(super) previous_state: Option<State>,
    /// None in records of very old releases.
    pub(super) state_since_ms: Option<i64>,
    members: BTreeMap<Arc<str>, Member>,
    static_members: HashMap<String, Arc<str>>,
    /// Ids that were given out and have not been used to join yet.
    pending_members: BTreeSet<Arc<str>>,
    awaiting_join: usize,
    /// How many members support each protocol.
    supported_protocols: HashMap<String, usize>,
}

impl ClassicGroup {
    pub fn new(id: Arc<str>, now_ms: i64) -> Self {
        Self {
            id,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            new_member_added: false,
            is_unassigned: false,
            pending_sync: BTreeSet::new(),
            subscribed_topics: None,
            state: State::Empty,
            previous_state: None,
            state_since_ms: Some(now_ms),
            members: BTreeMap::new(),
            static_members: HashMap::new(),
            pending_members: BTreeSet::new(),
            awaiting_join: 0,
            supported_protocols: HashMap::new(),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn is_in(&self, state: State) -> bool {
        self.state == state
    }

    pub fn state_since_ms(&self) -> Option<i64> {
        self.state_since_ms
    }

    pub fn transition_to(&mut self, state: State, now_ms: i64) {
        self.previous_state = Some(self.state);
        self.state = state;
        self.state_since_ms = Some(now_ms);
    }

    pub fn is_initial_rebalance(&self) -> bool {
        self.previous_state == Some(State::Empty)
    }

    pub fn can_rebalance(&self) -> bool {
        self.state != State::PreparingRebalance
    }

    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    pub fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    pub fn has_member(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    pub fn static_member_id(&self, instance_id: &str) -> Option<&Arc<str>> {
        self.static_members.get(instance_id)
    }

    pub fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    pub fn add_pending_member(&mut self, id: Arc<str>) {
        self.pending_members.insert(id);
    }

    pub fn is_pending_member(&self, id: &str) -> bool {
        self.pending_members.contains(id)
    }

    pub fn awaiting_join_count(&self) -> usize {
        self.awaiting_join
    }

    pub fn all_members_joined(&self) -> bool {
        self.awaiting_join == self.members.len() && self.pending_members.is_empty()
    }

    /// As long as the slowest member needs.
    pub fn rebalance_timeout_ms(&self) -> i32 {
        self.members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .max()
            .unwrap_or(0)
            .max(0)
    }

    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(consumer_protocol::PROTOCOL_TYPE)
    }

    /// A consumer group whose topics are not known is taken to read all of them.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// The first member decides the group's protocol type, and leads it.
    pub fn add(&mut self, member: Member, protocol_type: &str) {
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending_members.remove(&member.id);
        self.count_protocols(&member.protocols, true);
        self.awaiting_join += usize::from(member.is_awaiting_join());
        self.members.insert(member.id.clone(), member);
    }

    /// The member's open requests go with it: the caller answers them.
    pub fn remove(&mut self, id: &str) -> Option<Member> {
        let removed = self.members.remove(id);
        if let Some(member) = &removed {
            self.count_protocols(&member.protocols, false);
            self.awaiting_join -= usize::from(member.is_awaiting_join());
            if let Some(instance_id) = &member.instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_members.remove(id);
        self.pending_sync.remove(id);
        removed
    }

    /// Puts a static member's new id in the place of its old one. The open requests of the old one are the caller's to
    /// answer, and the new one has none yet.
    pub fn replace_static_member(&mut self, old_id: &str, new_id: Arc<str>) -> Option<Member> {
        let old = self.members.remove(old_id)?;
        self.awaiting_join -= usize::from(old.is_awaiting_join());
        let new = Member {
            id: new_id.clone(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            ..old.clone()
        };
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if let Some(instance_id) = &new.instance_id {
            self.static_members.insert(instance_id.clone(), new_id.clone());
        }
        self.members.insert(new_id, new);
        Some(old)
    }

    /// Takes what a join request says of a member. Returns the request that it replaces, if one was waiting.
    pub fn update_member(&mut self, id: &str, terms: Terms, awaiting: Option<Token>) -> Option<Token> {
        let mut member = self.members.remove(id)?;
        self.count_protocols(&member.protocols, false);
        self.count_protocols(&terms.protocols, true);
        self.awaiting_join -= usize::from(member.is_awaiting_join());
        self.awaiting_join += usize::from(awaiting.is_some());
        let replaced = std::mem::replace(&mut member.awaiting_join, awaiting);
        member.protocols = terms.protocols;
        member.rebalance_timeout_ms = terms.rebalance_timeout_ms;
        member.session_timeout_ms = terms.session_timeout_ms;
        self.members.insert(member.id.clone(), member);
        replaced
    }

    /// The member's join request, which is about to be answered.
    pub fn take_awaiting_join(&mut self, id: &str) -> Option<Token> {
        let taken = self.members.get_mut(id)?.awaiting_join.take();
        self.awaiting_join -= usize::from(taken.is_some());
        taken
    }

    /// Makes sure that the leader is among those who joined. False if nobody did.
    pub fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = &self.leader else { return false };
        if self.members.get(leader).is_some_and(Member::is_awaiting_join) {
            return true;
        }
        match self.members.values().find(|member| member.is_awaiting_join()) {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    /// Whether the group can take a member that speaks these.
    pub fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.is_in(State::Empty) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let by_all = |protocol: &Protocol| self.is_supported_by_all(&protocol.name);
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(by_all)
    }

    /// The assignor that most members prefer among those that all of them know.
    pub fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let vote = member
                .protocols
                .iter()
                .find(|protocol| self.is_supported_by_all(&protocol.name));
            if let Some(protocol) = vote {
                *votes.entry(&protocol.name).or_default() += 1;
            }
        }
        // The last of the maxima would win; in reverse that is the first by name.
        let winner = votes.into_iter().rev().max_by_key(|(_, count)| *count);
        winner.map(|(name, _)| name.to_owned())
    }

    /// Whether a request that names this member and instance is the member's.
    pub fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current.as_ref() != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.has_member(member_id) {
            true => Ok(()),
            false => Err(ErrorCode::UnknownMemberId),
        }
    }

    fn is_supported_by_all(&self, protocol: &str) -> bool {
        self.supported_protocols.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    fn count_protocols(&mut self, protocols: &[Protocol], added: bool) {
        for protocol in protocols {
            let count = self.supported_protocols.entry(protocol.name.clone()).or_default();
            *count = if added {
                *count + 1
            } else {
                count.saturating_sub(1)
            };
        }
        self.supported_protocols.retain(|_, count| *count > 0);
    }
}

/// What a join request says of its member besides who it is.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub protocols: Vec<Protocol>,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
}

#[cfg(test)]
impl ClassicGroup {
    /// What is always true of a group, whatever has happened to it.
    pub fn check(&self) {
        let awaiting = self
            .members
            .values()
            .filter(|member| member.is_awaiting_join())
            .count();
        assert_eq!(self.awaiting_join, awaiting);
        let mut supported = HashMap::new();
        for protocol in self.members.values().flat_map(|member| &member.protocols) {
            *supported.entry(protocol.name.clone()).or_insert(0usize) += 1;
        }
        assert_eq!(self.supported_protocols, supported);
        for (instance_id, member_id) in &self.static_members {
            assert_eq!(self.members[member_id].instance_id.as_ref(), Some(instance_id));
        }
        let static_members = self.members.values().filter(|member| member.is_static()).count();
        assert_eq!(self.static_members.len(), static_members);
        assert!(
            self.leader
                .as_ref()
                .is_none_or(|leader| self.members.contains_key(leader))
        );
        assert!(self.leader.is_some() || self.members.is_empty());
        assert!(
            self.pending_members
                .iter()
                .all(|pending| !self.members.contains_key(pending))
        );
        match self.state {
            State::Empty => assert!(self.members.is_empty()),
            State::PreparingRebalance => {
                assert!(self.members.values().all(|member| member.awaiting_sync.is_none()))
            }
            State::CompletingRebalance => assert_eq!(awaiting, 0),
            State::Stable => assert!(!self.members.is_empty()),
        }
    }
}
