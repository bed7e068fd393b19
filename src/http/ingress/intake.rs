//! The octets of one mail on their way in by a request, held to the limits of mail by SMTP.

use super::answer::Refused;
use crate::inbound::{Content, ContentBuffer, ContentError, Services};
use crate::limits::Limits;
use crate::net::permits::{ContentBudget, ContentShare};
use crate::smtp::content_scan::ContentScan;
use std::sync::Arc;

#[derive(Debug)]
pub struct Intake {
    buffer: ContentBuffer,
    scan: ContentScan,
    limits: Arc<Limits>,
    blank: bool,
    unproven: Option<ContentShare>,
}

/// A complete mail.
#[derive(Debug)]
pub struct Taken {
    pub content: Content,
    /// White space only.
    pub blank: bool,
    /// `Received` fields.
    pub hops: usize,
    _unproven: Option<ContentShare>,
}

impl Taken {
    /// Whose request it was is known now.
    pub fn proven(self) -> Taken {
        Taken { _unproven: None, ..self }
    }
}

impl Intake {
    pub fn new(services: &Services) -> Intake {
        let limits = services.limits();
        let buffer = ContentBuffer::new(&services.content_budget, limits.content_octets_in_flight_max);
        Intake { buffer, scan: ContentScan::default(), limits, blank: true, unproven: None }
    }

    /// Of a request that anybody may have sent: all of those together may not hold what other doors need.
    pub fn unproven(services: &Services, budget: &Arc<ContentBudget>) -> Intake {
        Intake { unproven: Some(budget.share()), ..Intake::new(services) }
    }

    pub async fn append(&mut self, services: &Services, octets: Vec<u8>) -> Result<(), Refused> {
        let max = self.limits.mail_octets_max;
        if self.buffer.octets() + octets.len() as u64 > max {
            return Err(Refused::mail_too_large(max));
        }
        let unproven_max = self.limits.content_octets_in_flight_max / UNPROVEN_PART;
        if let Some(share) = &mut self.unproven
            && !share.grow(octets.len() as u64, unproven_max)
        {
            return Err(Refused::unavailable("all requests that have proven nothing yet hold as much as they may"));
        }
        self.scan.scan(&octets);
        if self.scan.header_octets() > self.limits.header_octets_max || self.scan.fields > self.limits.header_fields_max
        {
            return Err(Refused::too_large("the header of the mail is too large"));
        }
        self.blank = self.blank && octets.iter().all(u8::is_ascii_whitespace);
        self.buffer.append(octets, services.store.spool_dir()).await.map_err(|error| unheld(&error))
    }

    pub async fn finish(mut self, services: &Services) -> Result<Taken, Refused> {
        self.scan.finish();
        let content = self.buffer.finish(services.store.spool_dir()).await.map_err(|error| unheld(&error))?;
        Ok(Taken { content, blank: self.blank, hops: self.scan.hops, _unproven: self.unproven })
    }
}

/// Of the octets in flight that all doors share.
const UNPROVEN_PART: u64 = 4;

fn unheld(error: &ContentError) -> Refused {
    Refused::unavailable(error.to_string())
}
