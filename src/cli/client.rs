//! The API of the running daemon, over its Unix socket.

use super::failure::{Exit, Failure};
use crate::config;
use crate::daemon::sockets::OWNER_SOCKET;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// Where the daemon of a config answers.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
}

/// One answer: status and content.
struct Answer {
    status: u16,
    octets: Bytes,
}

impl Client {
    pub fn of(config_file: &Path) -> Result<Client, Failure> {
        Ok(Client { socket: config::data_dir(config_file)?.join(OWNER_SOCKET) })
    }

    /// Calls and reads JSON; an empty answer is null.
    pub fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let octets = self.octets(method, path, body)?;
        if octets.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&octets)
            .map_err(|error| Failure::new(Exit::Software, format!("the daemon answered no JSON: {error}")))
    }

    pub fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None)
    }

    /// Calls and gives the content as it is.
    pub fn octets(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(self.exchange(method, path, body))?;
        if (200..300).contains(&answer.status) { Ok(answer.octets) } else { Err(refused(&answer, path)) }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let stream = tokio::net::UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let broken = |error: hyper::Error| Failure::new(Exit::Unavailable, format!("the daemon broke off: {error}"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the sender; its errors are the request's.
        drop(tokio::spawn(connection));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "replyd")
            .header("content-type", "application/json")
            .body(Full::new(body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()))))
            .map_err(|error| Failure::new(Exit::Data, format!("{path}: {error}")))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let octets = response.into_body().collect().await.map_err(broken)?.to_bytes();
        Ok(Answer { status, octets })
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let socket = self.socket.display();
        let (exit, way_out) = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => (
                Exit::Unavailable,
                "is the daemon running with this config? Start it with replyd serve, or name its config with --config",
            ),
            io::ErrorKind::PermissionDenied => (Exit::Unavailable, "run this as the daemon's user or as root"),
            _ => (Exit::Unavailable, "see the daemon's log"),
        };
        Failure::new(exit, format!("cannot reach the daemon at {socket}: {error}; {way_out}"))
    }
}

/// The daemon's own words, and the exit code that its status means.
fn refused(answer: &Answer, path: &str) -> Failure {
    let body: Value = serde_json::from_slice(&answer.octets).unwrap_or(Value::Null);
    let message = super::print::field(&body, "/error/message");
    let exit = match answer.status {
        503 | 504 => Exit::TryAgain,
        400..=499 => Exit::Data,
        _ => Exit::Software,
    };
    // `/api/v1/what/ID…`: what was asked for is named.
    let asked = path.split(['/', '?']).nth(4).filter(|asked| answer.status == 404 && !asked.contains('='));
    let message = asked.map_or(message.clone(), |id| format!("{id}: {message}; the list command shows what there is"));
    let message = if message.is_empty() { format!("the daemon answered {}", answer.status) } else { message };
    Failure::new(exit, message)
}

/// A value in a query.
pub fn escaped(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    text.bytes()
        .map(|octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}

/// `path?name=value&…` of those that have a value.
pub fn with_query(path: &str, query: &[(&str, Option<String>)]) -> String {
    let given = query.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_deref()?))));
    let query = given.collect::<Vec<_>>().join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let query = [("query", Some("<a b@c>&x".to_owned())), ("limit", None)];
        assert_eq!(with_query("/x", &query), "/x?query=%3Ca%20b%40c%3E%26x");
        assert_eq!(with_query("/x", &[("limit", None)]), "/x");
    }
}
