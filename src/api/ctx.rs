//! What a handler is given besides its request.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use kafka_protocol::protocol::StrBytes;
use ottla_base::Clock;
use ottla_base::config::{BrokerConfig, Listener};
use ottla_metadata::Image;

use super::data::FetchState;
use crate::replica::{ReplicaManager, TransactionVerifier};
use crate::runtime::producer_ids::ProducerIds;
use crate::runtime::{ControllerHandle, GroupCoordinator, MarkerWriter, TransactionCoordinator};
use crate::wire::service::ConnectionInfo;

/// The node, as handlers may use it. Built once by `broker`.
pub struct Node {
    /// As clients print it: 22 characters.
    pub cluster_id: String,
    pub config: Arc<BrokerConfig>,
    /// The cluster as of the last committed metadata record that this node has applied.
    pub image: ArcSwap<Image>,
    pub replicas: Arc<ReplicaManager>,
    pub controller: ControllerHandle,
    pub groups: Arc<GroupCoordinator>,
    pub transactions: Arc<TransactionCoordinator>,
    pub producer_ids: Arc<ProducerIds>,
    /// Whether partitions are in open transactions.
    pub verifier: Arc<dyn TransactionVerifier>,
    /// The ends of transactions, into the partitions of this node.
    pub markers: Arc<MarkerWriter>,
    /// Sessions and limits of fetches: `FetchState::new(&config)`.
    pub fetch: FetchState,
    pub clock: Arc<dyn Clock>,
    pub started_ms: i64,
}

/// One request's surroundings. Cheap to clone, so that a handler can take it into the part that waits.
#[derive(Clone)]
pub struct Ctx {
    pub node: Arc<Node>,
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
    pub principal: Arc<str>,
    pub listener: Arc<Listener>,
    pub local_addr: SocketAddr,
    pub peer_addr: SocketAddr,
    pub connection: Arc<ConnectionInfo>,
}

impl Ctx {
    pub fn now_ms(&self) -> i64 {
        self.node.clock.now_ms()
    }

    /// The current image; the same one for the whole request if it is asked for once.
    pub fn image(&self) -> Arc<Image> {
        self.node.image.load_full()
    }

    /// The client's id, or the empty text.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or("")
    }
}
