//! A DNS root of our own that signs what it says, for a resolver that believes nothing else.
//!
//! One zone holds every name, so there is one key and no chain of delegations. Names below `insecure.example` are
//! delegated without a key; of names below `forged.example` the signatures do not fit.

use hickory_resolver::proto::dnssec::crypto::EcdsaSigningKey;
use hickory_resolver::proto::dnssec::rdata::sig::SigInput;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{Algorithm, DnssecSigner, SigningKey, TBS, TrustAnchors};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::NS;
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use replyd::dns::{Zone, ZoneServer};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TTL: u32 = 3600;

pub struct SignedRoot {
    zone: Zone,
    signer: DnssecSigner,
}

fn insecure() -> Name {
    Name::from_str("insecure.example.").expect("a name")
}

impl SignedRoot {
    pub fn new(zone: &str) -> SignedRoot {
        let algorithm = Algorithm::ECDSAP256SHA256;
        let der = EcdsaSigningKey::generate_pkcs8(algorithm).expect("a key");
        let key: Box<dyn SigningKey> = Box::new(EcdsaSigningKey::from_pkcs8(&der, algorithm).expect("a key"));
        let dnskey = DNSKEY::from_key(&key.to_public_key().expect("a public key"));
        let signer = DnssecSigner::new(dnskey, key, Name::root(), Duration::from_secs(86_400));
        SignedRoot { zone: Zone::parse(zone).expect("a zone"), signer }
    }

    pub fn anchors(&self) -> TrustAnchors {
        let mut anchors = TrustAnchors::empty();
        anchors.insert(self.signer.dnskey().public_key());
        anchors
    }

    pub async fn serve(self) -> ZoneServer {
        ZoneServer::answering(Arc::new(move |request| self.reply(request))).await.expect("a zone server")
    }

    fn reply(&self, request: &Message) -> Option<Message> {
        let query = request.queries.first()?.clone();
        let (name, kind) = (query.name().clone(), query.query_type());
        let mut reply = self.zone.reply(request)?;
        let own = self.of_the_zone_itself(&name, kind);
        if let Some(own) = own {
            reply.answers = vec![own];
            reply.authorities.clear();
            reply.metadata.response_code = ResponseCode::NoError;
        }
        let is_cut = name == insecure() && matches!(kind, RecordType::NS | RecordType::DS);
        if reply.metadata.response_code == ResponseCode::ServFail || (insecure().zone_of(&name) && !is_cut) {
            return Some(reply);
        }
        if name == insecure() && kind == RecordType::NS {
            return Some(reply);
        }
        if reply.answers.is_empty() {
            reply.authorities.push(self.denial(&name, kind, &reply, is_cut));
            if is_cut {
                reply.metadata.response_code = ResponseCode::NoError;
            }
        }
        reply.answers = self.signed(std::mem::take(&mut reply.answers));
        reply.authorities = self.signed(std::mem::take(&mut reply.authorities));
        Some(reply)
    }

    fn of_the_zone_itself(&self, name: &Name, kind: RecordType) -> Option<Record> {
        let host = || Name::from_str("ns.example.").expect("a name");
        let data = match kind {
            RecordType::DNSKEY if name.is_root() => RData::DNSSEC(DNSSECRData::DNSKEY(self.signer.to_dnskey())),
            RecordType::NS if name.is_root() || *name == insecure() => RData::NS(NS(host())),
            _ => return None,
        };
        Some(Record::from_rdata(name.clone(), TTL, data))
    }

    /// RFC 4035 §3.1.3: at the name itself that there is no such type; else from the root around that there is no name.
    fn denial(&self, name: &Name, kind: RecordType, reply: &Message, is_cut: bool) -> Record {
        let exists = reply.metadata.response_code == ResponseCode::NoError || is_cut;
        let (owner, next, types) = match exists {
            true if is_cut => (name.clone(), Name::root(), vec![RecordType::NS]),
            true => {
                let other = if kind == RecordType::TXT { RecordType::A } else { RecordType::TXT };
                (name.clone(), Name::root(), vec![other])
            }
            false => (Name::root(), Name::root(), vec![RecordType::SOA, RecordType::NS, RecordType::DNSKEY]),
        };
        Record::from_rdata(owner, TTL, RData::DNSSEC(DNSSECRData::NSEC(NSEC::new_cover_self(next, types))))
    }

    fn signed(&self, records: Vec<Record>) -> Vec<Record> {
        let mut sets = BTreeMap::<(String, u16), Vec<Record>>::new();
        for record in records {
            sets.entry((record.name.to_ascii(), record.record_type().into())).or_default().push(record);
        }
        sets.into_values().flat_map(|set| self.with_signature(set)).collect()
    }

    fn with_signature(&self, mut set: Vec<Record>) -> Vec<Record> {
        let (name, kind) = (set[0].name.clone(), set[0].record_type());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let now = u32::try_from(now).expect("before 2106");
        let input = SigInput {
            type_covered: kind,
            algorithm: self.signer.key().algorithm(),
            num_labels: name.num_labels(),
            original_ttl: TTL,
            sig_expiration: SerialNumber::new(now + 86_400),
            sig_inception: SerialNumber::new(now - 3600),
            key_tag: self.signer.calculate_key_tag().expect("a key tag"),
            signer_name: Name::root(),
        };
        let signed = TBS::from_input(&name, DNSClass::IN, &input, set.iter()).expect("octets to sign");
        let mut signature = self.signer.sign(&signed).expect("a signature");
        if Name::from_str("forged.example.").expect("a name").zone_of(&name) {
            signature[0] ^= 1;
        }
        let rrsig = RRSIG::from_sig(input, signature);
        set.push(Record::from_rdata(name, TTL, RData::DNSSEC(DNSSECRData::RRSIG(rrsig))));
        set
    }
}
