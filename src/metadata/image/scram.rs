//! SCRAM credentials: what a server keeps of a password.

use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;

use super::ImageError;
use crate::delta::Delta;
use crate::records::{RemoveUserScramCredentialRecord, UserScramCredentialRecord};

/// The hash of a SCRAM mechanism. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ScramMechanism {
    Sha256 = 1,
    Sha512 = 2,
}

impl ScramMechanism {
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub fn code(self) -> i8 {
        self as i8
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramCredential {
    pub salt: Bytes,
    pub stored_key: Bytes,
    pub server_key: Bytes,
    pub iterations: i32,
}

/// All SCRAM credentials, by mechanism and user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scram(OrdMap<(ScramMechanism, String), Arc<ScramCredential>>);

impl Scram {
    pub fn get(&self, mechanism: ScramMechanism, user: &str) -> Option<&Arc<ScramCredential>> {
        self.0.get(&(mechanism, user.to_owned()))
    }

    pub fn iter(&self) -> impl Iterator<Item = (ScramMechanism, &str, &ScramCredential)> {
        self.0
            .iter()
            .map(|((mechanism, user), credential)| (*mechanism, user.as_str(), credential.as_ref()))
    }

    pub(super) fn put(
        &mut self,
        record: &UserScramCredentialRecord,
        delta: &mut Delta,
    ) -> Result<(), ImageError> {
        let credential = ScramCredential {
            salt: record.salt.clone(),
            stored_key: record.stored_key.clone(),
            server_key: record.server_key.clone(),
            iterations: record.iterations,
        };
        let key = (mechanism(record.mechanism)?, record.name.clone());
        self.0.insert(key, Arc::new(credential));
        delta.scram = true;
        Ok(())
    }

    pub(super) fn remove(
        &mut self,
        record: &RemoveUserScramCredentialRecord,
        delta: &mut Delta,
    ) -> Result<(), ImageError> {
        self.0
            .remove(&(mechanism(record.mechanism)?, record.name.clone()));
        delta.scram = true;
        Ok(())
    }
}

fn mechanism(code: i8) -> Result<ScramMechanism, ImageError> {
    ScramMechanism::from_code(code).ok_or(ImageError::UnknownScramMechanism(code))
}
