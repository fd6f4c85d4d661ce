//! DescribeCluster (60), versions 0-2: cluster id, brokers or controllers, and the node that takes admin requests.
//!
//! Endpoint type 1 is brokers. Type 2 (controllers) is answered on controller listeners only, as in Kafka: here it is
//! MISMATCHED_ENDPOINT_TYPE, and a type that does not exist is UNSUPPORTED_ENDPOINT_TYPE. Fenced brokers are listed from
//! version 2 on, if the request wants them (KIP-1073).

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::ErrorCode;

use crate::api::{Ctx, Reply, endpoints, operations};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub fn handle(ctx: &Ctx, request: DescribeClusterRequest) -> Reply<DescribeClusterResponse> {
    let response = match request.endpoint_type {
        BROKERS => brokers(ctx, &request),
        CONTROLLERS => refused(
            ErrorCode::MismatchedEndpointType,
            "this listener answers for brokers; ask a controller listener about controllers",
        ),
        _ => refused(
            ErrorCode::UnsupportedEndpointType,
            "the endpoint type is neither brokers nor controllers",
        ),
    };
    Reply::Now(response.with_endpoint_type(request.endpoint_type))
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

fn refused(error: ErrorCode, message: &'static str) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(error.code())
        .with_error_message(Some(StrBytes::from_static_str(message)))
        .with_cluster_authorized_operations(operations::NOT_REQUESTED)
}
