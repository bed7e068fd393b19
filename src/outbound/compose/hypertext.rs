//! Text as it may stand in a mail, and the same as HTML: escaped, links to follow, lines kept.

use crate::mail::html;

/// Text with LF line ends and without what terminals and old hosts act upon: a control character shows as `U+FFFD`.
pub fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let shown = |c: char| match c {
        '\r' | '\u{2028}' | '\u{2029}' => '\n',
        '\n' | '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect::<String>().trim_end().to_owned()
}

/// `text` is clean.
pub fn of_text(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            html.push_str("<br>\n");
        }
        // What is indented stays so.
        let rest = line.trim_start_matches([' ', '\t']);
        for indent in line.get(..line.len() - rest.len()).unwrap_or_default().chars() {
            html.push_str(if indent == '\t' { "&nbsp;&nbsp;&nbsp; " } else { "&nbsp;" });
        }
        link_line(rest, &mut html);
    }
    html
}

/// HTML of an agent, made safe; `None` if it is too costly, and the text must do. Pictures from elsewhere are left out:
/// a mail of ours loads nothing.
pub fn of_html(given: &str) -> Option<String> {
    html::sanitise(given).map(|safe| without_remote_images(&safe))
}

/// Reads the sanitiser's own output: attributes in double quotes, no bare `"` or `>` inside of them.
fn without_remote_images(safe: &str) -> String {
    let mut kept = String::with_capacity(safe.len());
    let mut rest = safe;
    while let Some(start) = rest.find("<img") {
        let (before, image) = rest.split_at(start);
        kept.push_str(before);
        rest = image.find('>').and_then(|end| image.get(end + 1..)).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

fn link_line(line: &str, html: &mut String) {
    let mut rest = line;
    while let Some(start) = next_link(rest) {
        let (before, from) = rest.split_at(start);
        let (url, after) = from.split_at(url_length(from));
        escape(before, html);
        if url.len() > URL_OCTETS_MAX {
            escape(url, html);
        } else {
            html.push_str("<a href=\"");
            escape(url, html);
            html.push_str("\">");
            escape(url, html);
            html.push_str("</a>");
        }
        rest = after;
    }
    escape(rest, html);
}

/// Where a link begins: at one of the schemes, if no letter stands before it.
fn next_link(text: &str) -> Option<usize> {
    let starts = text.match_indices(':').filter_map(|(colon, _)| {
        let before = text.get(..colon)?;
        let scheme = SCHEMES.iter().find(|scheme| {
            let start = before.len().checked_sub(scheme.name.len());
            start.and_then(|start| before.get(start..)).is_some_and(|word| word.eq_ignore_ascii_case(scheme.name))
        })?;
        let start = colon - scheme.name.len();
        let alone = !before.get(..start)?.ends_with(|c: char| c.is_alphanumeric());
        let behind = text.get(colon + 1..)?.strip_prefix(scheme.behind)?;
        (alone && behind.starts_with(|c: char| c.is_alphanumeric() || c == '[')).then_some(start)
    });
    starts.into_iter().next()
}

struct Scheme {
    name: &'static str,
    behind: &'static str,
}

const SCHEMES: [Scheme; 3] = [
    Scheme { name: "https", behind: "//" },
    Scheme { name: "http", behind: "//" },
    Scheme { name: "mailto", behind: "" },
];

/// Up to white space or a mark that no URL holds; the marks that end a sentence are not part of it, a bracket only if it
/// was opened inside. Never nothing: a scheme is letters.
fn url_length(text: &str) -> usize {
    let end =
        text.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c)).unwrap_or(text.len());
    let url = text.get(..end).unwrap_or_default();
    let surplus = |opening, closing| url.matches(closing).count().saturating_sub(url.matches(opening).count());
    let (mut round, mut square) = (surplus('(', ')'), surplus('[', ']'));
    let ends_sentence = |c: char| match c {
        ')' if round > 0 => {
            round -= 1;
            true
        }
        ']' if square > 0 => {
            square -= 1;
            true
        }
        c => matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '…' | '”' | '’'),
    };
    url.trim_end_matches(ends_sentence).len()
}

/// Longer ones are no person's, and some clients cut them.
const URL_OCTETS_MAX: usize = 2048;

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(of_text(&clean(text)), expected, "{text:?}");
    }

    #[test]
    fn text_is_escaped_and_lines_stay() {
        check("a <b> & \"c\"\r\nd\re\n", "a &lt;b&gt; &amp; &quot;c&quot;<br>\nd<br>\ne");
        check("  x\n\ty", "&nbsp;&nbsp;x<br>\n&nbsp;&nbsp;&nbsp; y");
        check("a\0b\u{1b}[2J", "a\u{fffd}b\u{fffd}[2J");
    }

    #[test]
    fn only_web_and_mail_links_are_links() {
        let link = |url: &str| format!("<a href=\"{url}\">{url}</a>");
        check("see https://a.example/x?y=1&z=2.", &format!("see {}.", link("https://a.example/x?y=1&amp;z=2")));
        check("(http://a.example/b_(c))", &format!("({})", link("http://a.example/b_(c)")));
        check("HTTPS://A.example", &link("HTTPS://A.example"));
        check("mailto:a@b.example, x", &format!("{}, x", link("mailto:a@b.example")));
        check("https://a.example/\"onclick=x", &format!("{}&quot;onclick=x", link("https://a.example/")));
        check("xhttps://a.example", "xhttps://a.example");
        check(
            "javascript:alert(1) data:text/html,x https:// http:",
            "javascript:alert(1) data:text/html,x https:// http:",
        );
        check("https://a https://b", &format!("{} {}", link("https://a"), link("https://b")));
    }

    #[test]
    fn pictures_from_elsewhere_are_left_out() {
        let html = of_html("<p onclick=x>a<img src=https://t.example/p.gif>b<script>x</script></p>");
        assert_eq!(html.as_deref(), Some("<p>ab</p>"));
    }
}
