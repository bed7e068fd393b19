//! After the start and every reload: are the keys that mail is signed with the ones that the DNS publishes? What is wrong is
//! said in the log, before a receiver says it; mail goes out all the same, for the DNS may be slow and the mail urgent.

use crate::config::checked::Config;
use crate::dns::Resolver;
use crate::sender_auth::published::{self, Published};
use std::sync::Arc;

/// Looks in the background.
pub fn look_at_all(config: Arc<Config>, resolver: Resolver) {
    tokio::spawn(async move {
        for key in config.accounts.iter().flat_map(|account| &account.dkim) {
            let record = published::name(key);
            let wrong = match published::look(key, &resolver).await {
                Published::Ours => continue,
                Published::Missing => "there is no record: receivers cannot verify our signatures",
                Published::AnotherKey => "the record holds another key: receivers take our signatures for forged",
                Published::Several(_) => "there are several records: receivers may take any of them, or none",
                Published::Unanswered(trouble) => {
                    tracing::info!(record, %trouble, "whether a DKIM key is published could not be looked up");
                    continue;
                }
            };
            tracing::warn!(record, wrong, "a DKIM key is not published as it should be; see replyd check --dns");
        }
    });
}
