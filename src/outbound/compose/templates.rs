//! Mail templates: ours, or an operator's in their place. Whatever a template does is bounded, a name it misspells is an
//! error, and every value in HTML is escaped unless it was made safe before.

use super::sign_in::SignInView;
use super::view::View;
use crate::config::checked::{TEMPLATE_NAMES, TemplateFile};
use crate::conversation::delivery::MailKind;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// The templates of one account.
pub struct Templates {
    environment: Environment<'static>,
    /// Where those that are not ours came from.
    files: Vec<(&'static str, PathBuf)>,
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}; mend it, or take it out of the folder to use replyd's own")]
pub struct TemplateError {
    /// File and line.
    pub place: String,
    pub reason: String,
}

impl Templates {
    /// Reads every template; [`super::Sender`] tries them, so that a mistake shows then and not at the first mail.
    pub fn new(own: &[TemplateFile]) -> Result<Templates, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the usual delimiters differ from one another"));
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION_MAX);
        environment.set_auto_escape_callback(
            |name| {
                if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
            },
        );
        let files: Vec<_> = own.iter().map(|file| (file.name, file.path.clone())).collect();
        for (name, text) in TEMPLATE_NAMES.into_iter().zip(OURS) {
            environment.add_template(name, text).map_err(|error| place(&files, name, &error))?;
        }
        for file in own {
            let added = environment.add_template_owned(file.name, file.text.clone());
            added.map_err(|error| place(&files, file.name, &error))?;
        }
        Ok(Templates { environment, files })
    }

    /// Text and HTML of a mail.
    pub fn render(&self, kind: MailKind, view: &View) -> Result<(String, String), TemplateError> {
        let [text, html] = names(kind);
        Ok((self.one(text, view)?, self.one(html, view)?))
    }

    /// Text and HTML of a letter with a sign-in link.
    pub fn render_sign_in(&self, view: &SignInView) -> Result<(String, String), TemplateError> {
        Ok((self.one("sign_in.txt", view)?, self.one("sign_in.html", view)?))
    }

    fn one(&self, name: &'static str, view: &impl Serialize) -> Result<String, TemplateError> {
        let rendered = self.environment.get_template(name).and_then(|template| template.render(Serde(view)));
        rendered.map_err(|error| place(&self.files, name, &error))
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Templates(…)")
    }
}

fn names(kind: MailKind) -> [&'static str; 2] {
    match kind {
        MailKind::Answer => ["answer.txt", "answer.html"],
        MailKind::Notification => ["notification.txt", "notification.html"],
        MailKind::Notice => ["notice.txt", "notice.html"],
    }
}

fn place(files: &[(&'static str, PathBuf)], name: &str, error: &minijinja::Error) -> TemplateError {
    let file = files.iter().find(|(known, _)| *known == name);
    let file = file.map_or_else(|| name.to_owned(), |(_, path)| path.display().to_string());
    let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
    let kind = error.kind().to_string();
    let reason = error.detail().map_or(kind.clone(), |detail| format!("{kind}: {detail}"));
    TemplateError { place: format!("{file}{line}"), reason }
}

/// In the order of [`TEMPLATE_NAMES`].
const OURS: [&str; 8] = [
    include_str!("../templates/answer.txt"),
    include_str!("../templates/answer.html"),
    include_str!("../templates/notification.txt"),
    include_str!("../templates/notification.html"),
    include_str!("../templates/notice.txt"),
    include_str!("../templates/notice.html"),
    include_str!("../templates/sign_in.txt"),
    include_str!("../templates/sign_in.html"),
];

/// Steps of the template engine: a mail of a hundred quoted messages takes some thousands.
const FUEL: u64 = 500_000;
const RECURSION_MAX: usize = 30;
