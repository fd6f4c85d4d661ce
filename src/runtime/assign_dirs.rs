//! Tells the controller in which log directories this broker's replicas lie, when its metadata says otherwise: after a
//! replica was created on a broker with several directories, or found in another one at the start (KIP-858).

use std::sync::Arc;

use ottla_metadata::{Delta, Image};
use tracing::warn;

use super::ControllerHandle;
use super::publish::Subscriber;
use crate::replica::ReplicaManager;

/// Hears of changes after the replica manager has acted on them.
pub struct AssignDirs {
    pub replicas: Arc<ReplicaManager>,
    pub controller: ControllerHandle,
    pub runtime: tokio::runtime::Handle,
}

impl Subscriber for AssignDirs {
    fn apply(&mut self, image: &Arc<Image>, delta: &Delta) {
        let misplaced = self.replicas.misplaced(image, delta);
        if misplaced.is_empty() {
            return;
        }
        // The controller waits for its subscribers, so it cannot be waited for here.
        let (controller, broker_id) = (self.controller.clone(), self.replicas.node_id());
        self.runtime.spawn(async move {
            let assign = controller
                .write(move |c, image, _now_ms| c.assign_replicas_to_dirs(image, broker_id, &misplaced));
            if let Err(error) = assign.await {
                warn!(
                    error = error.name(),
                    "the controller was not told where replicas lie"
                );
            }
        });
    }
}
