//! Open files: every session and every listening visitor holds one or two, and the usual soft limit of 1,024 is a relic of
//! select(2).

use crate::http::places::VISITOR_FEEDS_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, and says so if that is less than what the bounds of the surfaces come to.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "cannot raise the number of open files; set LimitNOFILE");
    }
    if let Some(maximum) = getrlimit(Resource::Nofile).current.filter(|most| *most < OPEN_FILES_WANTED) {
        tracing::warn!(
            maximum,
            wanted = OPEN_FILES_WANTED,
            "few files may be open: peers beyond that wait; set LimitNOFILE"
        );
    }
}

/// Every visitor who may listen, and as many for mail and everything else.
const OPEN_FILES_WANTED: u64 = 2 * VISITOR_FEEDS_MAX as u64;
