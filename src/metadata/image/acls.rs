//! Access control entries, as they are stored; what they mean is the security room's matter.

use ottla_base::Uuid;

use crate::records::AccessControlEntryRecord;

/// One ACL. The numbers are Kafka's codes of resource type, pattern type, operation and permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub resource_type: i8,
    pub resource_name: String,
    pub pattern_type: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission_type: i8,
}

impl Acl {
    pub fn to_record(&self, id: Uuid) -> AccessControlEntryRecord {
        AccessControlEntryRecord {
            id,
            resource_type: self.resource_type,
            resource_name: self.resource_name.clone(),
            pattern_type: self.pattern_type,
            principal: self.principal.clone(),
            host: self.host.clone(),
            operation: self.operation,
            permission_type: self.permission_type,
        }
    }
}

impl From<&AccessControlEntryRecord> for Acl {
    fn from(record: &AccessControlEntryRecord) -> Self {
        Self {
            resource_type: record.resource_type,
            resource_name: record.resource_name.clone(),
            pattern_type: record.pattern_type,
            principal: record.principal.clone(),
            host: record.host.clone(),
            operation: record.operation,
            permission_type: record.permission_type,
        }
    }
}
