//! The widget of an inbox from its written to its checked form: which keys need each other, and a form that can be filled in.

use super::check::{Checked, Checker};
use super::file::Inbox;
use super::file_widget;
use super::widget::{IdentityRule, Pattern, PreChatField, PreChatKind, Widget};
use crate::conversation::model::Channel;
use std::collections::HashSet;
use toml::Spanned;

impl Checker<'_> {
    pub(super) fn widget(&self, inbox: &Inbox, channel: Channel) -> Checked<Widget> {
        let Some(spanned) = &inbox.widget else { return Ok(Widget::default()) };
        if channel != Channel::Widget {
            return Err(self.refuse(spanned, "only an inbox of channel widget takes this key"));
        }
        let (written, usual) = (spanned.get_ref(), Widget::default());
        let words =
            |words: &Option<file_widget::Words>| words.as_ref().map_or_else(String::new, |words| words.0.clone());
        Ok(Widget {
            colour: written.colour.as_ref().map_or(usual.colour, |colour| colour.0.clone()),
            position: written.position.unwrap_or(usual.position),
            title: words(&written.title),
            greeting: words(&written.greeting),
            origins: written.origins.iter().map(|origin| origin.0.clone()).collect(),
            identity_secret: written.identity_secret.as_ref().map(|secret| self.secret(secret)).transpose()?,
            identity: self.identity(written)?,
            email_collect: written.email_collect.unwrap_or(usual.email_collect),
            pre_chat: self.pre_chat(spanned, &written.pre_chat)?,
        })
    }

    fn identity(&self, written: &file_widget::Widget) -> Checked<IdentityRule> {
        match &written.identity {
            Some(rule) if *rule.get_ref() == IdentityRule::Required && written.identity_secret.is_none() => {
                Err(self.refuse(rule, "nobody could prove who they are: it needs the key identity_secret"))
            }
            Some(rule) => Ok(*rule.get_ref()),
            None => Ok(IdentityRule::Optional),
        }
    }

    fn pre_chat(
        &self,
        widget: &Spanned<file_widget::Widget>,
        fields: &[file_widget::PreChatField],
    ) -> Checked<Vec<PreChatField>> {
        if fields.len() > FIELDS_MAX {
            return Err(self.refuse(widget, "pre_chat: at most 20 fields can be asked for"));
        }
        let mut names = HashSet::new();
        fields
            .iter()
            .map(|field| {
                self.first(&mut names, &field.name, "another field has this name")?;
                self.pre_chat_field(field)
            })
            .collect()
    }

    fn pre_chat_field(&self, field: &file_widget::PreChatField) -> Checked<PreChatField> {
        let kind = *field.kind.get_ref();
        let is_select = kind == PreChatKind::Select;
        if is_select == field.options.is_empty() || field.options.len() > OPTIONS_MAX {
            return Err(self.refuse(&field.kind, "a select has 1 to 50 options, and nothing else has any"));
        }
        let pattern = field.pattern.as_ref().map(|pattern| self.pattern(kind, pattern)).transpose()?;
        Ok(PreChatField {
            name: field.name.get_ref().0.clone(),
            label: field.label.0.clone(),
            kind,
            required: field.required,
            options: field.options.iter().map(|option| option.0.clone()).collect(),
            pattern,
        })
    }

    fn pattern(&self, kind: PreChatKind, source: &Spanned<String>) -> Checked<Pattern> {
        if !matches!(kind, PreChatKind::Text | PreChatKind::Email | PreChatKind::Phone) {
            return Err(self.refuse(source, "only a field of kind text, email or phone has a pattern"));
        }
        let allowed =
            "a regular expression of at most 200 characters without look-around and back references is expected";
        Pattern::parse(source.get_ref()).ok_or_else(|| self.refuse(source, allowed))
    }
}

const FIELDS_MAX: usize = 20;
const OPTIONS_MAX: usize = 50;
