//! Posts one mail as a mail host does: an SMTP client of a few lines, for the people of the demo. Its only peer is the
//! demo's own door.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A mail and its envelope.
#[derive(Debug)]
pub struct Letter {
    pub hello: &'static str,
    pub from: String,
    pub to: String,
    /// With CRLF line ends.
    pub octets: Vec<u8>,
}

/// The last words of the door: `Ok` when it took the mail, `Err` when it refused.
pub async fn post(door: SocketAddr, letter: &Letter) -> Result<String, String> {
    match timeout(PATIENCE, converse(door, letter)).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => Err(format!("the connection to {door} broke: {error}")),
        Err(_elapsed) => Err(format!("{door} did not answer in time")),
    }
}

async fn converse(door: SocketAddr, letter: &Letter) -> io::Result<Result<String, String>> {
    let mut stream = BufReader::new(TcpStream::connect(door).await?);
    let commands = [
        format!("EHLO {}\r\n", letter.hello).into_bytes(),
        format!("MAIL FROM:<{}> BODY=8BITMIME\r\n", letter.from).into_bytes(),
        format!("RCPT TO:<{}>\r\n", letter.to).into_bytes(),
        b"DATA\r\n".to_vec(),
        stuffed(&letter.octets),
    ];
    let mut said = reply(&mut stream).await?;
    for command in commands {
        if !said.starts_with(['2', '3']) {
            return Ok(Err(said));
        }
        stream.write_all(&command).await?;
        said = reply(&mut stream).await?;
    }
    // The mail is taken or not by now; a lost farewell changes nothing.
    let _ = stream.write_all(b"QUIT\r\n").await;
    Ok(if said.starts_with('2') { Ok(said) } else { Err(said) })
}

/// The last line of a reply.
async fn reply(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.trim_end().to_owned());
        }
    }
}

/// RFC 5321 §4.5.2, with the end of data.
fn stuffed(octets: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(octets.len() + 8);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_dot_are_stuffed() {
        for (octets, expected) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n..a\r\nb.\r\n", "..\r\n...a\r\nb.\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&stuffed(octets.as_bytes())), expected, "{octets:?}");
        }
    }
}
