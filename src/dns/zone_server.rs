//! Serves a [`Zone`] on loopback over UDP and TCP, on a port of the kernel's choice. For tests, benches and
//! `inspect --zone`: no deadline and no limit protects it, its only peer is this process.

use super::resolver::{Resolver, ResolverError};
use super::zone::Zone;
use hickory_resolver::proto::op::Message;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// RFC 1035 §2.3.4: what a peer without EDNS can take by UDP.
const UDP_OCTETS: u16 = 512;

/// The reply to a request; `None` keeps silent.
pub type Answering = Arc<dyn Fn(&Message) -> Option<Message> + Send + Sync>;

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct ZoneServer {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl ZoneServer {
    pub async fn start(zone: Zone) -> std::io::Result<ZoneServer> {
        ZoneServer::answering(Arc::new(move |request| zone.reply(request))).await
    }

    /// With whatever answers.
    pub async fn answering(zone: Answering) -> std::io::Result<ZoneServer> {
        let (udp, tcp) = sockets().await?;
        let address = udp.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, zone.clone()));
        tasks.spawn(serve_tcp(tcp, zone));
        Ok(ZoneServer { address, _tasks: tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A resolver that asks only this server, impatiently: what is not answered here never will be.
    pub fn resolver(&self) -> Result<Resolver, ResolverError> {
        Resolver::with_patience(&[self.address], Duration::from_millis(250), 1)
    }
}

/// TCP on the port that the kernel chose for UDP may be taken: then another pair is tried.
async fn sockets() -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries > 8 => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

async fn serve_udp(socket: UdpSocket, zone: Answering) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let Some(request) = buffer.get(..length).and_then(|octets| Message::from_vec(octets).ok()) else { continue };
        let Some(reply) = zone(&request) else { continue };
        let max = request.edns.as_ref().map_or(UDP_OCTETS, |edns| edns.max_payload().max(UDP_OCTETS));
        let mut octets = reply.to_vec().unwrap_or_default();
        if octets.len() > usize::from(max) {
            octets = reply.truncate().to_vec().unwrap_or_default();
        }
        // A peer that has gone away needs no answer.
        let _ = socket.send_to(&octets, peer).await;
    }
}

async fn serve_tcp(listener: TcpListener, zone: Answering) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let zone = zone.clone();
        connections.spawn(async move {
            // A connection that breaks is the peer's to open again.
            let _ = serve_connection(stream, &zone).await;
        });
    }
}

async fn serve_connection(mut stream: TcpStream, zone: &Answering) -> std::io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut request = vec![0; usize::from(length)];
        stream.read_exact(&mut request).await?;
        let reply = Message::from_vec(&request).ok().and_then(|request| zone(&request));
        let Some(octets) = reply.and_then(|reply| reply.to_vec().ok()) else { continue };
        let Ok(length) = u16::try_from(octets.len()) else { continue };
        stream.write_u16(length).await?;
        stream.write_all(&octets).await?;
    }
}
