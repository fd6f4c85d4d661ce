//! What a controller writes when it becomes active: into an empty log the cluster's first records, and who it is.

use super::{Controller, Draft, Outcome, Problem};
use crate::image::Image;
use crate::records::{BeginTransactionRecord, EndTransactionRecord, Record, RegisterControllerRecord};

impl Controller {
    /// The first records of a cluster, from its `bootstrap.checkpoint`: a metadata transaction, so that a controller that dies in
    /// the middle leaves no half-made cluster behind.
    pub fn bootstrap(&self, image: &Image, bootstrap: Vec<Record>) -> Result<Outcome<()>, Problem> {
        let mut draft = Draft::new(image);
        draft.extend(bootstrap)?;
        if draft.image.features.is_elr_enabled()
            && let Some(record) = self.min_isr_for_elr(&draft.image)
        {
            draft.push(record)?;
        }
        let mut records = draft.records;
        if draft.image.features.metadata_version().has_transactions() {
            let name = Some("Bootstrap records".to_owned());
            records.insert(0, Record::from(BeginTransactionRecord { name }));
            records.push(EndTransactionRecord {}.into());
        }
        Ok(Outcome {
            records,
            response: (),
        })
    }

    /// Names this controller in the log, unless the log already says the same.
    pub fn register_controller(&self, image: &Image, registration: RegisterControllerRecord) -> Outcome<()> {
        let is_known = image
            .controllers
            .get(&registration.controller_id)
            .is_some_and(|known| known.to_record() == registration);
        if is_known || !image.features.metadata_version().has_controller_registration() {
            return Outcome::nothing(());
        }
        Outcome {
            records: vec![registration.into()],
            response: (),
        }
    }
}
