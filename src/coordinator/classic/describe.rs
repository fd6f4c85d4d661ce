//! A group as administrators see it.

use bytes::Bytes;
use ottla_base::ErrorCode;

use super::group::{ClassicGroup, State};
use super::member::Member;
use crate::command::{DescribedGroup, DescribedMember, ListedGroup};

/// Kafka's name of the type, in lists and in filters.
pub(crate) const GROUP_TYPE: &str = "classic";

impl ClassicGroup {
    /// Which protocol and metadata hold is only certain in a stable group.
    pub fn described(&self) -> DescribedGroup {
        let protocol = self.protocol.as_deref().filter(|_| self.is_in(State::Stable));
        let describe = |member: &Member| DescribedMember {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol.map_or_else(Bytes::new, |protocol| member.metadata(protocol)),
            assignment: member.assignment.clone(),
        };
        DescribedGroup {
            group_id: self.id.to_string(),
            error: ErrorCode::None,
            message: None,
            state: self.state().name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: protocol.unwrap_or_default().to_owned(),
            members: self.members().map(describe).collect(),
        }
    }

    pub fn listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.to_string(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state().name(),
            group_type: GROUP_TYPE,
        }
    }
}
