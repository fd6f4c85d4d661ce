//! One connection with one request under way, as a group member has it.

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{self, LENGTH_BYTES};

pub struct Connection {
    stream: TcpStream,
    client_id: StrBytes,
    correlation_id: i32,
    buffer: BytesMut,
}

impl Connection {
    pub async fn open(address: &str, client_id: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            client_id: StrBytes::from_string(client_id.to_owned()),
            correlation_id: 0,
            buffer: BytesMut::new(),
        })
    }

    pub async fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = frames::request(version, self.correlation_id, &self.client_id, request)?;
        self.stream.write_all(&frame).await?;
        let mut answer = self.receive().await?;
        let header = ResponseHeader::decode(&mut answer, Q::Response::header_version(version))?;
        if header.correlation_id != self.correlation_id {
            bail!(
                "an answer to request {} came for {}",
                header.correlation_id,
                self.correlation_id
            );
        }
        Q::Response::decode(&mut answer, version)
    }

    async fn receive(&mut self) -> Result<Bytes> {
        loop {
            if let Some(mut head) = self.buffer.get(..LENGTH_BYTES) {
                let end = LENGTH_BYTES + head.get_u32() as usize;
                if self.buffer.len() >= end {
                    let mut frame = self.buffer.split_to(end);
                    frame.advance(LENGTH_BYTES);
                    return Ok(frame.freeze());
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the broker closed the connection");
            }
        }
    }
}
