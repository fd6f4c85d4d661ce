//! UnregisterBroker (64), version 0: forgets a broker that is gone for good.

use kafka_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use ottla_metadata::controller::{Outcome, Problem};

use crate::api::text::message;
use crate::api::{Ctx, Reply};

pub fn handle(ctx: &Ctx, request: UnregisterBrokerRequest) -> Reply<UnregisterBrokerResponse> {
    let broker_id = request.broker_id.0;
    let ctx = ctx.clone();
    Reply::later(async move {
        let write =
            ctx.node.controller.write(
                move |c, image, _now_ms| match c.unregister_broker(image, broker_id) {
                    Ok(outcome) => outcome.map(Ok),
                    Err(problem) => Outcome::nothing(Err(problem)),
                },
            );
        match write.await.unwrap_or_else(|error| Err(Problem::new(error, ""))) {
            Ok(()) => UnregisterBrokerResponse::default(),
            Err(problem) => UnregisterBrokerResponse::default()
                .with_error_code(problem.code.code())
                .with_error_message(message(&problem.message)),
        }
    })
}
