//! Untrusted HTML made safe to show: no script, no style tricks, no forms, no remote load, nothing outside its box.
//!
//! ammonia decides what is kept; this file decides what ammonia may be asked: its parser is slow on deep and
//! on badly nested trees (20,000 nested `div`s in 100 KB cost a second), so a linear count refuses those first.
//! Never called while mail is accepted; whoever shows the result shows it in a sandbox as well.

use ammonia::{Builder, UrlRelative};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Larger HTML is shown as text: a person does not write it, and the time to parse it is ours.
pub const HTML_OCTETS_MAX: usize = 512 * 1024;

/// Elements open at once.
pub const OPEN_ELEMENTS_MAX: usize = 500;

/// Elements the parser may make again because `<b>`, `<font>`, … were left open across blocks.
const REOPENED_ELEMENTS_MAX: usize = 200_000;

/// Safe HTML, or `None` if it would cost too much to make. Remote images keep their address in `data-remote-src`.
pub fn sanitise(html: &str) -> Option<String> {
    if html.len() > HTML_OCTETS_MAX || !is_cheap(html) {
        return None;
    }
    Some(hold_remote_images(&CLEANER.clean(html).to_string()))
}

/// Sanitised HTML with its remote pictures at their place again, for whoever asked to see them.
pub fn with_remote_images(clean: &str) -> String {
    clean.replace(" data-remote-src=\"", " src=\"")
}

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        .add_tags(["font", "center", "big", "tt"])
        .add_tag_attributes("font", ["color", "size", "face"])
        .add_tag_attributes("td", ["bgcolor", "valign", "width", "height"])
        .add_tag_attributes("table", ["bgcolor", "border", "cellpadding", "cellspacing", "width"])
        .add_generic_attributes(["style", "dir"])
        .clean_content_tags(HashSet::from(["script", "style", "title", "noscript", "template", "textarea", "select"]))
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .filter_style_properties(STYLE_PROPERTIES.into())
        .attribute_filter(keep_value);
    builder
});

/// Properties that neither load anything nor move text out of its box.
const STYLE_PROPERTIES: [&str; 24] = [
    "color",
    "background-color",
    "font-family",
    "font-size",
    "font-style",
    "font-weight",
    "line-height",
    "text-align",
    "text-decoration",
    "text-indent",
    "vertical-align",
    "white-space",
    "padding",
    "padding-left",
    "padding-right",
    "padding-top",
    "padding-bottom",
    "border",
    "border-left",
    "border-color",
    "border-style",
    "border-width",
    "border-collapse",
    "direction",
];

fn keep_value<'v>(element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let fine = match (element, attribute) {
        // CSS escapes and functions can spell anything; text styles need neither.
        (_, "style") => !value.contains(['\\', '@', '(']) || is_plain_colour_function(value),
        // A link into the mail itself leads nowhere; only pictures are served by content id.
        ("a", "href") => !has_scheme(value, "cid"),
        ("img", "src") => has_scheme(value, "cid") || has_scheme(value, "http") || has_scheme(value, "https"),
        // Quotation sources are never fetched, but nobody needs them either.
        (_, "cite") => false,
        _ => true,
    };
    fine.then_some(Cow::Borrowed(value))
}

fn is_plain_colour_function(value: &str) -> bool {
    let functions = value.match_indices('(').all(|(at, _)| {
        let before = value.get(..at).unwrap_or_default();
        ["rgb", "rgba", "hsl", "hsla"].iter().any(|name| before.to_ascii_lowercase().ends_with(name))
    });
    value.len() < 1024 && functions && !value.contains(['\\', '@'])
}

fn has_scheme(url: &str, scheme: &str) -> bool {
    url.trim_start().split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(scheme))
}

/// Renames `src` of every picture that is not inside the mail, so that showing the mail tells nobody.
/// Reads ammonia's own output: attributes in double quotes, no bare `"` inside of them.
fn hold_remote_images(clean: &str) -> String {
    let mut held = String::with_capacity(clean.len() + 64);
    let mut rest = clean;
    while let Some(at) = rest.find("<img ") {
        let (before, tag) = rest.split_at(at);
        held.push_str(before);
        let end = tag_end(tag);
        let (tag, tail) = tag.split_at(end);
        held.push_str(&hold_image(tag));
        rest = tail;
    }
    held.push_str(rest);
    held
}

fn hold_image(tag: &str) -> Cow<'_, str> {
    let mut pieces = tag.split('"');
    let mut held = String::with_capacity(tag.len() + 16);
    let mut changed = false;
    // Outside and inside of quotes by turns: a name and `=`, then its value.
    while let Some(name) = pieces.next() {
        let value = pieces.next();
        let remote = name.ends_with(" src=") && value.is_some_and(|value| !has_scheme(value, "cid"));
        changed |= remote;
        match name.strip_suffix(" src=").filter(|_| remote) {
            Some(before) => held.extend([before, " data-remote-src="]),
            None => held.push_str(name),
        }
        if let Some(value) = value {
            held.extend(["\"", value, "\""]);
        }
    }
    if changed { held.into() } else { tag.into() }
}

/// Behind the `>` of the tag that `text` begins with.
fn tag_end(text: &str) -> usize {
    let mut quoted = false;
    let end = text.bytes().position(|octet| {
        quoted ^= octet == b'"';
        octet == b'>' && !quoted
    });
    end.map_or(text.len(), |end| end + 1)
}

/// Counts what the parser would hold open, without parsing. Errs on the side of refusing.
fn is_cheap(html: &str) -> bool {
    let mut open: HashMap<String, usize> = HashMap::new();
    let (mut depth, mut formatting, mut reopened) = (0usize, 0usize, 0usize);
    for (closes, name) in tags(html) {
        let formats = FORMATTING.contains(&name.as_str());
        if closes {
            // An end tag without its start closes nothing.
            if let Some(count) = open.get_mut(&name).filter(|count| **count > 0) {
                *count -= 1;
                depth -= 1;
                formatting -= usize::from(formats);
            }
        } else if !CLOSES_ITSELF.contains(&name.as_str()) {
            *open.entry(name).or_default() += 1;
            depth += 1;
            formatting += usize::from(formats);
        }
        reopened += formatting;
        if depth > OPEN_ELEMENTS_MAX || reopened > REOPENED_ELEMENTS_MAX {
            return false;
        }
    }
    true
}

/// Start and end tags with their names in lower case. Comments and quoted `<` count too: that only refuses more.
fn tags(html: &str) -> impl Iterator<Item = (bool, String)> {
    html.split('<').skip(1).filter_map(|rest| {
        let (closes, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
        let length = rest.bytes().take(16).take_while(u8::is_ascii_alphanumeric).count();
        let name = rest.get(..length).filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))?;
        Some((closes, name.to_ascii_lowercase()))
    })
}

/// HTML's "formatting" category: left open, the parser opens them again in every following block.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Void elements, and those that the next of their kind closes.
const CLOSES_ITSELF: [&str; 27] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "p", "li",
    "td", "th", "tr", "tbody", "thead", "tfoot", "dt", "dd", "option", "param", "html", "body",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(sanitise(html).as_deref(), Some(expected), "{html:?}");
    }

    #[test]
    fn text_links_and_styles_stay() {
        check("<p style=\"color:red\">hi <b>you</b></p>", "<p style=\"color:red\">hi <b>you</b></p>");
        check(
            "<a href=\"https://x.example/\">x</a>",
            "<a href=\"https://x.example/\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x</a>",
        );
    }

    #[test]
    fn pictures_of_the_mail_stay_and_remote_ones_wait() {
        check("<img src=\"cid:a@b\">", "<img src=\"cid:a@b\">");
        check("<img src=\"http://169.254.169.254/x\">", "<img data-remote-src=\"http://169.254.169.254/x\">");
        check(
            "<img alt='<img src=\"http://x/\">' src=http://y/>",
            "<img alt=\"&lt;img src=&quot;http://x/&quot;&gt;\" data-remote-src=\"http://y/\">",
        );
        check(
            "<img src=\"file:///etc/passwd\"><img src=\"//x/y\"><img src=data:image/png;base64,AA>",
            "<img><img><img>",
        );
        check("<img srcset=\"http://x/ 2x\" background=http://x/>", "<img>");
        check(
            "<table background=\"http://x/\"><tr><td>a</td></tr></table>",
            "<table><tbody><tr><td>a</td></tr></tbody></table>",
        );
    }

    #[test]
    fn nothing_runs_and_nothing_leaves_its_box() {
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "<style>@import 'http://x/';</style>",
            "<base href=http://x/>",
            "<form action=http://x/><input name=a></form>",
            "<meta http-equiv=refresh content='0;url=http://x/'>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href=\" java\nscript:alert(1)\">x</a>",
            "<a href=\"data:text/html,<script>\">x</a>",
            "<div style=\"position:fixed;top:0\">x</div>",
            "<div style=\"width:expression(alert(1))\">x</div>",
            "<div style=\"background:url(http://x/)\">x</div>",
            "<p style=\"color:red;background-color:u\\72l(http://x/)\">x</p>",
            "<!--[if gte mso 9]><script>alert(1)</script><![endif]-->",
            "<iframe src=http://x/></iframe>",
            "<object data=x></object><embed src=x>",
            "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
            "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            "<a href=\"cid:x\">x</a>",
            "<link rel=stylesheet href=http://x/>",
            "<video src=http://x/ poster=http://x/></video>",
        ];
        for attack in attacks {
            let clean = sanitise(attack).unwrap_or_default();
            for tag in clean.split('<').skip(1) {
                // Values are text: what counts is what stands outside of quotes.
                let outside: String = tag.split('>').next().unwrap_or(tag).split('"').step_by(2).collect();
                for word in [
                    "script",
                    "on",
                    "svg",
                    "math",
                    "style=\"pos",
                    "base",
                    "form",
                    "meta",
                    "iframe",
                    "object",
                    "link",
                    "video",
                ] {
                    assert!(
                        !outside.to_lowercase().split([' ', '/', '=']).any(|w| w.starts_with(word)),
                        "{attack:?}: {clean:?}"
                    );
                }
            }
            for value in clean.split('"').skip(1).step_by(2) {
                for word in ["javascript:", "data:", "position", "expression", "url(", "cid:x"] {
                    assert!(
                        !value.to_lowercase().trim_start().contains(word) || value.contains("&lt;"),
                        "{attack:?}: {clean:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_would_cost_too_much_is_refused_at_its_bound() {
        let nested = |depth: usize| format!("{}x", "<div>".repeat(depth));
        assert!(sanitise(&nested(OPEN_ELEMENTS_MAX)).is_some());
        assert_eq!(sanitise(&nested(OPEN_ELEMENTS_MAX + 1)), None);
        assert_eq!(sanitise(&"<div></x>".repeat(OPEN_ELEMENTS_MAX + 1)), None);
        assert!(sanitise(&"x".repeat(HTML_OCTETS_MAX)).is_some());
        assert_eq!(sanitise(&"x".repeat(HTML_OCTETS_MAX + 1)), None);
        let open: String = (0..400).map(|n| format!("<b x={n}>")).collect();
        assert_eq!(sanitise(&format!("<p>{open}{}", "<p>x".repeat(10_000))), None);
        assert!(sanitise(&"<p>x<br><li>y".repeat(5_000)).is_some());
    }
}
