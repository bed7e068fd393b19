//! The door of HTTP when every place for calls is held by somebody who says half of a request.

use crate::product::Product;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;

/// As many as there are places, and some that wait behind them in the kernel.
const HALVES: usize = 512 + 20;

#[test]
fn half_requests_keep_nobody_out() {
    // Both ends of each are this process's.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("more open files");
    let product = Product::start();
    let address = product.running.http_addresses().first().copied().expect("an address");
    let half = |_| {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Half: ").expect("it is taken");
        stream
    };
    let mut halves: Vec<TcpStream> = (0..HALVES).map(half).collect();
    for _ in 0..3 {
        assert_eq!(product.tcp.get("/healthz", "").status, 200);
    }
    let mut rest = Vec::new();
    // Cut in the middle: an end, or a reset because half a request was never read.
    assert!(halves[0].read_to_end(&mut rest).is_err() || rest.is_empty(), "the oldest was cut for another");
    let last = halves.last_mut().expect("the last");
    last.write_all(b"\r\nConnection: close\r\n\r\n").expect("it is still there");
    last.read_to_end(&mut rest).expect("an answer");
    assert!(rest.starts_with(b"HTTP/1.1 200 "), "who says the other half is answered");
    product.stop();
}
