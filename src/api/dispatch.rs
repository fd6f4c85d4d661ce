//! From a frame to an answer: header, row, version, authorization, decode, handle, encode.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use tracing::error;

use super::ctx::{Ctx, Node};
use super::reply::{Answered, Reply};
use super::table::Class;
use super::{cluster, table};
use crate::wire::header::{RequestHeader, response_header};
use crate::wire::service::{Answer, ConnectionInfo, Pending, Service};
use crate::wire::{Body, WireError};

/// The node's answers to requests, as `net` sees them.
pub struct Dispatch {
    node: Arc<Node>,
}

impl Dispatch {
    pub fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

impl Service for Dispatch {
    fn may_overlap(&self, frame: &[u8]) -> bool {
        let key = frame.first_chunk().map(|key| i16::from_be_bytes(*key));
        key.and_then(table::row)
            .is_some_and(|row| row.class == Class::Data)
    }

    fn call(&self, connection: &Arc<ConnectionInfo>, frame: Bytes) -> Pending {
        match self.start(connection, frame) {
            Ok(pending) => pending,
            Err(error) => Pending::Now(Answer::Close(error.to_string())),
        }
    }
}

impl Dispatch {
    fn start(&self, connection: &Arc<ConnectionInfo>, mut frame: Bytes) -> Result<Pending, WireError> {
        let header = RequestHeader::read(&mut frame)?;
        let row = table::row(header.api_key).ok_or(WireError::UnknownApiKey(header.api_key))?;
        let supported = row.scope.is_served_on(&connection.listener)
            && row
                .works()
                .is_some_and(|versions| versions.contains(&header.api_version));
        let Some(handler) = row.handler.filter(|_| supported) else {
            return unsupported(&header);
        };
        let ctx = self.context(connection, &header);
        Ok(match handler(&ctx, frame) {
            Ok(reply) => pending(reply, header),
            Err(error) => Pending::Now(Answer::Close(format!("{}: {error}", name_of(&header)))),
        })
    }

    fn context(&self, connection: &Arc<ConnectionInfo>, header: &RequestHeader) -> Ctx {
        Ctx {
            node: self.node.clone(),
            api_key: header.api_key,
            api_version: header.api_version,
            correlation_id: header.correlation_id,
            client_id: header.client_id.clone(),
            principal: connection.principal.clone(),
            listener: connection.listener.clone(),
            local_addr: connection.local_addr,
            peer_addr: connection.peer_addr,
            connection: connection.clone(),
        }
    }
}

/// A version that this node does not speak closes the connection, as in Kafka; only a client that asks for the versions
/// themselves gets an answer that it can read.
fn unsupported(header: &RequestHeader) -> Result<Pending, WireError> {
    match cluster::api_versions::unsupported_version(header.api_key) {
        Some(body) => Ok(Pending::Now(framed(header, body))),
        None => Err(WireError::UnsupportedVersion {
            key: header.api_key,
            version: header.api_version,
        }),
    }
}

fn pending(reply: Reply<Result<Body, WireError>>, header: RequestHeader) -> Pending {
    match reply {
        Reply::Now(body) => Pending::Now(framed(&header, body)),
        Reply::Later(future) => Pending::Later(future.map(move |body| framed(&header, body)).boxed()),
        Reply::Nothing => Pending::Now(Answer::Silence),
        Reply::Close(reason) => Pending::Now(Answer::Close(reason.to_owned())),
        Reply::Eventually(future) => {
            Pending::Later(future.map(move |answered| ended(&header, answered)).boxed())
        }
        Reply::Alone(future) => Pending::Alone(future.map(move |answered| ended(&header, answered)).boxed()),
    }
}

fn ended(header: &RequestHeader, answered: Answered<Result<Body, WireError>>) -> Answer {
    match answered {
        Answered::With(body) => framed(header, body),
        Answered::Nothing => Answer::Silence,
        Answered::Close(reason) => Answer::Close(reason.to_owned()),
    }
}

fn framed(header: &RequestHeader, body: Result<Body, WireError>) -> Answer {
    match body {
        Ok(body) => {
            let mut answer = Body::from(response_header(
                header.api_key,
                header.api_version,
                header.correlation_id,
            ));
            answer.append(body);
            Answer::Frame(answer)
        }
        // The handler has set what the version cannot carry: a fault of ours, not of the client.
        Err(error) => {
            let api = name_of(header);
            error!(%api, %error, "an answer cannot be written");
            Answer::Close(format!("{api}: {error}"))
        }
    }
}

/// Name and version of the API, for the log.
fn name_of(header: &RequestHeader) -> String {
    let name = table::row(header.api_key).map_or("?", |row| row.name);
    format!("{name} {}", header.api_version)
}
