//! The mail host that `benches/delivery` has replyd and Postfix send to: takes everything at once, keeps nothing, counts.
//!
//! `sink --port P --mails N --certificate FILE --key FILE [--clear]` prints `ready`, then, when N mails have come, one line of JSON,
//! and ends with its standard input. With N = 0 each mail gets its line. STARTTLS unless `--clear`. The time begins with the first octet of the first mail.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut options: HashMap<String, String> = HashMap::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let value = words.next_if(|next| !next.starts_with("--")).unwrap_or_default();
        options.insert(word.trim_start_matches("--").to_owned(), value);
    }
    // `cargo bench` without words runs every target: there is nothing to measure without a sender.
    let Some(port) = options.get("port") else { return println!("sink: run by benches/delivery") };
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>().expect("a port"))).expect("a free port");
    let mails = options.get("mails").and_then(|mails| mails.parse().ok()).unwrap_or(1);
    let tls = (!options.contains_key("clear")).then(|| server_config(&options));
    let count = Arc::new(Count { wanted: mails, seen: Mutex::default() });
    println!("ready");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (count, tls) = (Arc::clone(&count), tls.clone());
            std::thread::spawn(move || serve(stream, tls, &count));
        }
    });
    let _ = std::io::stdin().read(&mut [0u8; 1]);
}

fn server_config(options: &HashMap<String, String>) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(&options["certificate"]).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&options["key"]).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a pair"))
}

struct Count {
    wanted: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    mails: usize,
    connections: usize,
    first: Option<Instant>,
}

impl Count {
    fn begun(&self) {
        self.seen.lock().expect("no panic").first.get_or_insert_with(Instant::now);
    }

    fn took(&self) {
        let mut seen = self.seen.lock().expect("no panic");
        seen.mails += 1;
        if seen.mails == self.wanted || self.wanted == 0 {
            let seconds = seen.first.map_or(0.0, |first| first.elapsed().as_secs_f64());
            let (mails, connections) = (seen.mails, seen.connections);
            println!(
                "{{\"mails\":{mails},\"seconds\":{seconds:.3},\"per_second\":{:.1},\"connections\":{connections}}}",
                mails as f64 / seconds
            );
        }
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, count: &Count) {
    let _ = stream.set_nodelay(true);
    count.seen.lock().expect("no panic").connections += 1;
    let mut wire = BufReader::new(stream);
    let _ = wire.get_mut().write_all(b"220 sink.example ESMTP\r\n");
    let wants_tls = talk(&mut wire, tls.is_some(), count).unwrap_or(false);
    if let Some(config) = tls.filter(|_| wants_tls) {
        let connection = ServerConnection::new(config).expect("a config");
        let mut wire = BufReader::new(StreamOwned::new(connection, wire.into_inner()));
        let _ = talk(&mut wire, false, count);
    }
}

/// Until the client goes, or asks for TLS.
fn talk<S: Read + Write>(wire: &mut BufReader<S>, offers_tls: bool, count: &Count) -> std::io::Result<bool> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if wire.read_until(b'\n', &mut line)? == 0 {
            return Ok(false);
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_slice() {
            b"EHLO" if offers_tls => b"250-sink.example\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 SIZE 100000000\r\n",
            b"EHLO" => b"250-sink.example\r\n250-PIPELINING\r\n250 SIZE 100000000\r\n",
            b"STAR" => {
                wire.get_mut().write_all(b"220 go ahead\r\n")?;
                return Ok(true);
            }
            b"DATA" => {
                count.begun();
                wire.get_mut().write_all(b"354 go on\r\n")?;
                content(wire)?;
                count.took();
                b"250 2.0.0 taken\r\n"
            }
            b"QUIT" => {
                let _ = wire.get_mut().write_all(b"221 bye\r\n");
                return Ok(false);
            }
            _ => b"250 ok\r\n",
        };
        wire.get_mut().write_all(reply)?;
    }
}

fn content<S: Read>(wire: &mut BufReader<S>) -> std::io::Result<()> {
    let mut line = Vec::new();
    while line != b".\r\n" {
        line.clear();
        if wire.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
