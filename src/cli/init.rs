//! `replyd init DOMAIN --config FILE`: a commented config, two DKIM keys, and the DNS records to publish. Nothing
//! that exists is overwritten.

use super::failure::{Done, Exit, Failure};
use super::print::{json, one_line, say};
use super::users;
use crate::mail::address::{canonical_domain, is_host_name};
use crate::sender_auth::own_key::{KeyKind, new_key, record, strings};
use serde_json::json;
use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The domain that mail is sent from, such as acme.example
    #[arg(value_parser = domain)]
    domain: String,
    /// The name of this host; mx.DOMAIN if not given
    #[arg(long, value_parser = domain)]
    hostname: Option<String>,
    /// Where replies go; reply.DOMAIN if not given
    #[arg(long, value_parser = domain)]
    inbound_domain: Option<String>,
    #[arg(long)]
    json: bool,
}

/// What is made up for a domain.
struct Plan {
    domain: String,
    hostname: String,
    inbound_domain: String,
    account: String,
}

/// A DNS record to publish.
struct Record {
    name: String,
    kind: &'static str,
    data: String,
    hint: &'static str,
}

fn domain(text: &str) -> Result<String, String> {
    let domain = canonical_domain(text).ok().filter(|domain| is_host_name(domain) && domain.contains('.'));
    domain.ok_or_else(|| "a domain name such as acme.example is expected".to_owned())
}

pub fn run(config_file: &Path, args: &InitArgs) -> Done {
    let plan = Plan {
        hostname: args.hostname.clone().unwrap_or_else(|| format!("mx.{}", args.domain)),
        inbound_domain: args.inbound_domain.clone().unwrap_or_else(|| format!("reply.{}", args.domain)),
        account: account_name(&args.domain),
        domain: args.domain.clone(),
    };
    let keys = [Key::rsa()?, Key::ed25519()?];
    let key_files: Vec<PathBuf> = keys.iter().map(|key| config_file.with_file_name(plan.key_name(key))).collect();
    if let Some(there) = key_files.iter().map(PathBuf::as_path).chain([config_file]).find(|file| file.exists()) {
        return Err(exists(there));
    }
    let group = group_to_give();
    make_folder(config_file, group)?;
    // The group may read them: that is how the service gets at them.
    for (key, file) in keys.iter().zip(&key_files) {
        create(file, &key.pem, group)?;
    }
    create(config_file, &plan.config(&keys), group)?;
    let records = plan.records(&keys);
    if args.json {
        let records: Vec<_> =
            records.iter().map(|r| json!({ "name": r.name, "type": r.kind, "data": r.data, "hint": r.hint })).collect();
        json(&json!({ "config": config_file, "keys": key_files, "records": records }));
    } else {
        report(config_file, &key_files, &records);
    }
    Ok(())
}

fn report(config_file: &Path, key_files: &[PathBuf], records: &[Record]) {
    let name = one_line(&config_file.display().to_string());
    let keys: Vec<String> = key_files.iter().map(|file| one_line(&file.display().to_string())).collect();
    say!("written: {name}, {}\n\nPublish these DNS records:\n", keys.join(" and "));
    for record in records {
        say!("; {}\n{}. {} {}\n", record.hint, record.name, record.kind, record.data);
    }
    if rustix::process::geteuid().is_root() && users::service_group().is_none() {
        say!(
            "There is no group {group} yet, so the service could not read these files. Make it (docs/OPERATIONS.md, Installing it as a \
             service), then: chgrp {group} {name} {}\n",
            keys.join(" "),
            group = users::SERVICE,
        );
    }
    say!("Then: set http.public_url and [tls], replyd check --config {name}, and replyd serve --config {name}");
}

/// Whose mail it is, until somebody says it better.
fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn account_name(domain: &str) -> String {
    domain.split('.').next().unwrap_or("main").to_ascii_lowercase()
}

/// A key that is new.
struct Key {
    selector: &'static str,
    pem: String,
    /// The TXT record that publishes its public half.
    record: String,
}

impl Key {
    /// What every receiver can verify.
    fn rsa() -> Result<Key, Failure> {
        Key::new("r1", KeyKind::Rsa)
    }

    /// RFC 8463: short and quick, and not known to every receiver yet, so the mail has both signatures.
    fn ed25519() -> Result<Key, Failure> {
        Key::new("e1", KeyKind::Ed25519)
    }

    fn new(selector: &'static str, kind: KeyKind) -> Result<Key, Failure> {
        let made = new_key(kind).ok().and_then(|pem| record(&pem).map(|record| Key { selector, pem, record }));
        made.ok_or_else(|| Failure::new(Exit::Software, "cannot make a key: the cryptography library failed"))
    }
}

/// Root writes for the service; others write for themselves.
fn group_to_give() -> Option<u32> {
    if rustix::process::geteuid().is_root() { users::service_group() } else { None }
}

fn create(file: &Path, text: &str, group: Option<u32>) -> Done {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o640).open(file);
    let written = opened.and_then(|mut opened| {
        if group.is_some() {
            fchown(&opened, None, group)?;
        }
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    });
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(file),
        _ => Failure::new(
            Exit::CannotCreate,
            format!("cannot write {}: {error}; name another place with --config", file.display()),
        ),
    })
}

/// `/etc/replyd` is not there on a new machine. Only the last folder is made: a mistyped path is no wish.
fn make_folder(config_file: &Path, group: Option<u32>) -> Done {
    let Some(folder) = config_file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let made = std::fs::create_dir(folder).and_then(|()| match group {
        // What is written in it later belongs to the group too.
        Some(_) => {
            chown(folder, None, group)?;
            std::fs::set_permissions(folder, Permissions::from_mode(0o2750))
        }
        None => Ok(()),
    });
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            let line =
                format!("cannot make the folder {}: {error}; make it, or name another with --config", folder.display());
            Err(Failure::new(Exit::CannotCreate, line))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn exists(file: &Path) -> Failure {
    let line = format!("{} exists and is not overwritten; remove it, or name another with --config", file.display());
    Failure::new(Exit::CannotCreate, line)
}

impl Plan {
    fn key_name(&self, key: &Key) -> String {
        format!("{}.{}.pem", self.domain, key.selector)
    }

    /// The example with this domain in it: one text explains every key, here and there.
    fn config(&self, keys: &[Key]) -> String {
        let sample =
            r#"#: dkim = [{ domain = "acme.example", selector = "r1", key = { file = "/etc/replyd/r1.pem" } }]"#;
        let entry = |key: &Key| {
            let (domain, selector, file) = (&self.domain, key.selector, self.key_name(key));
            format!(r#"  {{ domain = "{domain}", selector = "{selector}", key = {{ file = "{file}" }} }},"#)
        };
        let entries: Vec<String> = keys.iter().map(entry).collect();
        EXAMPLE
            .replace(sample, &format!("dkim = [\n{}\n]", entries.join("\n")))
            .replace(r#"hostname = "mx.example.com""#, &format!(r#"hostname = "{}""#, self.hostname))
            .replacen(r##"#: display_name = "Acme""##, &format!(r#"display_name = "{}""#, capital(&self.account)), 1)
            .replace(r#"name = "acme""#, &format!(r#"name = "{}""#, self.account))
            .replace("reply.acme.example", &self.inbound_domain)
            .replace(r#"#: address = "support@acme.example""#, &format!(r#"address = "support@{}""#, self.domain))
            .replace("acme.example", &self.domain)
    }

    fn records(&self, keys: &[Key]) -> Vec<Record> {
        let record = |name: String, kind, data, hint| Record { name, kind, data, hint };
        let (domain, hostname) = (&self.domain, &self.hostname);
        let dkim = keys.iter().map(|key| {
            let name = format!("{}._domainkey.{domain}", key.selector);
            record(name, "TXT", strings(&key.record), "DKIM: the public half of the key")
        });
        let mut records = vec![
            record(
                hostname.clone(),
                "A",
                "<this host's public IPv4 address>".into(),
                "and AAAA if it has IPv6; the address's PTR should name it too",
            ),
            record(self.inbound_domain.clone(), "MX", format!("10 {hostname}."), "replies come here"),
            record(
                domain.clone(),
                "TXT",
                strings(&format!("v=spf1 a:{hostname} ~all")),
                "SPF; if there is one already, add the a: part to it",
            ),
            record(
                self.inbound_domain.clone(),
                "TXT",
                strings(&format!("v=spf1 a:{hostname} ~all")),
                "SPF of what mail of replyd comes back to",
            ),
            record(
                format!("_dmarc.{domain}"),
                "TXT",
                strings("v=DMARC1; p=none"),
                "DMARC; go on to p=reject once reports look good",
            ),
        ];
        records.splice(4..4, dkim);
        records
    }
}

const EXAMPLE: &str = include_str!("../../config.example.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, secret::Surroundings};

    #[test]
    fn the_config_of_a_domain_is_good_and_all_its_own() {
        let plan = Plan {
            domain: "shop.test".into(),
            hostname: "mx.shop.test".into(),
            inbound_domain: "answers.shop.test".into(),
            account: "shop".into(),
        };
        let text = plan.config(&[Key::rsa().expect("a key"), Key::ed25519().expect("a key")]);
        assert!(!text.contains("acme"), "{text}");
        let surroundings = Surroundings {
            environment: &|_| None,
            read_file: &|path| {
                assert!(path.starts_with("/etc/replyd") && path.to_string_lossy().contains("/shop.test."), "{path:?}");
                Ok("-----BEGIN PRIVATE KEY-----\neA==\n-----END PRIVATE KEY-----\n".to_owned())
            },
            file_mode: &|_| Some(0o640),
        };
        let config = config::parse(Path::new("/etc/replyd/replyd.toml"), &text, surroundings).expect("a good config");
        let account = config.accounts.first().expect("an account");
        assert_eq!((account.name.as_str(), account.inbound_domain.as_str()), ("shop", "answers.shop.test"));
        assert_eq!(account.inboxes.first().and_then(|i| i.address.as_deref()), Some("support@shop.test"));
        assert_eq!(account.voice.display_name, "Shop");
        let keys: Vec<_> = account.dkim.iter().map(|key| (key.domain.as_str(), key.selector.as_str())).collect();
        assert_eq!(keys, [("shop.test", "r1"), ("shop.test", "e1")]);
    }

    #[test]
    fn long_txt_records_are_cut_into_strings_of_255() {
        let plan =
            Plan { domain: "a.test".into(), hostname: "b".into(), inbound_domain: "c".into(), account: "d".into() };
        let key = Key { selector: "r1", pem: String::new(), record: "x".repeat(400) };
        let dkim = plan.records(&[key]).into_iter().find(|record| record.name.contains("_domainkey"));
        let data = dkim.map(|record| record.data).unwrap_or_default();
        assert!(data.split('"').all(|part| part.len() <= 255), "{data}");
        assert!(data.matches('"').count() == 4 && data.contains("\" \""), "{data}");
    }
}
