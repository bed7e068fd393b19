//! `replyd init DOMAIN --config FILE`: a commented config and a DKIM key, and the DNS records to publish. Nothing
//! that exists is overwritten.

use super::failure::{Done, Exit, Failure};
use super::print::{json, one_line, say};
use crate::mail::address::{canonical_domain, is_host_name};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use data_encoding::BASE64;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
    let key_name = format!("{}.{SELECTOR}.pem", plan.domain);
    let key_file = config_file.with_file_name(&key_name);
    if config_file.exists() {
        return Err(exists(config_file));
    }
    make_folder(config_file)?;
    let (private, public) = new_key()?;
    // The group may read both, so that a folder with the daemon's group (chmod g+s) is all the service needs.
    create(&key_file, &pem(&private), 0o640)?;
    create(config_file, &plan.config(&key_name), 0o640)?;
    let records = plan.records(&public);
    if args.json {
        let records: Vec<_> =
            records.iter().map(|r| json!({ "name": r.name, "type": r.kind, "data": r.data, "hint": r.hint })).collect();
        json(&json!({ "config": config_file, "key": key_file, "records": records }));
    } else {
        report(config_file, &key_file, &records);
    }
    Ok(())
}

fn report(config_file: &Path, key_file: &Path, records: &[Record]) {
    let name = one_line(&config_file.display().to_string());
    say!("written: {name} and {}\n\nPublish these DNS records:\n", one_line(&key_file.display().to_string()));
    for record in records {
        say!("; {}\n{}. {} {}\n", record.hint, record.name, record.kind, record.data);
    }
    say!("Then: replyd check --config {name}, and replyd serve --config {name}");
}

fn account_name(domain: &str) -> String {
    domain.split('.').next().unwrap_or("main").to_ascii_lowercase()
}

fn new_key() -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let failed = |_| Failure::new(Exit::Software, "cannot make an RSA key: the cryptography library failed");
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
    let public: PublicKeyX509Der<'_> = aws_lc_rs::signature::KeyPair::public_key(&pair).as_der().map_err(failed)?;
    Ok((private.as_ref().to_vec(), public.as_ref().to_vec()))
}

/// RFC 7468 §10.
fn pem(der: &[u8]) -> String {
    let lines = wrapped(&BASE64.encode(der), 64).join("\n");
    format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.as_bytes().chunks(width).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect()
}

fn create(file: &Path, text: &str, mode: u32) -> Done {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let written = opened.and_then(|mut opened| {
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
fn make_folder(config_file: &Path) -> Done {
    let Some(folder) = config_file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    match std::fs::create_dir(folder) {
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
    /// The example with this domain in it: one text explains every key, here and there.
    fn config(&self, key_name: &str) -> String {
        let sample_key =
            r#"#: dkim = [{ domain = "acme.example", selector = "r1", key = { file = "/etc/replyd/r1.pem" } }]"#;
        let key = format!(
            r#"dkim = [{{ domain = "{}", selector = "{SELECTOR}", key = {{ file = "{key_name}" }} }}]"#,
            self.domain
        );
        EXAMPLE
            .replace(sample_key, &key)
            .replace(r#"hostname = "mx.example.com""#, &format!(r#"hostname = "{}""#, self.hostname))
            .replace(r#"name = "acme""#, &format!(r#"name = "{}""#, self.account))
            .replace("reply.acme.example", &self.inbound_domain)
            .replace(r#"#: address = "support@acme.example""#, &format!(r#"address = "support@{}""#, self.domain))
            .replace("acme.example", &self.domain)
    }

    fn records(&self, public_key: &[u8]) -> Vec<Record> {
        let record = |name: String, kind, data, hint| Record { name, kind, data, hint };
        let (domain, hostname) = (&self.domain, &self.hostname);
        let dkim = format!("v=DKIM1; k=rsa; p={}", BASE64.encode(public_key));
        let quoted =
            |text: &str| wrapped(text, TXT_STRING_MAX).iter().map(|s| format!("\"{s}\"")).collect::<Vec<_>>().join(" ");
        vec![
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
                quoted(&format!("v=spf1 a:{hostname} ~all")),
                "SPF; if there is one already, add the a: part to it",
            ),
            record(format!("{SELECTOR}._domainkey.{domain}"), "TXT", quoted(&dkim), "DKIM: the public half of the key"),
            record(
                format!("_dmarc.{domain}"),
                "TXT",
                quoted("v=DMARC1; p=none"),
                "DMARC; go on to p=reject once reports look good",
            ),
        ]
    }
}

const EXAMPLE: &str = include_str!("../../config.example.toml");
const SELECTOR: &str = "r1";
/// RFC 1035 §3.3: a character-string of a TXT record.
const TXT_STRING_MAX: usize = 255;

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
        let text = plan.config("shop.test.r1.pem");
        assert!(!text.contains("acme"), "{text}");
        let surroundings = Surroundings {
            environment: &|_| None,
            read_file: &|path| {
                assert_eq!(path, Path::new("/etc/replyd/shop.test.r1.pem"));
                Ok(pem(b"x"))
            },
        };
        let config = config::parse(Path::new("/etc/replyd/replyd.toml"), &text, surroundings).expect("a good config");
        let account = config.accounts.first().expect("an account");
        assert_eq!((account.name.as_str(), account.inbound_domain.as_str()), ("shop", "answers.shop.test"));
        assert_eq!(account.inboxes.first().and_then(|i| i.address.as_deref()), Some("support@shop.test"));
        assert_eq!(account.dkim.first().map(|key| key.domain.as_str()), Some("shop.test"));
    }

    #[test]
    fn long_txt_records_are_cut_into_strings_of_255() {
        let plan =
            Plan { domain: "a.test".into(), hostname: "b".into(), inbound_domain: "c".into(), account: "d".into() };
        let dkim = plan.records(&[7; 294]).into_iter().find(|record| record.name.contains("_domainkey"));
        let data = dkim.map(|record| record.data).unwrap_or_default();
        assert!(data.split('"').all(|part| part.len() <= 255), "{data}");
        assert!(data.matches('"').count() == 4 && data.contains("\" \""), "{data}");
    }
}
