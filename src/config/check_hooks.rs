//! Webhooks and bridges from their written to their checked form: where calls go, and for whom mail is taken.

use super::bridge::{Bridge, BridgeRecipients, LocalPattern, RecipientHook};
use super::check::{Checked, Checker};
use super::checked::Webhook;
use super::file;
use std::collections::HashSet;
use toml::Spanned;

impl Checker<'_> {
    pub(super) fn webhook(&self, hook: &file::Webhook) -> Checked<Webhook> {
        Ok(Webhook {
            url: hook.url.get_ref().clone(),
            secret: self.secret(&hook.secret)?,
            allow_private: hook.allow_private,
            events: hook.events.clone().unwrap_or_default(),
        })
    }

    pub(super) fn bridge(&self, bridge: &file::Bridge) -> Checked<Bridge> {
        Ok(Bridge {
            url: bridge.url.get_ref().clone(),
            password: self.secret(&bridge.password)?,
            mode: bridge.mode,
            allow_private: bridge.allow_private,
            recipients: self.bridge_recipients(&bridge.recipients)?,
        })
    }

    fn bridge_recipients(&self, recipients: &file::BridgeRecipients) -> Checked<BridgeRecipients> {
        let pattern = |text: &Spanned<String>| {
            let allowed = "letters, digits and +-_.= around one <uuid> are expected, such as \"reply+<uuid>\"";
            LocalPattern::parse(text.get_ref()).ok_or_else(|| self.refuse(text, allowed))
        };
        Ok(BridgeRecipients {
            pattern: recipients.pattern.as_ref().map(pattern).transpose()?,
            list: recipients.list.iter().map(|address| address.get_ref().0.clone()).collect(),
            hook: recipients.hook.as_ref().map(|hook| self.recipient_hook(hook)).transpose()?,
        })
    }

    fn recipient_hook(&self, hook: &file::RecipientHook) -> Checked<RecipientHook> {
        Ok(RecipientHook {
            url: hook.url.get_ref().clone(),
            token: hook.token.as_ref().map(|token| self.secret(token)).transpose()?,
            allow_private: hook.allow_private,
        })
    }

    pub(super) fn inbox_bridge(&self, inbox: &file::Inbox, bridge: &Spanned<file::InboxBridge>) -> Checked<Bridge> {
        if inbox.address.is_none() {
            let message = "only mail to the inbox's own address goes over its bridge: it needs the key address";
            return Err(self.refuse(bridge, message));
        }
        let written = bridge.get_ref();
        Ok(Bridge {
            url: written.url.get_ref().clone(),
            password: self.secret(&written.password)?,
            mode: written.mode,
            allow_private: written.allow_private,
            recipients: BridgeRecipients::default(),
        })
    }

    /// A subscription of the config is known by its account and address.
    pub(super) fn no_double_hooks(&self, account: &file::Account) -> Checked<()> {
        let mut urls = HashSet::new();
        let doubled = "another webhook of this account has this address";
        account.webhooks.iter().try_for_each(|hook| self.first(&mut urls, &hook.url, doubled))
    }
}
