//! Cuts HTML into tags and text, as the WHATWG tokenizer does, without copying and in one pass.
//!
//! html5ever's tokenizer compares every attribute name with all earlier ones of its tag, which one tag of 10 MB makes
//! quadratic; this one keeps the few attributes that tell a mail client's containers and forgets the others.
//! Never fails: what is no tag is text. Structure and white space are left to `html_text`.

use html5ever::data::NAMED_ENTITIES;
use std::borrow::Cow;

/// A start or end tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tag<'a> {
    pub name: Cow<'a, str>,
    attributes: Vec<(&'static str, Cow<'a, str>)>,
}

impl Tag<'_> {
    /// The value of one of the attributes that are kept, "" if absent.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// Has none of the attributes that are kept.
    pub fn is_bare(&self) -> bool {
        self.attributes.is_empty()
    }

    pub fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|(key, _)| *key == name)
    }
}

/// What the document is made of. Comments, doctypes, scripts and style sheets are left out.
#[derive(Debug, PartialEq, Eq)]
pub enum Token<'a> {
    Start(Tag<'a>),
    End(Cow<'a, str>),
    /// Character references are resolved.
    Text(Cow<'a, str>),
}

/// The tokens of a document, in order.
pub struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub fn new(html: &'a str) -> Self {
        Tokens { rest: html }
    }

    /// Moves past markup at `<` that says nothing to a reader; true if there was some.
    fn skip_silent(&mut self) -> bool {
        let rest = self.rest;
        if let Some(comment) = rest.strip_prefix("<!--") {
            self.rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
        } else if rest.starts_with("<!")
            || rest.starts_with("<?")
            || (rest.starts_with("</") && !names_a_tag(&rest[2..]))
        {
            self.rest = rest.find('>').map_or("", |end| &rest[end + 1..]);
        } else {
            return false;
        }
        true
    }

    fn text(&mut self) -> Token<'a> {
        let from_second = self.rest.char_indices().nth(1).map_or(self.rest.len(), |(index, _)| index);
        let end = self.rest[from_second..].find('<').map_or(self.rest.len(), |found| found + from_second);
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Token::Text(decode_references(text))
    }

    fn tag(&mut self) -> Option<Token<'a>> {
        let is_end = self.rest.starts_with("</");
        let inner = &self.rest[if is_end { 2 } else { 1 }..];
        let name_end = inner.find([' ', '\t', '\n', '\r', '\x0c', '/', '>']).unwrap_or(inner.len());
        let (name, after) = inner.split_at(name_end);
        let name = lower(name);
        let mut attributes = Vec::new();
        self.rest = read_attributes(after, &mut attributes)?;
        if is_end {
            return Some(Token::End(name));
        }
        if RAW_TEXT.contains(&name.as_ref()) {
            self.skip_raw_text(&name);
        }
        Some(Token::Start(Tag { name, attributes }))
    }

    /// Moves to the end tag of an element whose content is no markup.
    fn skip_raw_text(&mut self, name: &str) {
        let mut from = 0;
        while let Some(found) = self.rest[from..].find("</") {
            let at = from + found;
            let follows = self.rest[at + 2..].get(..name.len());
            if follows.is_some_and(|word| word.eq_ignore_ascii_case(name)) {
                self.rest = &self.rest[at..];
                return;
            }
            from = at + 2;
        }
        self.rest = "";
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if !self.rest.starts_with('<') {
                return Some(self.text());
            }
            if self.skip_silent() {
                continue;
            }
            let inner = self.rest.strip_prefix("</").unwrap_or(&self.rest[1..]);
            if !names_a_tag(inner) {
                return Some(self.text());
            }
            return self.tag();
        }
    }
}

fn names_a_tag(inner: &str) -> bool {
    inner.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Reads up to and over `>`; None if the document ends before it, when the tag is dropped as browsers do.
fn read_attributes<'a>(mut rest: &'a str, kept: &mut Vec<(&'static str, Cow<'a, str>)>) -> Option<&'a str> {
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', '/']);
        if let Some(after) = rest.strip_prefix('>') {
            return Some(after);
        }
        let name_end = rest.find([' ', '\t', '\n', '\r', '\x0c', '/', '>', '='])?.max(1);
        let (name, after) = rest.split_at_checked(name_end)?;
        rest = after.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = read_value(after.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']))?;
        }
        let known = KEPT_ATTRIBUTES.iter().find(|known| known.eq_ignore_ascii_case(name));
        if let Some(known) = known
            && !kept.iter().any(|(key, _)| key == known)
        {
            kept.push((known, decode_references(value)));
        }
    }
}

fn read_value(rest: &str) -> Option<(&str, &str)> {
    for quote in ['"', '\''] {
        if let Some(inner) = rest.strip_prefix(quote) {
            return inner.split_once(quote);
        }
    }
    let end = rest.find([' ', '\t', '\n', '\r', '\x0c', '>'])?;
    Some(rest.split_at(end))
}

/// Resolves character references; what names none stays as it stands.
fn decode_references(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('&') else { return Cow::Borrowed(text) };
    let mut decoded = String::with_capacity(text.len());
    decoded.push_str(&text[..first]);
    let mut rest = &text[first..];
    while let Some(after) = rest.strip_prefix('&') {
        rest = match reference(after) {
            Some((characters, used)) => {
                decoded.extend(characters.into_iter().filter(|character| *character != NOTHING));
                &after[used..]
            }
            None => {
                decoded.push('&');
                after
            }
        };
        let next = rest.find('&').unwrap_or(rest.len());
        decoded.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(decoded)
}

/// What follows `&`: the characters it stands for and how many bytes it takes.
fn reference(after: &str) -> Option<([char; 2], usize)> {
    let (characters, used) = if let Some(number) = after.strip_prefix('#') { numeric(number)? } else { named(after)? };
    let with_semicolon = used + usize::from(after[used..].starts_with(';'));
    Some((characters, with_semicolon))
}

fn numeric(number: &str) -> Option<([char; 2], usize)> {
    let (digits, radix, prefix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 2),
        None => (number, 10, 1),
    };
    // Seven digits hold every code point; more is no character in either radix.
    let end = digits.bytes().take(8).take_while(|byte| char::from(*byte).is_digit(radix)).count();
    let value = u32::from_str_radix(&digits[..end], radix).ok()?;
    let character = char::from_u32(value).filter(|_| value != 0).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(([character, NOTHING], prefix + end))
}

/// The longest name wins, as in the specification; the longest one has 32 letters.
fn named(after: &str) -> Option<([char; 2], usize)> {
    let end = after.bytes().take(32).take_while(u8::is_ascii_alphanumeric).count();
    let closed = end + usize::from(after[end..].starts_with(';'));
    (2..=closed).rev().find_map(|used| {
        let (first, second) = NAMED_ENTITIES.get(&after[..used]).copied().filter(|(first, _)| *first != 0)?;
        let used = used - usize::from(after[..used].ends_with(';'));
        Some(([char::from_u32(first)?, char::from_u32(second).filter(|_| second != 0).unwrap_or(NOTHING)], used))
    })
}

/// Stands in where a reference is one character long; invisible and never a word.
const NOTHING: char = '\u{feff}';

const RAW_TEXT: [&str; 6] = ["script", "style", "title", "textarea", "xmp", "iframe"];

const KEPT_ATTRIBUTES: [&str; 10] =
    ["id", "class", "style", "type", "name", "href", "alt", "data-marker", "data-signatureblock", "cite"];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        let shown: Vec<String> = Tokens::new(html)
            .map(|token| match token {
                Token::Start(tag) => format!("<{} {:?}>", tag.name, tag.attribute("id")),
                Token::End(name) => format!("</{name}>"),
                Token::Text(text) => text.into_owned(),
            })
            .collect();
        assert_eq!(shown.join("|"), expected, "{html}");
    }

    #[test]
    fn tags_text_and_silence() {
        check("a<B ID=x>b</B>c", "a|<b \"x\">|b|</b>|c");
        check("<p id='a b' id=c title=\">\">t", "<p \"a b\">|t");
        check("1 < 2 <3", "1 |< 2 |<3");
        check("<!doctype html><!-- <p> -->x<![if !mso]>y<?xml?>z", "x|y|z");
        check("<style><p></sty</STYLE >x", "<style \"\">|</style>|x");
        check("x</>y</ z>w", "x|y|w");
        check("x<div id=y", "x");
        check("<!-- never closed <p>", "");
    }

    #[test]
    fn references() {
        check("&lt;&amp;&#65;&#x42;&eacute;&copy x&notit;", "<&AB\u{e9}\u{a9} x\u{ac}it;");
        check("&zz;&&;&#;&#x;", "&zz;&&;&#;&#x;");
        check("&#0;&#xFFFFFFFF;", "\u{fffd}\u{fffd}");
    }
}
