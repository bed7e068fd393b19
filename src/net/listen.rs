//! Listening sockets: bound by us or handed over by systemd, and an accept loop that outlives descriptor shortage.

use super::stream;
use crate::config::checked::Endpoint;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A bound socket, not yet tied to a runtime.
#[derive(Debug)]
pub enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An endpoint that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {endpoint}: {reason}")]
pub struct BindError {
    pub endpoint: String,
    pub reason: io::Error,
}

/// Connections the kernel holds while we are busy; it cuts this to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// Binds and listens. An IPv6 endpoint takes IPv6 only, so that `0.0.0.0` and `[::]` can stand side by side.
pub fn bind(endpoint: &Endpoint) -> Result<Bound, BindError> {
    match endpoint {
        Endpoint::Tcp(address) => {
            bind_tcp(*address).map_err(|reason| BindError { endpoint: address.to_string(), reason })
        }
        Endpoint::Unix(path) => {
            bind_unix(path).map_err(|reason| BindError { endpoint: path.display().to_string(), reason })
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(Bound::Tcp(TcpListener::from(socket)))
}

/// A socket file that nobody answers at is left over from a crash and is replaced. Whoever may reach the directory
/// may deliver, as with a loopback port.
fn bind_unix(path: &Path) -> io::Result<Bound> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(Bound::Unix(listener))
}

/// Takes over the listening sockets of systemd's socket activation with their names (`FileDescriptorName=`).
///
/// Call it once, before anything else opens descriptors.
pub fn from_systemd() -> io::Result<Vec<(String, Bound)>> {
    sd_notify::listen_fds_with_names()?.map(|(fd, name)| Ok((name, adopt(own(fd))?))).collect()
}

#[expect(unsafe_code, reason = "the service manager hands descriptors over as bare numbers")]
fn own(fd: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: sd_listen_fds(3): the numbers from 3 on are open and belong to this process alone.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A listening socket of any kind that was bound elsewhere.
pub fn adopt(fd: OwnedFd) -> io::Result<Bound> {
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    match sockopt::socket_domain(&fd)? {
        AddressFamily::UNIX => Ok(Bound::Unix(UnixListener::from(fd))),
        AddressFamily::INET | AddressFamily::INET6 => Ok(Bound::Tcp(TcpListener::from(fd))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "a passed socket is neither TCP nor Unix")),
    }
}

impl Bound {
    /// Where peers connect; with port 0 in the config, the port that the kernel chose.
    pub fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Bound::Tcp(listener) => listener.local_addr().map(Endpoint::Tcp),
            Bound::Unix(listener) => {
                let path = listener.local_addr()?.as_pathname().map_or_else(PathBuf::new, Path::to_path_buf);
                Ok(Endpoint::Unix(path))
            }
        }
    }
}

/// A socket that accepts on the current runtime.
#[derive(Debug)]
pub struct Acceptor {
    socket: Runtime,
    /// Given up when descriptors run out, to accept and close one connection: else it would wait unanswered and
    /// the loop would spin on it.
    reserve: Option<File>,
}

#[derive(Debug)]
enum Runtime {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// The pause after an error that will not go away at once.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

impl Acceptor {
    pub fn new(bound: Bound) -> io::Result<Acceptor> {
        let socket = match bound {
            Bound::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Runtime::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Bound::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Runtime::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        };
        Ok(Acceptor { socket, reserve: reserve() })
    }

    /// The next connection, and its peer if it has an address. Errors are answered here: `on_error` may count them.
    pub async fn accept(&mut self, on_error: impl Fn(&io::Error)) -> (stream::Socket, Option<SocketAddr>) {
        loop {
            match self.accept_once().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    on_error(&error);
                    self.endure(&error).await;
                }
            }
        }
    }

    async fn accept_once(&self) -> io::Result<(stream::Socket, Option<SocketAddr>)> {
        match &self.socket {
            Runtime::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Replies are small and each is waited for: Nagle would cost 40 ms.
                stream.set_nodelay(true)?;
                Ok((stream::Socket::Tcp(stream), Some(peer)))
            }
            Runtime::Unix(listener) => listener.accept().await.map(|(stream, _)| (stream::Socket::Unix(stream), None)),
        }
    }

    /// accept(2): an error of one connection is nobody else's; a shortage is waited out.
    async fn endure(&mut self, error: &io::Error) {
        if is_shortage(error) {
            self.reserve = None;
            let shed = tokio::time::timeout(Duration::ZERO, self.accept_once()).await;
            drop(shed);
            tokio::time::sleep(SHORTAGE_PAUSE).await;
            self.reserve = reserve();
        }
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}
