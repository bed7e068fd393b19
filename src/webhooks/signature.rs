//! How a receiver knows that an event is ours and fresh: HMAC-SHA256 over the time and the body.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;

/// Lower case hex, keyed with the subscription's secret, over `<timestamp>.<body>`.
pub fn sign(secret: &str, timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(timestamp.to_string().as_bytes());
    context.update(b".");
    context.update(body.as_bytes());
    HEXLOWER.encode(context.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1795000000.{"id":"a"}' | openssl dgst -sha256 -hmac whsec_test`
    #[test]
    fn a_signature_is_what_others_compute() {
        assert_eq!(
            sign("whsec_test", 1_795_000_000, r#"{"id":"a"}"#),
            "07f3658bebbf0f26a9592f7b5d64d7d64b1c6c7ac25151a6e030e5213ab5bf4a"
        );
        assert_ne!(
            sign("whsec_test", 1_795_000_001, r#"{"id":"a"}"#),
            sign("whsec_test", 1_795_000_000, r#"{"id":"a"}"#)
        );
    }
}
