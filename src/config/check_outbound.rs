//! The `[outbound]` section from its written to its checked form: by MX or by smarthosts, and which keys go together.

use super::check::{Checked, Checker};
use super::checked::{Outbound, Route, Smarthost, SourceAddresses};
use super::file::{self, AdditionalSmarthost, RouteKind, SmarthostTls};
use super::secret::{Secret, SecretSource};
use super::units::{Count, Host};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use toml::Spanned;

/// The login of a smarthost as written.
#[derive(Clone, Copy)]
struct Login<'a> {
    username: Option<&'a Spanned<String>>,
    password: Option<&'a Spanned<SecretSource>>,
}

impl Checker<'_> {
    pub(super) fn outbound(&self, outbound: &file::Outbound) -> Checked<Outbound> {
        let usual = Outbound::default();
        let smarthost = outbound.route.as_ref().filter(|route| *route.get_ref() == RouteKind::Smarthost);
        Ok(Outbound {
            route: match smarthost {
                Some(kind) => self.smarthosts(outbound, kind)?,
                None => self.mx(outbound)?,
            },
            allow_private: outbound.allow_private,
            attachments_max: outbound.attachments_max.map_or(usual.attachments_max, |size| size.0),
            link_life: outbound.link_life.map_or(usual.link_life, |life| life.0),
            dane: outbound.dane.unwrap_or(usual.dane),
            ca_file: outbound.ca_file.as_ref().map(|path| self.base.join(path)),
            give_up: outbound.give_up.as_ref().map_or(Ok(usual.give_up), |time| self.give_up(time))?,
            connections: count(outbound.connections, usual.connections),
            mails_per_minute_per_site: outbound.mails_per_minute_per_site.map(|count| count.0),
            connections_per_site: count(outbound.connections_per_site, usual.connections_per_site),
            sources: SourceAddresses {
                ipv4: self.source(outbound.source_ipv4.as_ref(), outbound.allow_private)?,
                ipv6: self.source(outbound.source_ipv6.as_ref(), outbound.allow_private)?,
            },
            fallback: outbound.fallback.as_ref().map(|host| self.fallback(host, smarthost.is_some())).transpose()?,
        })
    }

    fn give_up(&self, time: &Spanned<super::units::Time>) -> Checked<Duration> {
        match time.get_ref().0 {
            Duration::ZERO => Err(self.refuse(time, "mail needs some time to be delivered; \"5 d\" is usual")),
            time => Ok(time),
        }
    }

    /// Whether it is an address of this machine is seen when it is used, and by `replyd check`: it may come up later than we do.
    fn source<A: Copy + Into<IpAddr>>(&self, key: Option<&Spanned<A>>, allow_private: bool) -> Checked<Option<A>> {
        let Some(key) = key else { return Ok(None) };
        let address: IpAddr = (*key.get_ref()).into();
        let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
        if address.is_unspecified() || address.is_multicast() || broadcast {
            return Err(
                self.refuse(key, "no mail leaves from this address; leave the key out to let the system choose")
            );
        }
        if address.is_loopback() && !allow_private {
            return Err(
                self.refuse(key, "from loopback nothing but this machine is reached; for tests set allow_private")
            );
        }
        Ok(Some(*key.get_ref()))
    }

    fn fallback(&self, host: &Spanned<AdditionalSmarthost>, by_smarthost: bool) -> Checked<Smarthost> {
        if by_smarthost {
            return Err(self.refuse(host, "only route = \"mx\" takes this key; more smarthosts stand in additional"));
        }
        self.additional(host.get_ref())
    }

    fn mx(&self, outbound: &file::Outbound) -> Checked<Route> {
        let needless = "only route = \"smarthost\" takes this key";
        outbound.host.as_ref().map_or(Ok(()), |key| Err(self.refuse(key, needless)))?;
        outbound.tls.as_ref().map_or(Ok(()), |key| Err(self.refuse(key, needless)))?;
        outbound.username.as_ref().map_or(Ok(()), |key| Err(self.refuse(key, needless)))?;
        outbound.password.as_ref().map_or(Ok(()), |key| Err(self.refuse(key, needless)))?;
        outbound.additional.as_ref().map_or(Ok(()), |key| Err(self.refuse(key, needless)))?;
        Ok(Route::Mx { port: port(outbound.port, 25) })
    }

    fn smarthosts(&self, outbound: &file::Outbound, kind: &Spanned<RouteKind>) -> Checked<Route> {
        let host = outbound.host.as_ref().ok_or_else(|| self.refuse(kind, "a smarthost needs the key host"))?;
        let login = Login { username: outbound.username.as_ref(), password: outbound.password.as_ref() };
        let tls = outbound.tls.as_ref().map(|tls| *tls.get_ref());
        let first = self.smarthost(host.get_ref(), outbound.port, tls, login);
        let additional = outbound.additional.iter().flat_map(|hosts| hosts.get_ref());
        let others = additional.map(|host| self.additional(host));
        Ok(Route::Smarthosts(std::iter::once(first).chain(others).collect::<Checked<_>>()?))
    }

    fn additional(&self, written: &AdditionalSmarthost) -> Checked<Smarthost> {
        let login = Login { username: written.username.as_ref(), password: written.password.as_ref() };
        self.smarthost(&written.host, written.port, written.tls, login)
    }

    fn smarthost(
        &self,
        host: &Host,
        written_port: Option<Count<1, 65535>>,
        tls: Option<SmarthostTls>,
        login: Login<'_>,
    ) -> Checked<Smarthost> {
        let tls = tls.unwrap_or(SmarthostTls::Required);
        // RFC 8314 §3.3: 465 is implicit TLS, 587 is submission.
        let usual = if tls == SmarthostTls::Implicit { 465 } else { 587 };
        let credentials = self.credentials(tls, login)?;
        Ok(Smarthost { host: host.0.clone(), port: port(written_port, usual), tls, credentials })
    }

    fn credentials(&self, tls: SmarthostTls, login: Login<'_>) -> Checked<Option<(String, Secret)>> {
        let (username, password) = match (login.username, login.password) {
            (Some(name), Some(password)) => (name, password),
            (None, None) => return Ok(None),
            (Some(name), None) => return Err(self.refuse(name, "username needs the key password too")),
            (None, Some(password)) => return Err(self.refuse(password, "password needs the key username too")),
        };
        match tls {
            SmarthostTls::Required | SmarthostTls::Implicit => {
                Ok(Some((username.get_ref().clone(), self.secret(password)?)))
            }
            // RFC 4954 §4: with TLS that an attacker may strip, the password would be the attacker's.
            SmarthostTls::None | SmarthostTls::Opportunistic => Err(self.refuse(
                username,
                "a login is sent over verified TLS only: set tls to \"required\" or \"implicit\", or leave out username and password",
            )),
        }
    }
}

fn port(written: Option<Count<1, 65535>>, usual: u16) -> u16 {
    written.and_then(|port| u16::try_from(port.0).ok()).unwrap_or(usual)
}

fn count<const MIN: u32, const MAX: u32>(written: Option<Count<MIN, MAX>>, usual: usize) -> usize {
    written.and_then(|count| usize::try_from(count.0).ok()).unwrap_or(usual)
}
