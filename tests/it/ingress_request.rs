//! Requests to ingresses as providers make them, to be changed before they are sent, and the houses that they are sent to.

use crate::http_client::Answer;
use crate::product::Product;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

/// An ingress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Relay,
    Postmark,
    Sendgrid,
    Mailgun,
    Mandrill,
}

impl Door {
    pub const ALL: [Door; 5] = [Door::Relay, Door::Postmark, Door::Sendgrid, Door::Mailgun, Door::Mandrill];

    pub fn word(self) -> &'static str {
        match self {
            Door::Relay => "relay",
            Door::Postmark => "postmark",
            Door::Sendgrid => "sendgrid",
            Door::Mailgun => "mailgun",
            Door::Mandrill => "mandrill",
        }
    }

    pub fn path(self) -> String {
        let end = if self == Door::Mailgun { "/mime" } else { "" };
        format!("/rails/action_mailbox/{}/inbound_emails{end}", self.word())
    }

    pub fn secret(self) -> &'static str {
        match self {
            Door::Relay => "relay secret",
            Door::Postmark => "postmark secret",
            Door::Sendgrid => "sendgrid secret",
            Door::Mailgun => "mailgun signing key",
            Door::Mandrill => "mandrill webhook key",
        }
    }

    pub fn is_basic(self) -> bool {
        matches!(self, Door::Relay | Door::Postmark | Door::Sendgrid)
    }

    pub fn success(self) -> u16 {
        if self == Door::Mandrill { 200 } else { 204 }
    }
}

/// The product's config with every door of `acme` set up, and a relay and SendGrid of `bolt` with passwords of its own.
pub fn house_with(acme: &str, bolt: &str) -> Product {
    let config = crate::product::CONFIG
        .replace("[http]\n", "[http]\npublic_url = \"https://example.com\"\n")
        .replace(
            "inbound_domain = \"reply.acme.example\"\n",
            &format!("inbound_domain = \"reply.acme.example\"\n{acme}"),
        )
        .replace(
            "inbound_domain = \"reply.bolt.example\"\n",
            &format!("inbound_domain = \"reply.bolt.example\"\n{bolt}"),
        );
    Product::with(&config)
}

pub fn doors(secret: impl Fn(Door) -> String) -> String {
    format!(
        "ingress.relay = {{ password = \"{}\" }}\ningress.postmark = {{ password = \"{}\" }}\n\
         ingress.sendgrid = {{ password = \"{}\", safe_status = false }}\ningress.mailgun = {{ signing_key = \"{}\" }}\n\
         ingress.mandrill = {{ api_key = \"{}\" }}\n",
        secret(Door::Relay),
        secret(Door::Postmark),
        secret(Door::Sendgrid),
        secret(Door::Mailgun),
        secret(Door::Mandrill)
    )
}

pub fn open_house() -> Product {
    house_with(&doors(|door| door.secret().to_owned()), "ingress.relay = { password = \"bolt's own\" }\n")
}

pub fn house_with_secret(secret: &str) -> Product {
    house_with(&doors(|_| secret.to_owned()), "")
}

/// A mail to the inbox of `acme`, told apart by its subject.
pub fn mime(subject: &str) -> String {
    mail("support@acme.example", subject)
}

pub fn mail(to: &str, subject: &str) -> String {
    format!(
        "From: Jane Doe <jane@customer.example>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{}@customer.example>\r\n\
         Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nIt does not boil.\r\n",
        subject.to_lowercase().replace(' ', ".")
    )
}

/// How the parameters are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Encoding {
    Raw,
    Form,
    Multipart,
    Json,
}

/// A request to a door, to be changed before it is sent.
#[derive(Debug, Clone)]
pub struct Request {
    pub door: Door,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    fields: Vec<(String, Vec<u8>)>,
    files: Vec<(String, Vec<u8>)>,
    encoding: Encoding,
    raw: Option<Vec<u8>>,
    signs: bool,
}

impl Request {
    pub fn of(door: Door, method: &'static str) -> Request {
        Request {
            door,
            method,
            path: door.path(),
            headers: Vec::new(),
            fields: Vec::new(),
            files: Vec::new(),
            encoding: Encoding::Form,
            raw: None,
            signs: false,
        }
    }

    /// As the provider makes it, with a mail of its own.
    pub fn good(door: Door) -> Request {
        Request::bringing(door, &mail("support@acme.example", &format!("By {}", door.word())), "support@acme.example")
    }

    pub fn bringing(door: Door, mail: &str, to: &str) -> Request {
        let request = Request::of(door, "POST");
        match door {
            Door::Relay => request
                .credentials("actionmailbox", door.secret())
                .raw(mail.as_bytes())
                .header("Content-Type", "message/rfc822"),
            Door::Postmark => {
                let body = json!({ "From": "jane@customer.example", "OriginalRecipient": to, "TextBody": "x", "RawEmail": mail });
                let fields = request.field("OriginalRecipient", to).field("RawEmail", mail);
                fields
                    .credentials("actionmailbox", door.secret())
                    .raw(body.to_string().as_bytes())
                    .header("Content-Type", "application/json")
            }
            Door::Sendgrid => {
                let envelope = json!({ "to": [to], "from": "jane@customer.example" }).to_string();
                let fields = request.field("email", mail).field("envelope", &envelope).field("sender_ip", "192.0.2.1");
                fields.credentials("actionmailbox", door.secret()).in_multipart()
            }
            Door::Mailgun => {
                let fields =
                    request.field("body-mime", mail).field("recipient", to).field("sender", "jane@customer.example");
                proof(door.secret(), 0).iter().fold(fields, |request, (name, value)| request.field(name, value))
            }
            Door::Mandrill => {
                let event = json!([{ "event": "inbound", "ts": 1, "msg": { "raw_msg": mail, "email": to } }]);
                request.field("mandrill_events", &event.to_string()).signed()
            }
        }
    }

    pub fn at(mut self, path: &str) -> Request {
        self.path = path.to_owned();
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self.signs &= name != "X-Mandrill-Signature";
        self
    }

    pub fn credentials(self, user: &str, password: &str) -> Request {
        let both = BASE64.encode(format!("{user}:{password}").as_bytes());
        self.header("Authorization", &format!("Basic {both}"))
    }

    pub fn without_credentials(mut self) -> Request {
        self.headers.retain(|(name, _)| name != "Authorization");
        self.signs = false;
        if self.door == Door::Mailgun { self.field("signature", "x") } else { self }
    }

    /// Replaces the parameter, or adds it.
    pub fn field(mut self, name: &str, value: &str) -> Request {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub fn without(mut self, name: &str) -> Request {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    pub fn file(mut self, name: &str, content: &str) -> Request {
        self.files.push((name.to_owned(), content.as_bytes().to_vec()));
        self.in_multipart()
    }

    pub fn raw(mut self, body: &[u8]) -> Request {
        self.raw = Some(body.to_vec());
        self.encoding = Encoding::Raw;
        self
    }

    /// Neither a body nor a length.
    pub fn bodiless(mut self) -> Request {
        self.raw = None;
        self.encoding = Encoding::Raw;
        self
    }

    pub fn in_form(self) -> Request {
        self.encoded(Encoding::Form)
    }

    pub fn in_multipart(self) -> Request {
        self.encoded(Encoding::Multipart)
    }

    pub fn in_json(self) -> Request {
        self.encoded(Encoding::Json)
    }

    fn encoded(mut self, encoding: Encoding) -> Request {
        self.headers.retain(|(name, _)| name != "Content-Type");
        self.encoding = encoding;
        self.raw = None;
        self
    }

    /// Mandrill's signature is made when it is sent, unless the test gives one.
    fn signed(mut self) -> Request {
        self.signs = true;
        self
    }

    pub fn send(&self, product: &Product) -> Answer {
        product.tcp.exchange_octets(&self.octets())
    }

    pub fn octets(&self) -> Vec<u8> {
        let (content_type, body) = self.body();
        let mut head = format!("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", self.method, self.path);
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.is_empty()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(content_type) = content_type {
            head.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        if self.signs {
            let fields: Vec<(&str, &str)> =
                self.fields.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
            head.push_str(&format!(
                "X-Mandrill-Signature: {}\r\n",
                mandrill_signature(Door::Mandrill.secret(), &fields)
            ));
        }
        if let Some(body) = &body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        [head.as_bytes(), b"\r\n", &body.unwrap_or_default()].concat()
    }

    fn body(&self) -> (Option<String>, Option<Vec<u8>>) {
        match self.encoding {
            Encoding::Raw => (None, self.raw.clone()),
            Encoding::Form => {
                let pairs =
                    self.fields.iter().map(|(name, value)| format!("{}={}", escaped(name.as_bytes()), escaped(value)));
                let body = pairs.collect::<Vec<_>>().join("&").into_bytes();
                (Some("application/x-www-form-urlencoded".to_owned()), Some(body))
            }
            Encoding::Multipart => (Some("multipart/form-data; boundary=xYzZY".to_owned()), Some(self.multipart())),
            Encoding::Json => {
                let object: Value =
                    self.fields.iter().map(|(name, value)| (name.clone(), Value::from(text(value)))).collect();
                (Some("application/json".to_owned()), Some(object.to_string().into_bytes()))
            }
        }
    }

    fn multipart(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let named = self.fields.iter().map(|(name, value)| (format!("name=\"{name}\""), value));
        let files = self.files.iter().map(|(name, value)| (format!("name=\"{name}\"; filename=\"a.eml\""), value));
        for (name, value) in named.chain(files) {
            body.extend(format!("--xYzZY\r\nContent-Disposition: form-data; {name}\r\n\r\n").into_bytes());
            body.extend(value);
            body.extend(b"\r\n");
        }
        body.extend(b"--xYzZY--\r\n");
        body
    }
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).expect("text")
}

fn escaped(octets: &[u8]) -> String {
    octets
        .iter()
        .map(
            |octet| {
                if octet.is_ascii_alphanumeric() { char::from(*octet).to_string() } else { format!("%{octet:02x}") }
            },
        )
        .collect()
}

static TOKENS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Mailgun's three parameters, made so many seconds ago.
pub fn proof(key: &str, ago: i64) -> [(&'static str, String); 3] {
    let timestamp = (replyd::clock::Clock::System.now().seconds() - ago).to_string();
    let token = format!("token {}", TOKENS.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_bytes());
    let signature = HEXLOWER.encode(aws_lc_rs::hmac::sign(&key, format!("{timestamp}{token}").as_bytes()).as_ref());
    [("timestamp", timestamp), ("token", token), ("signature", signature)]
}

pub fn mandrill_signature(key: &str, fields: &[(&str, &str)]) -> String {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    let joined: String = fields.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let signed = format!("https://example.com{}{joined}", Door::Mandrill.path());
    BASE64.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref())
}
