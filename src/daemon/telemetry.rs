//! Log lines to stderr: for people, for journald, or as JSON. `REPLYD_LOG` says how much (`info`, `debug`,
//! `replyd::inbound=debug`), `REPLYD_LOG_FORMAT=json` makes them JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// Installs the subscriber, with this level if the environment asks for none; later calls change nothing.
pub fn start(usual: &str) {
    let filter = EnvFilter::try_from_env("REPLYD_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let json = std::env::var("REPLYD_LOG_FORMAT").is_ok_and(|format| format == "json");
    // journald stamps lines itself, and colours are noise in a file.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = match (json, journal) {
        (true, _) => lines.json().flatten_event(true).with_timer(SystemTime).try_init(),
        (false, true) => lines.with_ansi(false).without_time().try_init(),
        (false, false) => lines.with_ansi(terminal).with_timer(SystemTime).try_init(),
    };
}
