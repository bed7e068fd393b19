//! The PROXY header (HAProxy PROXY protocol, versions 1 and 2) of peers that must send one.
//!
//! Never sniffed: only listed networks speak it, and they must. Reading takes exactly the header's octets, so that
//! what follows (a ClientHello, say) is still in the socket. The caller owns the deadline.

use proxy_header::{ParseConfig, ProxyHeader};
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Why there is no client behind the connection.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("the connection ended in the PROXY header: {0}")]
    Read(#[from] std::io::Error),
    #[error("not a PROXY header")]
    Malformed,
}

/// What the proxy says of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxied {
    /// The true client.
    Client(IpAddr),
    /// The proxy speaks for itself (`LOCAL`, `UNKNOWN`) or for a Unix socket: the connection's own address counts.
    Itself,
}

/// `PROXY UNKNOWN\r\n` is the shortest header; a version 2 one has 16 octets and more.
const SHORTEST: usize = 15;
/// Version 1 §2.1: 107 octets with CRLF are always enough.
const V1_OCTETS_MAX: usize = 107;
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads one header off the front of the connection.
pub async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Proxied, ProxyError> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await?;
    if header.starts_with(V2_SIGNATURE) {
        read_v2(stream, &mut header).await?;
    } else if header.starts_with(b"PROXY ") {
        read_v1(stream, &mut header).await?;
    } else {
        return Err(ProxyError::Malformed);
    }
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    let (parsed, octets) = ProxyHeader::parse(&header, config).map_err(|_| ProxyError::Malformed)?;
    if octets != header.len() {
        return Err(ProxyError::Malformed);
    }
    Ok(parsed.proxied_address().map_or(Proxied::Itself, |client| Proxied::Client(client.source.ip().to_canonical())))
}

/// A line: octet by octet, for nothing behind it may be taken.
async fn read_v1(stream: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> Result<(), ProxyError> {
    while !header.ends_with(b"\n") {
        if header.len() >= V1_OCTETS_MAX {
            return Err(ProxyError::Malformed);
        }
        header.push(stream.read_u8().await?);
    }
    Ok(())
}

/// The 16th octet completes the length of the rest.
async fn read_v2(stream: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> Result<(), ProxyError> {
    let high = header.last().copied().unwrap_or_default();
    let low = stream.read_u8().await?;
    header.push(low);
    let start = header.len();
    header.resize(start + usize::from(u16::from_be_bytes([high, low])), 0);
    let rest = header.get_mut(start..).ok_or(ProxyError::Malformed)?;
    stream.read_exact(rest).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_header::ProxiedAddress;

    async fn read(mut octets: &[u8]) -> (Option<Proxied>, usize) {
        let all = octets.len();
        let proxied = read_header(&mut octets).await.ok();
        (proxied, all - octets.len())
    }

    async fn check(header: &[u8], expected: Option<Proxied>) {
        let behind = [header, b"\x16\x03\x01 what follows".as_slice()].concat();
        let (proxied, taken) = read(&behind).await;
        assert_eq!(proxied, expected, "{header:?}");
        assert!(expected.is_none() || taken == header.len(), "{taken} octets of {header:?}");
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2_SIGNATURE.as_slice(), &[command, family], &length, body].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_what_follows() {
        let client = |ip: &str| Some(Proxied::Client(ip.parse().unwrap()));
        check(b"PROXY TCP4 192.0.2.1 192.0.2.2 4242 25\r\n", client("192.0.2.1")).await;
        check(b"PROXY TCP6 2001:db8::1 2001:db8::2 4242 25\r\n", client("2001:db8::1")).await;
        check(b"PROXY UNKNOWN\r\n", Some(Proxied::Itself)).await;
        check(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Some(Proxied::Itself)).await;
        for version in [ProxyHeader::encode_v1, ProxyHeader::encode_v2] {
            let mut header = Vec::new();
            let addresses = ["[2001:db8::7]:1", "[2001:db8::8]:25"].map(|a| a.parse().unwrap());
            version(&ProxyHeader::with_address(ProxiedAddress::stream(addresses[0], addresses[1])), &mut header)
                .unwrap();
            check(&header, client("2001:db8::7")).await;
        }
        check(&v2(0x20, 0x00, b""), Some(Proxied::Itself)).await;
        check(&v2(0x21, 0x31, &[0; 216]), Some(Proxied::Itself)).await;
        let with_tlvs = [&[192, 0, 2, 3, 192, 0, 2, 4, 1, 1, 0, 25], vec![4; 65_000].as_slice()].concat();
        check(&v2(0x21, 0x11, &with_tlvs), client("192.0.2.3")).await;
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for header in [
            b"EHLO client.example\r\n".as_slice(),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4242 25\n    ",
            b"PROXY TCP9 192.0.2.1 192.0.2.2 1 2\r\n",
            &endless,
            &v2(0x21, 0x11, b"short"),
            &v2(0x2f, 0x11, &[0; 12]),
            &v2(0x21, 0x99, &[0; 12]),
        ] {
            check(header, None).await;
        }
        assert_eq!(read(b"PROXY TCP4 192.0").await.0, None);
        assert_eq!(read(&v2(0x21, 0x11, &[0; 12])[..20]).await.0, None);
    }
}
