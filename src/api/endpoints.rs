//! Under which address clients are told to reach each broker.
//!
//! Every broker registers its endpoints in the metadata log, one per listener; a client is told those of the listener on
//! which it asked. For this node itself a listener without `advertised.listeners` has no fixed address: the client is told
//! the one on which it reached us, so that localhost, a container network and a LAN all work without configuration.

use kafka_protocol::protocol::StrBytes;
use ottla_metadata::Image;

use super::Ctx;

/// A broker as one client may reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub id: i32,
    pub host: StrBytes,
    pub port: i32,
    pub rack: Option<StrBytes>,
    pub fenced: bool,
}

/// The brokers that have an endpoint on the client's listener, in the order of their ids; fenced ones too.
pub fn brokers(ctx: &Ctx, image: &Image) -> Vec<Endpoint> {
    image
        .brokers
        .keys()
        .filter_map(|id| broker(ctx, image, *id))
        .collect()
}

/// One broker, if it is registered and has an endpoint on the client's listener.
pub fn broker(ctx: &Ctx, image: &Image, id: i32) -> Option<Endpoint> {
    let broker = image.brokers.get(&id)?;
    let (host, port) = if id == ctx.node.config.node_id && ctx.listener.advertised.is_none() {
        (
            ctx.local_addr.ip().to_canonical().to_string(),
            ctx.local_addr.port(),
        )
    } else {
        let endpoint = broker
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == ctx.listener.name)?;
        (endpoint.host.clone(), endpoint.port)
    };
    Some(Endpoint {
        id,
        host: StrBytes::from_string(host),
        port: i32::from(port),
        rack: broker.rack.clone().map(StrBytes::from_string),
        fenced: broker.fenced,
    })
}

/// The brokers that serve, as a client sees them.
pub fn alive(ctx: &Ctx, image: &Image) -> Vec<Endpoint> {
    let mut brokers = brokers(ctx, image);
    brokers.retain(|broker| !broker.fenced);
    brokers
}

/// The broker that clients are told to send admin requests to. Any one that serves will do, since each of them passes such
/// requests on to the active controller (KIP-590); this node is the nearest.
pub fn admin_target(ctx: &Ctx, alive: &[Endpoint]) -> i32 {
    let own = ctx.node.config.node_id;
    match alive.iter().any(|broker| broker.id == own) {
        true => own,
        false => alive.first().map_or(-1, |broker| broker.id),
    }
}
