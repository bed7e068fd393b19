//! The parameters of a request, in any encoding that Rails reads: query, form, multipart, JSON; the body's count before the
//! query's, the last of a name before earlier ones. The mail goes to where mails are held; of the rest only what is wanted
//! is kept, within the budget of all requests.

use super::answer::{self, Refused};
use super::body::Octets;
use super::form::Form;
use super::intake::{Intake, Taken};
use super::json::{self, Member};
use super::multipart::Multipart;
use super::piece::{Kind, Name, Piece};
use crate::inbound::Services;
use crate::net::permits::{ContentBudget, ContentShare};
use std::sync::Arc;

/// What a door reads.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The parameter that holds a raw mail.
    pub mail: Option<&'static str>,
    pub kept: &'static [&'static str],
    /// Of these only that they are there: they tell what was set up wrong.
    pub noted: &'static [&'static str],
    /// The whole body's parameters count, as for a signature over all of them.
    pub everything: bool,
    pub proof: Proof,
}

/// When it is known whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Before,
    /// By parameters that may stand behind the mail.
    Inside,
}

/// A parameter that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    Text(Vec<u8>),
    /// A whole number of JSON, as it is written.
    Number(String),
    /// A file, an array, an object, another number.
    Other,
}

impl Parameter {
    /// Rails' `blank?`.
    pub fn is_blank(&self) -> bool {
        match self {
            Parameter::Text(text) => text.iter().all(u8::is_ascii_whitespace),
            Parameter::Number(_) | Parameter::Other => false,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Parameter::Text(text) => std::str::from_utf8(text).ok(),
            Parameter::Number(_) | Parameter::Other => None,
        }
    }

    /// As Ruby writes it into a string.
    pub fn written(&self) -> Option<&str> {
        if let Parameter::Number(number) = self { Some(number) } else { self.text() }
    }
}

/// The raw mail's parameter.
#[derive(Debug)]
pub enum MailParameter {
    Missing,
    Other,
    Text(Taken),
    /// It is larger than it may be; the parameters behind it were read all the same.
    TooLarge(Refused),
}

impl MailParameter {
    fn is_there(&self) -> bool {
        !matches!(self, MailParameter::Missing)
    }
}

/// What is kept; the share of the budget lives as long as it.
#[derive(Debug)]
pub struct Parameters {
    kept: Vec<(String, Parameter)>,
    doubtful: bool,
    _share: ContentShare,
}

impl Parameters {
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.kept.iter().find(|(known, _)| known == name).map(|(_, parameter)| parameter)
    }

    /// Gives one away.
    pub fn take(&mut self, name: &str) -> Option<Parameter> {
        let at = self.kept.iter().position(|(known, _)| known == name)?;
        Some(self.kept.swap_remove(at).1)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A wanted parameter came twice, or the body went on behind its end: the author of a mail who knows the boundary that a
    /// provider always uses (SendGrid's is `xYzZY`) writes parameters into it. So no parameter is the provider's word.
    pub fn are_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Sorted by name.
    pub fn sorted(&self) -> Vec<(&str, &Parameter)> {
        let mut all: Vec<_> = self.kept.iter().map(|(name, parameter)| (name.as_str(), parameter)).collect();
        all.sort_by_key(|(name, _)| *name);
        all
    }
}

/// The request's encoding, and where it is held.
#[derive(Debug)]
pub struct Source<'a> {
    pub services: &'a Services,
    pub budget: &'a Arc<ContentBudget>,
    pub budget_octets: u64,
    /// Mails of requests that have proven nothing yet.
    pub unproven: &'a Arc<ContentBudget>,
    pub content_type: &'a str,
    pub query: &'a str,
}

/// Reads the whole request.
pub async fn collect(
    source: &Source<'_>,
    wanted: Wanted,
    body: &mut Octets,
) -> Result<(Parameters, MailParameter), Refused> {
    let mut collector = Collector::new(source, wanted);
    if !wanted.everything {
        let mut query = Form::default();
        let pieces = query.feed(source.query.as_bytes())?;
        collector.take(pieces.into_iter().chain(query.finish())).await?;
    }
    match media_type(source.content_type).as_str() {
        // What says nothing of its form is a form (Rack).
        "" | "application/x-www-form-urlencoded" => {
            let mut form = Form::default();
            while let Some(octets) = body.next().await? {
                collector.take(form.feed(&octets)?.into_iter()).await?;
            }
            collector.take(form.finish().into_iter()).await?;
        }
        media if media.starts_with("multipart/") => {
            let mut multipart = Multipart::of(source.content_type)?;
            while let Some(octets) = body.next().await? {
                collector.take(multipart.feed(&octets)?.into_iter()).await?;
            }
            collector.parameters.doubtful |= multipart.is_doubtful();
            collector.take(multipart.finish()?.into_iter()).await?;
        }
        "application/json" | "text/x-json" | "application/jsonrequest" | "application/vnd.api+json" => {
            collector.take_json(body).await?;
        }
        _ => while body.next().await?.is_some() {},
    }
    Ok((collector.parameters, collector.mail))
}

/// The word before the first parameter, in lower case (Rack).
pub fn media_type(content_type: &str) -> String {
    content_type.split([';', ',']).next().unwrap_or_default().trim().to_ascii_lowercase()
}

struct Collector<'a> {
    source: &'a Source<'a>,
    wanted: Wanted,
    current: Current,
    parameters: Parameters,
    mail: MailParameter,
    /// Parameters so far, wanted or not.
    names: usize,
}

/// The parameter whose octets come.
enum Current {
    PassedOver,
    Kept(String, Vec<u8>),
    Mail(Box<Intake>),
}

impl<'a> Collector<'a> {
    fn new(source: &'a Source<'a>, wanted: Wanted) -> Collector<'a> {
        let parameters = Parameters { kept: Vec::new(), doubtful: false, _share: source.budget.share() };
        Collector { source, wanted, current: Current::PassedOver, parameters, mail: MailParameter::Missing, names: 0 }
    }

    async fn take(&mut self, pieces: impl Iterator<Item = Piece>) -> Result<(), Refused> {
        for piece in pieces {
            match piece {
                Piece::Name(name) => self.begin(name)?,
                Piece::Octets(octets) => self.append(octets).await?,
                Piece::End => self.end().await?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, name: Name) -> Result<(), Refused> {
        self.current = Current::PassedOver;
        self.names += 1;
        if self.names > NAMES_MAX {
            return Err(Refused::too_large("the request has too many parameters"));
        }
        let is_mail = self.wanted.mail == Some(name.word.as_str());
        let is_again = if is_mail { self.mail.is_there() } else { self.parameters.has(&name.word) };
        self.parameters.doubtful |= is_again;
        if is_mail {
            match name.kind {
                Kind::Text => self.current = Current::Mail(Box::new(self.intake())),
                Kind::Other => self.mail = MailParameter::Other,
            }
        } else if self.wanted.everything || self.wanted.kept.contains(&name.word.as_str()) {
            match name.kind {
                Kind::Text => self.current = Current::Kept(name.word, Vec::new()),
                Kind::Other => self.keep(name.word, Parameter::Other)?,
            }
        } else if self.wanted.noted.contains(&name.word.as_str()) {
            self.keep(name.word, Parameter::Other)?;
        }
        Ok(())
    }

    fn intake(&self) -> Intake {
        match self.wanted.proof {
            Proof::Before => Intake::new(self.source.services),
            Proof::Inside => Intake::unproven(self.source.services, self.source.unproven),
        }
    }

    async fn append(&mut self, octets: Vec<u8>) -> Result<(), Refused> {
        match &mut self.current {
            Current::PassedOver => Ok(()),
            Current::Mail(intake) => match intake.append(self.source.services, octets).await {
                Err(refused) if refused.kind == answer::Kind::TooLarge => {
                    self.current = Current::PassedOver;
                    self.mail = MailParameter::TooLarge(refused);
                    Ok(())
                }
                appended => appended,
            },
            Current::Kept(name, text) => {
                if !self.wanted.everything && text.len() + octets.len() > TEXT_OCTETS_MAX {
                    return Err(Refused::too_large(format!("the parameter {name} is too long")));
                }
                hold(&mut self.parameters._share, octets.len(), self.source.budget_octets)?;
                text.extend_from_slice(&octets);
                Ok(())
            }
        }
    }

    async fn end(&mut self) -> Result<(), Refused> {
        match std::mem::replace(&mut self.current, Current::PassedOver) {
            Current::PassedOver => {}
            Current::Kept(name, text) => self.keep(name, Parameter::Text(text))?,
            Current::Mail(intake) => {
                self.mail = MailParameter::Text(intake.finish(self.source.services).await?);
            }
        }
        Ok(())
    }

    /// The last of a name counts.
    fn keep(&mut self, name: String, parameter: Parameter) -> Result<(), Refused> {
        self.parameters.kept.retain(|(known, _)| *known != name);
        if self.parameters.kept.len() >= PARAMETERS_MAX {
            return Err(Refused::too_large("the request has too many parameters"));
        }
        self.parameters.kept.push((name, parameter));
        Ok(())
    }

    /// In memory, for the strings of JSON are decoded from their end. So within the budget.
    async fn take_json(&mut self, body: &mut Octets) -> Result<(), Refused> {
        let (mut share, mut whole) = (self.source.budget.share(), Vec::new());
        while let Some(octets) = body.next().await? {
            hold(&mut share, octets.len(), self.source.budget_octets)?;
            whole.extend_from_slice(&octets);
        }
        if whole.is_empty() {
            return Ok(());
        }
        json::mend_halves(&mut whole);
        let Wanted { kept, noted, mail, .. } = self.wanted;
        let wanted: Vec<&str> = kept.iter().chain(noted).copied().chain(mail).collect();
        let members = json::members(&whole, &wanted)
            .map_err(|error| Refused::malformed(format!("the body is not JSON: {error}")))?;
        drop((whole, share));
        for (name, value) in members {
            self.take_member(name, value).await?;
        }
        Ok(())
    }

    async fn take_member(&mut self, word: String, value: Member) -> Result<(), Refused> {
        let text = match value {
            Member::Null => return Ok(()),
            Member::Number(number) if self.wanted.kept.contains(&word.as_str()) => {
                self.begin(Name { word: word.clone(), kind: Kind::Other })?;
                return self.keep(word, Parameter::Number(number));
            }
            Member::Number(_) => None,
            Member::Text(text) => Some(text),
            Member::Object(_) | Member::Other => None,
        };
        let kind = if text.is_some() { Kind::Text } else { Kind::Other };
        self.begin(Name { word, kind })?;
        for piece in text.unwrap_or_default().as_bytes().chunks(PIECE_OCTETS) {
            self.append(piece.to_vec()).await?;
        }
        self.end().await
    }
}

fn hold(share: &mut ContentShare, octets: usize, octets_max: u64) -> Result<(), Refused> {
    if share.grow(octets as u64, octets_max) {
        Ok(())
    } else {
        Err(Refused::unavailable("all requests together hold as much in memory as they may"))
    }
}

/// Of one kept parameter; lists of recipients are the longest.
const TEXT_OCTETS_MAX: usize = 1024 * 1024;
const PARAMETERS_MAX: usize = 200;
/// Each costs a look at all that are kept; Rack reads as many.
const NAMES_MAX: usize = 4096;
const PIECE_OCTETS: usize = 64 * 1024;
