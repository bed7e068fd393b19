//! `/desk/assets/{file}`: the desk's scripts and styles, compiled in. They are the same for everybody, so anybody may have
//! them; a browser asks each time whether its copy is still the one (RFC 9110 §13.1.2), so that an upgrade is whole at once.

use crate::http::error::ApiError;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;

/// What a file is to the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(&'static str);

pub const SCRIPT: Kind = Kind("text/javascript; charset=utf-8");
/// Of the shell, in the order of the table.
pub const SHELL_STYLE: Kind = Kind("text/css; charset=utf-8");
/// Of pages without the shell.
const DOOR_STYLE: Kind = Kind("text/css;charset=utf-8");
const PICTURE: Kind = Kind("image/svg+xml");

struct Asset {
    name: &'static str,
    kind: Kind,
    content: &'static str,
}

macro_rules! asset {
    ($kind:expr, $name:literal) => {
        Asset { name: $name, kind: $kind, content: include_str!(concat!("assets/", $name)) }
    };
}

const ASSETS: &[Asset] = &[
    asset!(SHELL_STYLE, "theme.css"),
    asset!(SHELL_STYLE, "shell.css"),
    asset!(SHELL_STYLE, "list.css"),
    asset!(SHELL_STYLE, "conversation.css"),
    asset!(SHELL_STYLE, "composer.css"),
    asset!(SHELL_STYLE, "pages.css"),
    asset!(DOOR_STYLE, "sign_in.css"),
    asset!(PICTURE, "icon.svg"),
    asset!(SCRIPT, "answer_picker.js"),
    asset!(SCRIPT, "answers.js"),
    asset!(SCRIPT, "api.js"),
    asset!(SCRIPT, "avatar.js"),
    asset!(SCRIPT, "colleagues.js"),
    asset!(SCRIPT, "composer.js"),
    asset!(SCRIPT, "conversation.js"),
    asset!(SCRIPT, "delivery.js"),
    asset!(SCRIPT, "desk.js"),
    asset!(SCRIPT, "details.js"),
    asset!(SCRIPT, "dom.js"),
    asset!(SCRIPT, "drafts.js"),
    asset!(SCRIPT, "feed.js"),
    asset!(SCRIPT, "files.js"),
    asset!(SCRIPT, "float.js"),
    asset!(SCRIPT, "forecast.js"),
    asset!(SCRIPT, "head.js"),
    asset!(SCRIPT, "html_view.js"),
    asset!(SCRIPT, "icons.js"),
    asset!(SCRIPT, "keys.js"),
    asset!(SCRIPT, "list.js"),
    asset!(SCRIPT, "mail_log.js"),
    asset!(SCRIPT, "message.js"),
    asset!(SCRIPT, "original.js"),
    asset!(SCRIPT, "paged.js"),
    asset!(SCRIPT, "password.js"),
    asset!(SCRIPT, "queue.js"),
    asset!(SCRIPT, "rail.js"),
    asset!(SCRIPT, "rich_text.js"),
    asset!(SCRIPT, "router.js"),
    asset!(SCRIPT, "row.js"),
    asset!(SCRIPT, "say.js"),
    asset!(SCRIPT, "session.js"),
    asset!(SCRIPT, "settings.js"),
    asset!(SCRIPT, "snooze.js"),
    asset!(SCRIPT, "stream.js"),
    asset!(SCRIPT, "suppressed.js"),
    asset!(SCRIPT, "time.js"),
    asset!(SCRIPT, "undo.js"),
    asset!(SCRIPT, "uploads.js"),
    asset!(SCRIPT, "way_back.js"),
    asset!(SCRIPT, "words.js"),
];

/// The names of all files of this kind.
pub fn names(kind: Kind) -> Vec<&'static str> {
    ASSETS.iter().filter(|asset| asset.kind == kind).map(|asset| asset.name).collect()
}

pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => shown(asset, &headers),
        None => ApiError::not_found("file").into_response(),
    }
}

fn shown(asset: &Asset, headers: &HeaderMap) -> Response {
    let tag = tag(asset.content);
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let fixed: [(HeaderName, &str); 2] = [(header::CONTENT_TYPE, asset.kind.0), (header::CACHE_CONTROL, "no-cache")];
    let tag = [(header::ETAG, tag)];
    match same {
        true => (StatusCode::NOT_MODIFIED, fixed, tag).into_response(),
        false => (fixed, tag, asset.content).into_response(),
    }
}

fn tag(content: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes());
    format!("\"{}\"", HEXLOWER.encode(digest.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn folder() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/desk/assets");
        let entries = std::fs::read_dir(folder).expect("the folder of assets");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    /// What would read a stranger's words as markup or code, or needs a laxer policy than the desk's.
    const REFUSED: &[&str] = &[
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "setHTML",
        "parseHTML",
        "eval(",
        "new Function",
        "setTimeout('",
        "setTimeout(\"",
        "javascript:",
        "srcdoc:",
        "<script",
        "setAttribute('style'",
        "setAttribute('on",
        ".onclick",
        ".onload",
        ".onerror",
        "importScripts",
        "http-equiv",
        "@import",
        "url(http",
        "unsafe-",
    ];

    fn refused(content: &str) -> Vec<&'static str> {
        REFUSED.iter().copied().filter(|word| content.contains(word)).collect()
    }

    #[test]
    fn nothing_that_strangers_wrote_can_become_markup_or_code() {
        for asset in ASSETS {
            assert_eq!(refused(asset.content), Vec::<&str>::new(), "{}", asset.name);
        }
        assert_eq!(refused("node.innerHTML = text; eval(text)"), ["innerHTML", "eval("]);
    }

    #[test]
    fn pages_hold_no_script_style_or_handler_of_their_own() {
        let pages = [include_str!("shell.html"), include_str!("sign_in.html"), include_str!("link.html")];
        for page in pages {
            let handler = page.split_whitespace().find(|word| word.starts_with("on") && word.contains('='));
            assert_eq!(handler, None);
            for word in [" style=", "<style", "|safe", "javascript:", "http://", "https://"] {
                assert!(!page.contains(word), "{word} in {page}");
            }
            assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"/desk/").count());
        }
    }

    #[test]
    fn the_table_holds_every_file_and_every_import_is_one_of_them() {
        let named: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        assert_eq!(named, folder());
        for asset in ASSETS.iter().filter(|asset| asset.kind == SCRIPT) {
            for line in asset.content.lines().filter(|line| line.starts_with("import ")) {
                let from = line.split("'./").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or(line);
                assert!(named.contains(from), "{}: {line}", asset.name);
            }
            assert!(asset.content.starts_with("// "), "{} says at its top what it is for", asset.name);
        }
    }

    #[test]
    fn a_copy_that_is_still_the_one_is_not_sent_again() {
        let asset = &ASSETS[0];
        let mut headers = HeaderMap::new();
        assert_eq!(shown(asset, &headers).status(), StatusCode::OK);
        headers.insert(header::IF_NONE_MATCH, tag(asset.content).parse().expect("a header value"));
        assert_eq!(shown(asset, &headers).status(), StatusCode::NOT_MODIFIED);
        headers.insert(header::IF_NONE_MATCH, "\"other\"".parse().expect("a header value"));
        assert_eq!(shown(asset, &headers).status(), StatusCode::OK);
    }
}
