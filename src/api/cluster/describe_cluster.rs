//! DescribeCluster (60), versions 0-2: cluster id, brokers or controllers, and the node that takes admin requests.
//!
//! Endpoint type 1 is brokers, answered on their listeners; type 2 is controllers, answered on theirs (KIP-919). The wrong
//! one of the two is MISMATCHED_ENDPOINT_TYPE (INVALID_REQUEST in version 0, which has no type), any other UNSUPPORTED_ENDPOINT_TYPE. Fenced brokers are listed from version 2
//! on, if the request wants them (KIP-1073).

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;

use crate::api::{Ctx, Reply, endpoints, operations};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub fn handle(ctx: &Ctx, request: DescribeClusterRequest) -> Reply<DescribeClusterResponse> {
    let response = match (request.endpoint_type, ctx.listener.is_controller) {
        (BROKERS, false) => brokers(ctx, &request),
        (CONTROLLERS, true) => controllers(ctx, &request),
        (BROKERS, true) if ctx.api_version == 0 => refused(
            ErrorCode::InvalidRequest,
            "this listener answers for controllers, of which version 0 knows nothing",
        ),
        (BROKERS, true) => refused(
            ErrorCode::MismatchedEndpointType,
            "this listener answers for controllers; ask a broker listener about brokers",
        ),
        (CONTROLLERS, false) => refused(
            ErrorCode::MismatchedEndpointType,
            "this listener answers for brokers; ask a controller listener about controllers",
        ),
        _ => refused(
            ErrorCode::UnsupportedEndpointType,
            "the endpoint type is neither brokers nor controllers",
        ),
    };
    // A refusal names no type, whatever was asked for.
    Reply::Now(match response.error_code {
        0 => response.with_endpoint_type(request.endpoint_type),
        _ => response,
    })
}

fn brokers(ctx: &Ctx, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let image = ctx.image();
    let controller = endpoints::admin_target(ctx, &endpoints::alive(ctx, &image));
    let listed = endpoints::brokers(ctx, &image).into_iter();
    let listed = listed
        .filter(|broker| !broker.fenced || request.include_fenced_brokers)
        .map(|broker| {
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(broker.id))
                .with_host(broker.host)
                .with_port(broker.port)
                .with_rack(broker.rack)
                .with_is_fenced(broker.fenced)
        });
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(ctx.node.cluster_id.clone()))
        .with_controller_id(BrokerId(controller))
        .with_brokers(listed.collect())
        .with_cluster_authorized_operations(operations::on_cluster(
            request.include_cluster_authorized_operations,
        ))
}

/// The controllers that have registered, each with its endpoint of this listener's name.
fn controllers(ctx: &Ctx, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let image = ctx.image();
    let listed = image.controllers.values().filter_map(|controller| {
        let endpoint = controller
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == ctx.listener.name)?;
        let is_self = controller.id == ctx.node.config.node_id && ctx.listener.advertised.is_none();
        let (host, port) = match is_self {
            true => (
                ctx.local_addr.ip().to_canonical().to_string(),
                ctx.local_addr.port(),
            ),
            false => (endpoint.host.clone(), endpoint.port),
        };
        let controller = DescribeClusterBroker::default().with_broker_id(BrokerId(controller.id));
        Some(
            controller
                .with_host(StrBytes::from_string(host))
                .with_port(i32::from(port)),
        )
    });
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(ctx.node.cluster_id.clone()))
        .with_controller_id(BrokerId(ctx.node.controller.quorum().leader_id))
        .with_brokers(listed.collect())
        .with_cluster_authorized_operations(operations::on_cluster(
            request.include_cluster_authorized_operations,
        ))
}

fn refused(error: ErrorCode, message: &'static str) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(error.code())
        .with_error_message(Some(StrBytes::from_static_str(message)))
        .with_cluster_authorized_operations(operations::NOT_REQUESTED)
}
