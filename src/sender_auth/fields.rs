//! The header of a mail as fields of raw octets, and where the body begins: what is hashed must be what came.

/// A field as it stands: name before the colon, everything behind it up to and with the line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawField<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
}

impl RawField<'_> {
    /// RFC 5322 §4.5.3 allows white space before the colon; readers ignore it, so do we.
    pub fn is(&self, name: &str) -> bool {
        self.name.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A mail, split once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawMail<'a> {
    pub fields: Vec<RawField<'a>>,
    pub body: &'a [u8],
}

impl<'a> RawMail<'a> {
    /// The header ends at the first empty line, or with the mail.
    pub fn split(raw: &'a [u8]) -> RawMail<'a> {
        let mut fields = Vec::with_capacity(32);
        let mut rest = raw;
        while !rest.is_empty() {
            if let Some(body) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
                return RawMail { fields, body };
            }
            let (field, tail) = rest.split_at(field_length(rest));
            if let Some(colon) = field.iter().position(|octet| *octet == b':' || *octet == b'\n')
                && let Some((name, [b':', value @ ..])) = field.split_at_checked(colon)
            {
                fields.push(RawField { name, value });
            }
            rest = tail;
        }
        RawMail { fields, body: &[] }
    }

    pub fn all<'b>(&'b self, name: &'b str) -> impl DoubleEndedIterator<Item = &'b RawField<'a>> {
        self.fields.iter().filter(move |field| field.is(name))
    }
}

/// Octets of the first line and of those that continue it (RFC 5322 §2.2.3).
fn field_length(rest: &[u8]) -> usize {
    let mut length = 0;
    loop {
        let tail = rest.get(length..).unwrap_or_default();
        match tail.iter().position(|octet| *octet == b'\n') {
            None => return rest.len(),
            Some(end) => length += end + 1,
        }
        if !matches!(rest.get(length), Some(b' ' | b'\t')) {
            return length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_body() {
        let raw = b"From : a\r\nno colon here\r\nX:b\r\n\tc\r\n\r\nbody: x\r\n";
        let mail = RawMail::split(raw);
        let shown: Vec<_> = mail.fields.iter().map(|f| (f.name, f.value)).collect();
        assert_eq!(shown, [(&b"From "[..], &b" a\r\n"[..]), (b"X", b"b\r\n\tc\r\n")]);
        assert_eq!(mail.body, b"body: x\r\n");
        assert!(mail.fields[0].is("from"));
    }

    #[test]
    fn any_octets_split() {
        for raw in
            [&b""[..], b"\n", b"\r\n", b":", b"\n\n", b"a", b"a:", b" a\n b", b"\r", b"a\r:b\r\r\n", b"\0\xff:\xfe"]
        {
            RawMail::split(raw);
        }
        assert_eq!(RawMail::split(b"\r\nx").body, b"x");
        assert_eq!(RawMail::split(b"A: b").body, b"");
    }
}
