//! The DKIM keys of the demo: of its own domain, and of the agent's mail host. Made once and kept in its folder.

use crate::config::checked::DkimKey;
use crate::config::secret::Secret;
use crate::sender_auth::own_key::{KeyKind, new_key, record};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A key and where its public half is published.
#[derive(Debug, Clone)]
pub struct DemoKey {
    pub domain: &'static str,
    pub selector: &'static str,
    pem: String,
    /// TXT.
    pub record: String,
}

impl DemoKey {
    /// The key of this name in the folder; one that is not there or cannot be read is made anew.
    pub fn kept(folder: &Path, domain: &'static str, selector: &'static str, kind: KeyKind) -> io::Result<DemoKey> {
        let file = folder.join(file_name(domain, selector));
        if let Ok(pem) = std::fs::read_to_string(&file)
            && let Some(record) = record(&pem)
        {
            return Ok(DemoKey { domain, selector, pem, record });
        }
        let pem = new_key(kind).map_err(|_| io::Error::other("the cryptography library makes no key"))?;
        let record = record(&pem).ok_or_else(|| io::Error::other("the cryptography library cannot read its key"))?;
        let mut opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file)?;
        opened.write_all(pem.as_bytes())?;
        Ok(DemoKey { domain, selector, pem, record })
    }

    /// As the config has it.
    pub fn toml(&self) -> String {
        let DemoKey { domain, selector, .. } = self;
        let file = file_name(domain, selector);
        format!(r#"{{ domain = "{domain}", selector = "{selector}", key = {{ file = "{file}" }} }}"#)
    }

    /// For a signer.
    pub fn checked(&self) -> DkimKey {
        let (domain, selector) = (self.domain.to_owned(), self.selector.to_owned());
        DkimKey { domain, selector, key: Secret::from(self.pem.clone()) }
    }

    /// Where the record stands.
    pub fn name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}

fn file_name(domain: &str, selector: &str) -> String {
    format!("{domain}.{selector}.pem")
}
