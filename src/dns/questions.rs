//! The questions of one mail, counted: a peer chooses names and records, so it must not choose how often we ask.

use super::resolver::{DnsFailure, Exchange, Resolver, Texts};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A resolver that answers so many questions and no more.
#[derive(Debug)]
pub struct Questions<'a> {
    resolver: &'a Resolver,
    left: AtomicUsize,
}

impl<'a> Questions<'a> {
    pub fn new(resolver: &'a Resolver, max: usize) -> Questions<'a> {
        Questions { resolver, left: AtomicUsize::new(max) }
    }

    fn count(&self) -> Result<&Resolver, DnsFailure> {
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(|_| self.resolver)
            .map_err(|_| DnsFailure::Exhausted)
    }

    pub async fn txt(&self, name: &str) -> Result<Texts, DnsFailure> {
        self.count()?.txt(name).await
    }

    pub async fn ipv4(&self, name: &str) -> Result<Vec<Ipv4Addr>, DnsFailure> {
        self.count()?.ipv4(name).await
    }

    pub async fn ipv6(&self, name: &str) -> Result<Vec<Ipv6Addr>, DnsFailure> {
        self.count()?.ipv6(name).await
    }

    pub async fn mx(&self, name: &str) -> Result<Vec<Exchange>, DnsFailure> {
        self.count()?.mx(name).await
    }

    pub async fn ptr(&self, ip: IpAddr) -> Result<Vec<String>, DnsFailure> {
        self.count()?.ptr(ip).await
    }

    /// The addresses of a host in the family of `like`.
    pub async fn addresses(&self, host: &str, like: IpAddr) -> Result<Vec<IpAddr>, DnsFailure> {
        match like {
            IpAddr::V4(_) => Ok(self.ipv4(host).await?.into_iter().map(IpAddr::V4).collect()),
            IpAddr::V6(_) => Ok(self.ipv6(host).await?.into_iter().map(IpAddr::V6).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Zone, ZoneServer};

    #[tokio::test]
    async fn the_last_question_is_answered_and_the_next_is_not() {
        let zone = Zone::parse(r#"{"a.example":[{"A":"192.0.2.1"}]}"#).unwrap();
        let server = ZoneServer::start(zone).await.unwrap();
        let resolver = server.resolver().unwrap();
        let questions = Questions::new(&resolver, 2);
        assert!(questions.ipv4("a.example").await.is_ok());
        assert!(questions.ipv4("a.example").await.is_ok());
        assert_eq!(questions.ipv4("a.example").await, Err(DnsFailure::Exhausted));
    }
}
