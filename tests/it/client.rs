//! A client without a library: one socket, frames, headers by the rules of the protocol guide, bodies by kafka-protocol.
//! It does exactly what a test says, so it can also be slow, wrong or hostile.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// No test waits longer than this for the broker.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    stream: TcpStream,
    client_id: &'static str,
    correlation_id: i32,
    /// What is held back until all of it goes out at once.
    held_back: Option<Vec<u8>>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            client_id: "it",
            correlation_id: 0,
            held_back: None,
        }
    }

    /// Sends a request and waits for its answer.
    pub fn call<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response {
        let correlation_id = self.send(version, request);
        self.receive::<Q>(version, correlation_id)
    }

    /// Sends a request and returns its correlation id.
    pub fn send<Q: Request>(&mut self, version: i16, request: &Q) -> i32 {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).expect("the request encodes");
        let header_version = Q::header_version(version);
        self.send_body(Q::KEY, version, header_version, &body)
    }

    /// The next answer, which must be the one to this request.
    pub fn receive<Q: Request>(&mut self, version: i16, correlation_id: i32) -> Q::Response {
        let mut frame = self.receive_frame().expect("the broker answers");
        let header = ResponseHeader::decode(&mut frame, Q::Response::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, correlation_id, "answers come in order");
        let response = Q::Response::decode(&mut frame, version).expect("the answer decodes");
        assert_eq!(frame.len(), 0, "nothing follows the answer");
        response
    }

    /// What `sends` sends goes out in one piece, so that the broker has all of it before it begins with the first.
    pub fn together<R>(&mut self, sends: impl FnOnce(&mut Self) -> R) -> R {
        self.held_back = Some(Vec::new());
        let result = sends(self);
        let bytes = self.held_back.take().unwrap_or_default();
        self.send_bytes(&bytes);
        result
    }

    /// Sends a body as it is behind a right header.
    pub fn send_body(&mut self, key: i16, version: i16, header_version: i16, body: &[u8]) -> i32 {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(key)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str(self.client_id)));
        let mut frame = BytesMut::new();
        header.encode(&mut frame, header_version).unwrap();
        frame.put_slice(body);
        self.send_frame(&frame);
        self.correlation_id
    }

    pub fn send_frame(&mut self, frame: &[u8]) {
        let size = u32::try_from(frame.len()).unwrap();
        self.send_bytes(&[&size.to_be_bytes(), frame].concat());
    }

    /// Sends what may be no frame at all. That the broker has hung up meanwhile is for the reader to find out.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        if let Some(held_back) = &mut self.held_back {
            return held_back.extend_from_slice(bytes);
        }
        match self.stream.write_all(bytes) {
            Err(error) if !is_hang_up(error.kind()) => panic!("cannot send: {error}"),
            _ => {}
        }
    }

    /// The next frame without its size; `None` if the broker has closed the connection.
    pub fn receive_frame(&mut self) -> Option<Bytes> {
        let size = self.receive_bytes(4)?.get_u32();
        self.receive_bytes(size as usize)
    }

    /// Whether the broker has closed the connection, without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.receive_bytes(1).is_none()
    }

    fn receive_bytes(&mut self, len: usize) -> Option<Bytes> {
        let mut bytes = vec![0; len];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes.into()),
            Err(error) if is_hang_up(error.kind()) => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

fn is_hang_up(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
    )
}
