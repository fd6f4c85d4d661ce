//! PushTelemetry (72), version 0: checked as Kafka checks it, then dropped, as there is nobody to hand the metrics to.

use kafka_protocol::messages::{PushTelemetryRequest, PushTelemetryResponse};
use ottla_base::ErrorCode;
use ottla_base::config::Settings;

use super::instance::Instance;
use super::subscription::{ACCEPTED_CODECS, Subscription};
use crate::api::{Ctx, Reply};

/// No compression: always accepted, and for that reason not offered.
const UNCOMPRESSED: i8 = 0;

pub fn handle(ctx: &Ctx, request: PushTelemetryRequest) -> Reply<PushTelemetryResponse> {
    let error = check(ctx, &request).err().unwrap_or(ErrorCode::None);
    Reply::Now(PushTelemetryResponse::default().with_error_code(error.code()))
}

fn check(ctx: &Ctx, request: &PushTelemetryRequest) -> Result<(), ErrorCode> {
    let id = request.client_instance_id;
    if id.is_nil() {
        return Err(ErrorCode::InvalidRequest);
    }
    let subscription = Subscription::of_client(ctx, id);
    let bytes_max = ctx.node.config.i64("telemetry.max.bytes");
    let content = || {
        let codec = request.compression_type;
        if request.subscription_id != subscription.id {
            Err(ErrorCode::UnknownSubscriptionId)
        } else if codec != UNCOMPRESSED && !ACCEPTED_CODECS.contains(&codec) {
            Err(ErrorCode::UnsupportedCompressionType)
        } else if i64::try_from(request.metrics.len()).unwrap_or(i64::MAX) > bytes_max {
            Err(ErrorCode::TelemetryTooLarge)
        } else {
            Ok(())
        }
    };
    let now_ms = ctx.now_ms();
    Instance::with(ctx, id, &subscription, |instance| {
        instance.push(now_ms, request.terminating, content)
    })
}
