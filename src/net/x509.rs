//! The one thing about a certificate that TLS itself does not tell: until when it is valid (RFC 5280 §4.1.2.5).

use crate::clock::UnixMs;

/// `notAfter`, if the certificate can be read.
pub fn not_after(der: &[u8]) -> Option<UnixMs> {
    let (SEQUENCE, certificate, _) = element(der)? else { return None };
    let (SEQUENCE, mut fields, _) = element(certificate)? else { return None };
    if let (VERSION, _, rest) = element(fields)? {
        fields = rest;
    }
    // serialNumber, signature, issuer; then validity.
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (SEQUENCE, validity, _) = element(fields)? else { return None };
    let (_, _, after_not_before) = element(validity)?;
    let (tag, time, _) = element(after_not_before)?;
    time_of(tag, std::str::from_utf8(time).ok()?)
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Tag, content and what follows of the DER element at the front.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = octets.iter().try_fold(0usize, |sum, octet| {
                sum.checked_mul(256).and_then(|sum| sum.checked_add(usize::from(*octet)))
            })?;
            (length, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5.1: 50 and above is the last century) or `YYYYMMDDHHMMSSZ`.
fn time_of(tag: u8, text: &str) -> Option<UnixMs> {
    let text = match tag {
        UTC_TIME if text.get(..2)? >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    let zoned = jiff::tz::Offset::UTC.to_timestamp(time).ok()?;
    Some(UnixMs(zoned.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_validity_is_read_from_both_time_forms_and_from_nothing_else() {
        for (year, expected) in [(2031, "2031-02-03T00:00:00.000Z"), (2061, "2061-02-03T00:00:00.000Z")] {
            let mut params = rcgen::CertificateParams::new(vec!["mx.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 2, 3);
            let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            assert_eq!(not_after(certificate.der()).map(UnixMs::rfc3339).as_deref(), Some(expected));
            for cut in 0..certificate.der().len() {
                not_after(&certificate.der()[..cut]);
            }
        }
        for hostile in [b"".as_slice(), b"\x30\x84\xff\xff\xff\xff", b"\x30\xff", &[0x30; 64], &[0xff; 64]] {
            assert_eq!(not_after(hostile), None);
        }
    }
}
