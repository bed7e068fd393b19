//! One request over HTTP/1.1, blocking: connect, send, read the status. Redirects are not followed: the password is for
//! the address that was named.

use super::url::{Tls, Url};
use crate::clock::Clock;
use data_encoding::BASE64;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Answered(u16),
    TimedOut,
    Network(String),
    /// Of this side.
    Error(String),
}

/// Posts the mail; without a length it goes in chunks.
pub fn post(url: &Url, password: &str, mail: &mut dyn Read, length: Option<u64>) -> Ending {
    let mut stream = match open(url) {
        Ok(stream) => stream,
        Err(ending) => return ending,
    };
    let sent = match send(stream.as_mut(), &head(url, password, length), mail, length) {
        Err(Sending::Mail(error)) => return Ending::Error(format!("the mail cannot be read: {error}")),
        Err(Sending::Stream(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    // Who refuses early may close before it has read everything; its answer is there all the same. A mail that was not
    // sent whole was not taken, whatever the answer.
    match (sent, status(stream.as_mut())) {
        (Err(error), Ok(200..=299) | Err(_)) | (Ok(()), Err(error)) => of_stream(&error),
        (Ok(()) | Err(_), Ok(status)) => Ending::Answered(status),
    }
}

trait Stream: Read + Write {
    /// What comes next has this long, in however many pieces.
    fn allow(&mut self, patience: Duration);
}

/// A connection on which no step outlasts its time: a server that sends or takes an octet now and then would keep the MTA
/// waiting for days.
struct Hurried {
    stream: TcpStream,
    until: Instant,
}

impl Hurried {
    fn left(&self, patience: Duration) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Clock::System.monotonic());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.min(patience)) }
    }
}

impl Read for Hurried {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left(READ_PATIENCE)?))?;
        self.stream.read(space)
    }
}

impl Write for Hurried {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left(BLOCK_PATIENCE)?))?;
        self.stream.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Hurried {
    fn allow(&mut self, patience: Duration) {
        self.until = Clock::System.monotonic() + patience;
    }
}

impl Stream for StreamOwned<ClientConnection, Hurried> {
    fn allow(&mut self, patience: Duration) {
        self.sock.allow(patience);
    }
}

fn open(url: &Url) -> Result<Box<dyn Stream>, Ending> {
    let stream = connect(url)?;
    stream.set_nodelay(true).map_err(|error| of_stream(&error))?;
    let mut stream = Hurried { stream, until: Clock::System.monotonic() };
    stream.allow(HANDSHAKE_PATIENCE);
    match url.tls {
        Tls::None => Ok(Box::new(stream)),
        Tls::Verified => handshake(url, stream),
    }
}

/// Name look-up and connection within one second together; a look-up cannot be broken off, so it has a thread.
fn connect(url: &Url) -> Result<TcpStream, Ending> {
    let (done, connected) = mpsc::channel();
    let (host, port) = (url.host.clone(), url.port);
    std::thread::spawn(move || {
        let _ = done.send(dial(&host, port));
    });
    match connected.recv_timeout(CONNECT_PATIENCE) {
        Ok(connected) => connected.map_err(|error| of_stream(&error)),
        Err(_) => Err(Ending::TimedOut),
    }
}

fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(last)
}

fn handshake(url: &Url, mut stream: Hurried) -> Result<Box<dyn Stream>, Ending> {
    let config = client_config().map_err(Ending::Error)?;
    let name = ServerName::try_from(url.host.clone()).map_err(|error| Ending::Error(error.to_string()))?;
    let mut connection = ClientConnection::new(config, name).map_err(|error| Ending::Error(error.to_string()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| match error.kind() {
            // What TLS itself refuses, such as a certificate.
            ErrorKind::InvalidData => Ending::Error(error.to_string()),
            _ => of_stream(&error),
        })?;
    }
    Ok(Box::new(StreamOwned::new(connection, stream)))
}

fn client_config() -> Result<Arc<ClientConfig>, String> {
    let roots = crate::net::roots::load(None).map_err(|error| error.to_string())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

fn of_stream(error: &io::Error) -> Ending {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Ending::TimedOut,
        _ => Ending::Network(error.to_string()),
    }
}

fn head(url: &Url, password: &str, length: Option<u64>) -> String {
    let credentials = BASE64.encode(format!("actionmailbox:{password}").as_bytes());
    let framing = length.map_or("Transfer-Encoding: chunked".to_owned(), |length| format!("Content-Length: {length}"));
    format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Action Mailbox relayer v{}\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: message/rfc822\r\nConnection: close\r\n{framing}\r\n\r\n",
        url.path,
        url.authority,
        env!("CARGO_PKG_VERSION")
    )
}

enum Sending {
    Stream(io::Error),
    Mail(io::Error),
}

fn send(stream: &mut dyn Stream, head: &str, mail: &mut dyn Read, length: Option<u64>) -> Result<(), Sending> {
    stream.allow(BLOCK_PATIENCE);
    stream.write_all(head.as_bytes()).map_err(Sending::Stream)?;
    let mut space = vec![0; BLOCK_OCTETS];
    loop {
        let read = match mail.read(&mut space) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The request stays incomplete, so no server takes a part of the mail for the whole.
            Err(error) => return Err(Sending::Mail(error)),
        };
        let block = space.get(..read).unwrap_or_default();
        stream.allow(BLOCK_PATIENCE);
        let written = match length {
            Some(_) => stream.write_all(block),
            None => write!(stream, "{read:x}\r\n")
                .and_then(|()| stream.write_all(block))
                .and_then(|()| stream.write_all(b"\r\n")),
        };
        written.map_err(Sending::Stream)?;
    }
    let last: &[u8] = if length.is_some() { b"" } else { b"0\r\n\r\n" };
    stream.write_all(last).and_then(|()| stream.flush()).map_err(Sending::Stream)
}

/// The status of the answer; interim ones (RFC 9110 §15.2) are passed over.
fn status(stream: &mut dyn Stream) -> io::Result<u16> {
    stream.allow(ANSWER_PATIENCE);
    let mut octets = Vec::new();
    loop {
        let mut space = [0; 4096];
        let read = stream.read(&mut space)?;
        if read == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "end of file reached"));
        }
        octets.extend_from_slice(space.get(..read).unwrap_or_default());
        match status_in(&octets) {
            Found::Final(status) => return Ok(status),
            Found::Nothing => return Err(io::Error::new(ErrorKind::InvalidData, "the server does not speak HTTP")),
            Found::NotYet if octets.len() > ANSWER_OCTETS_MAX => {
                return Err(io::Error::new(ErrorKind::InvalidData, "the answer of the server has no end"));
            }
            Found::NotYet => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Final(u16),
    NotYet,
    Nothing,
}

fn status_in(octets: &[u8]) -> Found {
    let text = String::from_utf8_lossy(octets);
    let mut rest: &str = &text;
    loop {
        let Some((line, _)) = rest.split_once('\n') else { return Found::NotYet };
        let status = line.strip_prefix("HTTP/1.").and_then(|line| line.split(' ').nth(1)?.trim().parse().ok());
        match status {
            None => return Found::Nothing,
            Some(100..=199) => match rest.split_once("\r\n\r\n") {
                Some((_, next)) => rest = next,
                None => return Found::NotYet,
            },
            Some(status) => return Found::Final(status),
        }
    }
}

const CONNECT_PATIENCE: Duration = Duration::from_secs(1);
const READ_PATIENCE: Duration = Duration::from_secs(10);
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(30);
/// For each block of the mail, so that a mail takes as long as its octets do.
const BLOCK_PATIENCE: Duration = Duration::from_secs(60);
/// For all of the answer, each read of which has less.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
const BLOCK_OCTETS: usize = 64 * 1024;
const ANSWER_OCTETS_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_status_is_found_behind_interim_ones() {
        for (answer, expected) in [
            ("HTTP/1.1 204 No Content\r\n", Found::Final(204)),
            ("HTTP/1.0 401\r\n\r\n", Found::Final(401)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 x\r\n", Found::Final(503)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 5", Found::NotYet),
            ("HTTP/1.1 103 Early\r\nLink: x\r\n", Found::NotYet),
            ("HTTP/1.1 2", Found::NotYet),
            ("220 mx.example ESMTP\r\n", Found::Nothing),
            ("HTTP/1.1 abc\r\n", Found::Nothing),
        ] {
            assert_eq!(status_in(answer.as_bytes()), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_step_that_had_its_time_is_over_however_much_still_comes() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
        let (mut far, _) = listener.accept().expect("a connection");
        far.write_all(b"HTTP/1.1 2").expect("it is open");
        let mut hurried = Hurried { stream, until: Clock::System.monotonic() };
        let late = |result: io::Result<usize>| matches!(result, Err(error) if error.kind() == ErrorKind::TimedOut);
        assert!(late(hurried.read(&mut [0; 1])) && late(hurried.write(b"x")));
        hurried.allow(READ_PATIENCE);
        assert!(matches!(hurried.read(&mut [0; 1]), Ok(1)) && matches!(hurried.write(b"x"), Ok(1)));
    }

    #[test]
    fn the_request_has_the_password_and_says_how_long_it_is() {
        let url = super::super::url::parse("http://a.example:81/in?x").expect("an address");
        let head = head(&url, "secret", Some(7));
        assert!(head.starts_with("POST /in?x HTTP/1.1\r\nHost: a.example:81\r\n"), "{head}");
        assert!(head.contains("Authorization: Basic YWN0aW9ubWFpbGJveDpzZWNyZXQ=\r\n"), "{head}");
        assert!(head.ends_with("Content-Length: 7\r\n\r\n"), "{head}");
    }
}
