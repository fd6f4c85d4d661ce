//! GetTelemetrySubscriptions (71), version 0: which metrics a client shall push, and how often.

use kafka_protocol::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_base::config::Settings;
use ottla_base::{ErrorCode, Uuid};

use super::instance::Instance;
use super::subscription::{ACCEPTED_CODECS, Subscription};
use crate::api::{Ctx, Reply};

pub fn handle(
    ctx: &Ctx,
    request: GetTelemetrySubscriptionsRequest,
) -> Reply<GetTelemetrySubscriptionsResponse> {
    let id = match request.client_instance_id {
        id if id.is_nil() => Uuid::new_v4(),
        id => id,
    };
    let subscription = Subscription::of_client(ctx, id);
    let now_ms = ctx.now_ms();
    if let Err(error) = Instance::with(ctx, id, &subscription, |instance| instance.get(now_ms)) {
        return Reply::Now(GetTelemetrySubscriptionsResponse::default().with_error_code(error.code()));
    }
    let metrics = subscription.metrics.iter().cloned().map(StrBytes::from_string);
    Reply::Now(
        GetTelemetrySubscriptionsResponse::default()
            .with_error_code(ErrorCode::None.code())
            .with_client_instance_id(id)
            .with_subscription_id(subscription.id)
            .with_accepted_compression_types(ACCEPTED_CODECS.to_vec())
            .with_push_interval_ms(subscription.interval_ms)
            .with_telemetry_max_bytes(ctx.node.config.i32("telemetry.max.bytes"))
            .with_delta_temporality(true)
            .with_requested_metrics(metrics.collect()),
    )
}
