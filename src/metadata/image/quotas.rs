//! Client quotas: numbers by entity (user, client id, address) and key.

use imbl::OrdMap;

use crate::delta::Delta;
use crate::records::{ClientQuotaRecord, QuotaEntityRecord};

/// Who a quota is for: pairs of type and name, sorted by type; a name of `None` is the default of its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntity(Vec<(String, Option<String>)>);

impl QuotaEntity {
    pub fn new(mut parts: Vec<(String, Option<String>)>) -> Self {
        parts.sort();
        Self(parts)
    }

    pub fn parts(&self) -> &[(String, Option<String>)] {
        &self.0
    }

    pub fn to_record(&self, key: &str, value: Option<f64>) -> ClientQuotaRecord {
        ClientQuotaRecord {
            entity: self
                .0
                .iter()
                .map(|(entity_type, entity_name)| QuotaEntityRecord {
                    entity_type: entity_type.clone(),
                    entity_name: entity_name.clone(),
                })
                .collect(),
            key: key.to_owned(),
            value: value.unwrap_or(0.0),
            remove: value.is_none(),
        }
    }
}

/// All client quotas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotas(OrdMap<QuotaEntity, OrdMap<String, f64>>);

impl ClientQuotas {
    pub fn get(&self, entity: &QuotaEntity) -> Option<&OrdMap<String, f64>> {
        self.0.get(entity)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &OrdMap<String, f64>)> {
        self.0.iter()
    }

    pub(super) fn apply(&mut self, record: &ClientQuotaRecord, delta: &mut Delta) {
        let parts = record
            .entity
            .iter()
            .map(|part| (part.entity_type.clone(), part.entity_name.clone()));
        let entity = QuotaEntity::new(parts.collect());
        let quotas = self.0.entry(entity.clone()).or_default();
        if record.remove {
            quotas.remove(&record.key);
        } else {
            quotas.insert(record.key.clone(), record.value);
        }
        if quotas.is_empty() {
            self.0.remove(&entity);
        }
        delta.client_quotas = true;
    }
}
