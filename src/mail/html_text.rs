//! Turns an HTML body into the text it shows: blocks as lines, list marks, link targets, quotations marked.
//!
//! The result is plain text and holds every word; what of it is quotation or signature `quoted` decides.

use super::html_lines::{Role, lines_of};
use super::html_token::Tag;

/// The whole body as text: blocks as lines, list marks, link targets, `> ` before quotations.
pub fn text_of(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    for line in lines_of(html, plain_role) {
        for _ in 0..line.depth.min(QUOTE_MARKS_MAX) {
            text.push_str("> ");
        }
        text.push_str(&line.text);
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text.trim_matches('\n').to_owned()
}

fn plain_role(tag: &Tag<'_>) -> Role {
    if tag.name == "blockquote" { Role::Quotation { cited: true } } else { Role::Plain }
}

/// Quote marks written per line; deeper quotations say nothing more to a reader.
const QUOTE_MARKS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(text_of(html), expected, "{html}");
    }

    #[test]
    fn blocks_become_lines() {
        check("Hi<br>there<div>you</div>", "Hi\nthere\nyou");
        check("<p>One</p>\n<p>Two\n  words</p>", "One\n\nTwo words");
        check("<p class=MsoNormal>a</p><p class=MsoNormal>b</p>", "a\n\nb");
        check("<ul><li>a<li>b</ul><ol><li>c<li>d</ol>", "- a\n- b\n1. c\n2. d");
        check("<table><tr><td>a</td><td>b</td></tr><tr><td>c</table>", "a b\nc");
        check("<pre>  x\n   y</pre>", "  x\n   y");
        check("<div style='white-space: pre-wrap'>x\ny</div>z", "x\ny\nz");
        check("<title>t</title><style>s</style>a&nbsp;&lt;b&gt;", "a <b>");
    }

    #[test]
    fn quotations_keep_their_mark() {
        check("a<blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n> b\n> > c\nd");
    }

    #[test]
    fn links_show_where_they_lead() {
        check("<a href='https://example.com/x'>here</a>", "here <https://example.com/x>");
        check("<a href='https://example.com/x'>example.com</a>", "example.com");
        check("<a href='mailto:a@example.com'>Ann</a>", "Ann");
        check("Ann <ann@example.com> wrote", "Ann <ann@example.com> wrote");
    }

    #[test]
    fn hostile_nesting_is_read() {
        let deep = "<div>".repeat(100_000) + "x";
        check(&deep, "x");
        let quotes = "<blockquote>".repeat(100_000) + "x";
        assert!(text_of(&quotes).ends_with("> x"));
        check(&("<div ".repeat(100_000) + "> x"), "x");
        check(&("</div>".repeat(100_000) + "x"), "x");
        check(&("<span><p></span>".repeat(50_000) + "x"), "x");
    }
}
