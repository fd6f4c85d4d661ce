//! One connection with one request under way, as a producer or a group member has it. Nothing is tried again here: whoever asks
//! must know what was sent and what was answered.

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const LENGTH_BYTES: usize = 4;

pub struct Connection {
    stream: TcpStream,
    client_id: StrBytes,
    correlation_id: i32,
    buffer: BytesMut,
}

impl Connection {
    /// Nothing has been sent when this fails.
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

    /// When this fails the request may have been carried out all the same, and the connection is of no more use.
    pub async fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Result<Q::Response> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = self::request(version, self.correlation_id, &self.client_id, request)?;
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

/// The length and the request.
pub fn request<Q: Request>(
    version: i16,
    correlation_id: i32,
    client_id: &StrBytes,
    request: &Q,
) -> Result<BytesMut> {
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(client_id.clone()));
    let mut frame = BytesMut::with_capacity(512);
    frame.put_u32(0);
    header.encode(&mut frame, Q::header_version(version))?;
    request.encode(&mut frame, version)?;
    let length = u32::try_from(frame.len() - LENGTH_BYTES)?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}
