//! Which accounts a request opens a door for. The secret of every account is tried, each to its end, so that neither the
//! answer nor its time tells whose was nearly right.

use super::answer::Refused;
use crate::config::checked::{Account, Config, IngressSecret};
use crate::config::secret::Secret;
use crate::conversation::model::Ingress;

/// The accounts that have set one door up.
#[derive(Debug)]
pub struct Keys<'a> {
    keys: Vec<(&'a Account, &'a IngressSecret)>,
}

impl<'a> Keys<'a> {
    /// 404 if nobody has set it up, 500 if nobody's secret is there.
    pub fn of(config: &'a Config, ingress: Ingress) -> Result<Keys<'a>, Refused> {
        let with = |account: &'a Account| account.ingress.secret(ingress).map(|secret| (account, secret));
        let keys = Keys { keys: config.accounts.iter().filter_map(with).collect() };
        if keys.keys.is_empty() {
            return Err(Refused::no_door(ingress));
        }
        if keys.ready().next().is_none() {
            return Err(keys.not_configured());
        }
        Ok(keys)
    }

    fn ready(&self) -> impl Iterator<Item = (&'a Account, &'a Secret)> {
        self.keys.iter().filter_map(|(account, secret)| match secret {
            IngressSecret::Ready(secret) => Some((*account, secret)),
            IngressSecret::Missing(_) => None,
        })
    }

    /// The names of the accounts whose secret opens it. While another's secret is missing, nobody can say that the
    /// credentials are wrong.
    pub fn opened_by(&self, wrong: &str, opens: impl Fn(&Account, &Secret) -> bool) -> Result<Vec<String>, Refused> {
        let opened: Vec<String> = self
            .ready()
            .filter(|(account, secret)| opens(account, secret))
            .map(|(account, _)| account.name.clone())
            .collect();
        match (opened.is_empty(), self.ready().count() == self.keys.len()) {
            (false, _) => Ok(opened),
            (true, true) => Err(Refused::unauthorized(wrong)),
            (true, false) => Err(self.not_configured()),
        }
    }

    fn not_configured(&self) -> Refused {
        let missing = self.keys.iter().filter_map(|(account, secret)| match secret {
            IngressSecret::Missing(reason) => Some(format!("account {}: {reason}", account.name)),
            IngressSecret::Ready(_) => None,
        });
        let missing = missing.collect::<Vec<_>>().join("; ");
        Refused::not_configured(format!("the ingress has no secret: {missing}; mend it and reload, see replyd check"))
    }

    /// Whether what can be mended must never answer 4xx.
    pub fn safe_status(config: &Config) -> bool {
        config.accounts.iter().any(|account| account.ingress.sendgrid.is_some() && account.ingress.sendgrid_safe_status)
    }
}
