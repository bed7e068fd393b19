//! One HTTP call over TCP or a Unix socket, as plain octets: nothing of the server's library is on this side.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub enum Server {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Lower case.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn error_message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Server {
    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.call("GET", path, token, "")
    }

    pub fn call(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let length = body.len();
        self.exchange(&format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{authorization}\r\n{body}"
        ))
    }

    pub fn exchange(&self, request: &str) -> Answer {
        self.exchange_octets(request.as_bytes())
    }

    pub fn exchange_octets(&self, request: &[u8]) -> Answer {
        match self {
            Server::Tcp(address) => converse(TcpStream::connect(address).expect("the server listens"), request),
            Server::Socket(path) => converse(UnixStream::connect(path).expect("the socket answers"), request),
        }
    }
}

impl Server {
    /// As [`Server::exchange_octets`], and says that no more will come.
    pub fn exchange_octets_and_end(&self, request: &[u8]) -> Answer {
        let Server::Tcp(address) = self else { panic!("over TCP only") };
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.write_all(request).expect("the server reads");
        stream.shutdown(std::net::Shutdown::Write).expect("a half-closed connection");
        converse(stream, b"")
    }
}

fn converse(mut stream: impl Read + Write, request: &[u8]) -> Answer {
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(request);
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    let text = String::from_utf8_lossy(&octets).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
