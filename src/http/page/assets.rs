//! Styles and scripts of the demo's pages, as files of their own: the pages allow nothing inline.

use crate::http::surface::Surface;
use axum::http::{HeaderName, header};
use axum::routing::{MethodRouter, get};

type Asset = ([(HeaderName, &'static str); 1], &'static str);

/// Path and handler of each.
pub fn routes() -> Vec<(&'static str, MethodRouter<Surface>)> {
    let styles = [
        ("/demo.css", include_str!("demo.css")),
        ("/demo/stage.css", include_str!("stage.css")),
        ("/demo/shop.css", include_str!("shop.css")),
        ("/mailbox.css", include_str!("mailbox.css")),
    ];
    let scripts = [
        ("/demo/stage.js", include_str!("stage.js")),
        ("/demo/shop.js", include_str!("shop.js")),
        ("/mailbox.js", include_str!("mailbox.js")),
    ];
    let styles = styles.map(|(path, text)| (path, get(move || async move { style(text) })));
    styles.into_iter().chain(scripts.map(|(path, text)| (path, get(move || async move { script(text) })))).collect()
}

fn style(text: &'static str) -> Asset {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text)
}

fn script(text: &'static str) -> Asset {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text)
}
