//! UnregisterBroker (64), version 0: forgets a broker that is gone for good.

use kafka_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::api::text::message;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: UnregisterBrokerRequest) -> Reply<UnregisterBrokerResponse> {
    let broker_id = request.broker_id.0;
    let ctx = ctx.clone();
    Reply::later(async move {
        let controller = &ctx.node.controller;
        let write = controller.try_write(move |c, image, _now_ms| c.unregister_broker(image, broker_id));
        match write.await {
            Ok(()) => UnregisterBrokerResponse::default(),
            Err(problem) => UnregisterBrokerResponse::default()
                .with_error_code(problem.code.code())
                .with_error_message(message(&problem.message)),
        }
    })
}
