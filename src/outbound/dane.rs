//! DANE for SMTP (RFC 7672): which TLSA records count, and the check of a host's certificate against them.
//!
//! That the records are proven by DNSSEC is the caller's to know. DANE-EE(3): the key or certificate alone counts, no name, no
//! dates (§3.1.1). DANE-TA(2): a chain to the named authority, and a name (§3.1.2). PKIX-TA(0) and PKIX-EE(1) are unusable
//! for SMTP (§3.1.3).

use super::hop::{Dane, TlsaRecord};
use crate::dns::Tlsa;
use aws_lc_rs::digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

const DANE_TA: u8 = 2;
const DANE_EE: u8 = 3;

/// Records of a host that are looked at; more are a peer's to publish and ours to ignore.
const RECORDS_MAX: usize = 20;

/// What a certificate must match, or `None` if none of these records can be used: then TLS is required, unauthenticated
/// (RFC 7672 §2.2).
pub fn usable(published: &[Tlsa], next_hop: &str) -> Option<Dane> {
    let records: Vec<TlsaRecord> =
        published.iter().filter(|tlsa| is_usable(tlsa)).take(RECORDS_MAX).map(record).collect();
    let names_authority = records.iter().any(|record| record.usage == DANE_TA);
    (!records.is_empty()).then(|| Dane { records, next_hop: names_authority.then(|| next_hop.to_owned()) })
}

fn is_usable(tlsa: &Tlsa) -> bool {
    let fits = match tlsa.matching {
        0 => !tlsa.data.is_empty(),
        1 => tlsa.data.len() == 32,
        2 => tlsa.data.len() == 64,
        _ => false,
    };
    matches!(tlsa.usage, DANE_TA | DANE_EE) && tlsa.selector <= 1 && fits
}

fn record(tlsa: &Tlsa) -> TlsaRecord {
    TlsaRecord { usage: tlsa.usage, selector: tlsa.selector, matching: tlsa.matching, data: tlsa.data.clone() }
}

/// Takes a certificate that any of the records matches.
pub fn verifier(dane: &Dane, provider: Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
    Arc::new(DaneVerifier { dane: dane.clone(), provider })
}

#[derive(Debug)]
struct DaneVerifier {
    dane: Dane,
    provider: Arc<CryptoProvider>,
}

/// What a host showed.
struct Shown<'a> {
    end_entity: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    name: &'a ServerName<'a>,
    now: UnixTime,
}

impl DaneVerifier {
    fn records(&self, usage: u8) -> impl Iterator<Item = &TlsaRecord> {
        self.dane.records.iter().filter(move |record| record.usage == usage)
    }

    /// A certificate of the chain that a record names, or one that stands in a record whole, signs for the host.
    fn is_vouched_for(&self, shown: &Shown<'_>) -> bool {
        let named =
            |certificate: &&CertificateDer<'_>| self.records(DANE_TA).any(|record| matches(record, certificate));
        let published = self.records(DANE_TA).filter(|record| (record.selector, record.matching) == (0, 0));
        let published = published.map(|record| CertificateDer::from(record.data.as_slice()));
        let in_chain = shown.intermediates.iter().filter(named).cloned();
        in_chain.chain(published).any(|authority| self.chains_to(authority, shown))
    }

    fn chains_to(&self, authority: CertificateDer<'_>, shown: &Shown<'_>) -> bool {
        let mut roots = RootCertStore::empty();
        if roots.add(authority.into_owned()).is_err() {
            return false;
        }
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build();
        let Ok(chain) = built else { return false };
        let next_hop = self.dane.next_hop.as_ref().and_then(|name| ServerName::try_from(name.as_str()).ok());
        let mut names = std::iter::once(shown.name).chain(next_hop.as_ref());
        names.any(|name| chain.verify_server_cert(shown.end_entity, shown.intermediates, name, &[], shown.now).is_ok())
    }
}

impl ServerCertVerifier for DaneVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.records(DANE_EE).any(|record| matches(record, end_entity)) {
            return Ok(ServerCertVerified::assertion());
        }
        let shown = Shown { end_entity, intermediates, name: server_name, now };
        match self.is_vouched_for(&shown) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::Other(rustls::OtherError(Arc::new(Mismatch))))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate is not the one that the domain published.
#[derive(Debug, thiserror::Error)]
#[error("the certificate matches no TLSA record of the host")]
struct Mismatch;

fn matches(record: &TlsaRecord, certificate: &CertificateDer<'_>) -> bool {
    let compared = |content: &[u8]| match record.matching {
        0 => record.data == content,
        1 => record.data == digest::digest(&digest::SHA256, content).as_ref(),
        2 => record.data == digest::digest(&digest::SHA512, content).as_ref(),
        _ => false,
    };
    match record.selector {
        0 => compared(certificate),
        1 => ParsedCertificate::try_from(certificate).is_ok_and(|parsed| compared(&parsed.subject_public_key_info())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

    const HOST: &str = "mx.example.net";

    struct Chain {
        authority: CertificateDer<'static>,
        host: CertificateDer<'static>,
    }

    /// An authority and a certificate of it for this name, long expired if the year says so.
    fn chain(name: &str, last_year: i32) -> Chain {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(last_year, 1, 1);
        let host = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        Chain { authority: issuer.der().clone(), host: host.der().clone() }
    }

    fn published(usage: u8, selector: u8, matching: u8, certificate: &CertificateDer<'_>) -> Tlsa {
        let content = match selector {
            0 => certificate.to_vec(),
            _ => ParsedCertificate::try_from(certificate).unwrap().subject_public_key_info().to_vec(),
        };
        let data = match matching {
            1 => digest::digest(&digest::SHA256, &content).as_ref().to_vec(),
            2 => digest::digest(&digest::SHA512, &content).as_ref().to_vec(),
            _ => content,
        };
        Tlsa { usage, selector, matching, data }
    }

    /// What a host with this chain is found to be under these records.
    fn check(chain: &Chain, with_authority: bool, records: &[Tlsa], expected: bool) {
        let dane = usable(records, "example.net").expect("usable records");
        let verifier = verifier(&dane, Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let sent = if with_authority { vec![chain.authority.clone()] } else { Vec::new() };
        let name = ServerName::try_from(HOST).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_795_000_000));
        let verified = verifier.verify_server_cert(&chain.host, &sent, &name, &[], now);
        assert_eq!(verified.is_ok(), expected, "{records:?} {verified:?}");
    }

    #[test]
    fn a_published_key_or_certificate_is_taken_whatever_its_name_and_dates() {
        let (named, foreign, other) = (chain(HOST, 2040), chain("elsewhere.example", 2001), chain(HOST, 2040));
        for selector in [0, 1] {
            for matching in [0, 1, 2] {
                let records = [published(3, selector, matching, &foreign.host)];
                check(&foreign, false, &records, true);
                check(&named, false, &records, false);
                let several = [published(3, 1, 1, &other.host), published(3, selector, matching, &foreign.host)];
                check(&foreign, false, &several, true);
            }
        }
    }

    #[test]
    fn a_published_authority_vouches_for_the_host_and_the_next_hop_until_the_certificate_expires() {
        let named = chain(HOST, 2040);
        for selector in [0, 1] {
            for matching in [0, 1, 2] {
                let records = |chain: &Chain| [published(2, selector, matching, &chain.authority)];
                check(&named, true, &records(&named), true);
                let (domain, foreign, expired) =
                    (chain("example.net", 2040), chain("elsewhere.example", 2040), chain(HOST, 2001));
                check(&domain, true, &records(&domain), true);
                check(&foreign, true, &records(&foreign), false);
                check(&expired, true, &records(&expired), false);
                check(&named, true, &records(&domain), false);
                // RFC 7672 §3.1.2: a digest cannot be chained to when the host leaves the authority out.
                check(&named, false, &records(&named), (selector, matching) == (0, 0));
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_left_out() {
        let named = chain(HOST, 2040);
        let good = published(3, 1, 1, &named.host);
        let with = |change: fn(&mut Tlsa)| {
            let mut tlsa = good.clone();
            change(&mut tlsa);
            tlsa
        };
        let bad = [
            with(|tlsa| tlsa.usage = 0),
            with(|tlsa| tlsa.usage = 1),
            with(|tlsa| tlsa.usage = 255),
            with(|tlsa| tlsa.selector = 2),
            with(|tlsa| tlsa.matching = 3),
            with(|tlsa| tlsa.matching = 2),
            with(|tlsa| tlsa.data.truncate(31)),
            Tlsa { usage: 3, selector: 0, matching: 0, data: Vec::new() },
        ];
        for tlsa in &bad {
            assert_eq!(usable(std::slice::from_ref(tlsa), "example.net"), None, "{tlsa:?}");
        }
        let mixed: Vec<Tlsa> = bad.into_iter().chain([good]).collect();
        let dane = usable(&mixed, "example.net").unwrap();
        assert_eq!((dane.records.len(), dane.next_hop), (1, None));
    }
}
