//! XCLIENT's attributes: the true client as a trusted proxy names it (Postfix XCLIENT_README).
//!
//! Whether the peer is trusted is settled before; here a value is decoded or the command refused.

use super::parameters::decode_xtext;
use super::question::XclientAttributes;

/// `None`: not readable.
pub(super) fn parse_attributes(text: &str) -> Option<XclientAttributes> {
    let mut attributes = XclientAttributes::default();
    for attribute in text.split(' ').filter(|attribute| !attribute.is_empty()) {
        let (name, value) = attribute.split_once('=')?;
        let value = Some(decode_xtext(value)?).filter(|value| !is_unavailable(value));
        match name.to_ascii_uppercase().as_str() {
            "ADDR" => attributes.address = value.map(|value| parse_address(&value)).transpose().ok()?,
            "HELO" => attributes.helo = value,
            "NAME" => attributes.name = value,
            "PROTO" => attributes.protocol = value,
            // Known to Postfix, and nothing here asks for them.
            "PORT" | "LOGIN" | "DESTADDR" | "DESTPORT" => {}
            _ => return None,
        }
    }
    (!text.is_empty()).then_some(attributes)
}

fn is_unavailable(value: &str) -> bool {
    value.eq_ignore_ascii_case("[UNAVAILABLE]") || value.eq_ignore_ascii_case("[TEMPUNAVAIL]")
}

fn parse_address(value: &str) -> Result<std::net::IpAddr, std::net::AddrParseError> {
    match value.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPV6:")) {
        Some(_) => value.get(5..).unwrap_or_default().parse(),
        None => value.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_or_the_command_is_refused() {
        let attributes = parse_attributes("ADDR=IPV6:2001:db8::1 helo=a+20b NAME=[UNAVAILABLE] PORT=1").unwrap();
        assert_eq!(attributes.address, Some("2001:db8::1".parse().unwrap()));
        assert_eq!((attributes.helo.as_deref(), attributes.name), (Some("a b"), None));
        for wrong in ["", "ADDR", "ADDR=x", "HELO=+0D+0A", "HELO=+00", "FOO=1", "ADDR=300.1.1.1"] {
            assert_eq!(parse_attributes(wrong), None, "{wrong}");
        }
    }
}
