//! The doors of the HTTP surface: TCP for callers with a token, and the Unix socket of the owner. Each connection
//! has a deadline for its header and ends when its answer is out, once the daemon stops.

use super::caller::Door;
use super::live;
use super::places::{self, CallPlace, Doorstep, Newcomer, Seat};
use super::router::router;
use super::surface::Surface;
use super::unread::Unread;
use crate::net::listen::{Acceptor, Bound};
use crate::net::permits::Slots;
use crate::net::stream::Socket;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// From where a connection comes; `None` over the Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub Option<IpAddr>);

/// Where the surface is reached.
#[derive(Debug)]
pub struct Doors {
    pub tcp: Vec<Bound>,
    pub owner: Bound,
}

/// Serves on every door until `stop`; the tasks end when the last answer is out.
pub fn start(surface: &Surface, doors: Doors, stop: &CancellationToken, tasks: &TaskTracker) -> io::Result<()> {
    let surface = Surface { stop: stop.clone(), ..surface.clone() };
    tasks.spawn(live::follow(surface.live.clone(), surface.store.clone(), surface.clock.now(), stop.clone()));
    let all = doors.tcp.into_iter().map(|bound| (bound, Door::Tcp));
    for (bound, door) in all.chain(std::iter::once((doors.owner, Door::UnixSocket))) {
        let acceptor = Acceptor::new(bound)?;
        let service = router(surface.clone(), door);
        tasks.spawn(accept(acceptor, door, service, stop.clone(), tasks.clone()));
    }
    Ok(())
}

/// Binds the owner's socket: mode 0600 from its first moment under this name. A socket nobody answers at is left
/// over from a crash and is replaced.
pub fn bind_owner_socket(path: &Path) -> io::Result<Bound> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another replyd answers at this socket"));
    }
    let fresh = path.with_extension("sock.new");
    remove_if_there(&fresh)?;
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(Bound::Unix(listener))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn accept(
    mut acceptor: Acceptor,
    door: Door,
    service: axum::Router,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let (places, clients) = (Arc::new(Semaphore::new(places::CALLS_MAX)), Arc::new(Slots::default()));
    let doorstep = Arc::new(Doorstep::default());
    loop {
        let (socket, peer, place) = tokio::select! {
            () = stop.cancelled() => return,
            connected = next(&mut acceptor, &places, &doorstep) => connected,
        };
        // Closed at once: whoever holds so many gets answers over those.
        let Some(of_client) = places::of_client(&clients, peer).filter(|_| may_enter(door, &socket)) else { continue };
        let service = Named {
            peer: PeerAddress(peer),
            seat: Seat::new(CallPlace { among_all: place, of_client }),
            newcomer: doorstep.enter(),
            service: TowerToHyperService::new(service.clone()),
        };
        tasks.spawn(serve(socket, service, stop.clone()));
    }
}

/// A connection, and a place for it: where all are taken, that of the one that has been silent for longest, or the first that
/// is free. Those beyond wait in the kernel.
async fn next(
    acceptor: &mut Acceptor,
    places: &Arc<Semaphore>,
    doorstep: &Doorstep,
) -> (Socket, Option<IpAddr>, Option<OwnedSemaphorePermit>) {
    let (socket, peer) = acceptor.accept(|error| tracing::warn!(%error, "cannot accept an HTTP connection")).await;
    let place = match places.clone().try_acquire_owned() {
        Ok(place) => Some(place),
        Err(_) => {
            doorstep.cut_oldest();
            places.clone().acquire_owned().await.ok()
        }
    };
    (socket, peer.map(|peer| peer.ip().to_canonical()), place)
}

/// The file's mode keeps others out; the kernel's word on the peer makes sure, wherever the socket was moved to.
fn may_enter(door: Door, socket: &Socket) -> bool {
    let Socket::Unix(stream) = socket else { return door == Door::Tcp };
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn serve(socket: Socket, service: Named, stop: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEADER_OCTETS_MAX);
    let cut = service.newcomer.cut.clone();
    let connection = http.serve_connection(TokioIo::new(Unread::new(socket, READER_PATIENCE)), service);
    let mut connection = std::pin::pin!(connection);
    // Errors here are the peer's: it broke off or spoke no HTTP.
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = cut.cancelled() => return,
        () = stop.cancelled() => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// A service whose requests carry the address and the place of their connection.
struct Named {
    peer: PeerAddress,
    seat: Seat,
    newcomer: Newcomer,
    service: TowerToHyperService<axum::Router>,
}

impl Service<Request<Incoming>> for Named {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.newcomer.spoke();
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.seat.clone());
        let (answer, seat) = (self.service.call(request), self.seat.clone());
        // Boxed: what a call needs while it is answered is not held by a feed for hours.
        Box::pin(async move {
            let mut response = answer.await?;
            if seat.is_given_up() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a peer may take nothing of an answer.
const READER_PATIENCE: Duration = Duration::from_secs(30);
const HEADER_OCTETS_MAX: usize = 64 * 1024;
