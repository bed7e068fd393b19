//! What replyd itself says in a contact's mail, in the languages it knows: never more than needed, for the words that
//! count are the agent's.

use crate::clock::UnixMs;
use crate::conversation::language::Language;
use serde::Serialize;

/// One language's.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Words {
    /// `Just reply to this mail to answer.`
    pub reply: &'static str,
    /// Of the link to the chat.
    pub resume: &'static str,
    /// Before files that are links.
    pub files: &'static str,
    /// `until`, before a day.
    pub until: &'static str,
    pub unsubscribe: &'static str,
    #[serde(skip)]
    subject: (&'static str, &'static str),
    /// Before the time, between time and name, behind the name: as mail clients of the language write it, so that they and
    /// ours know where the quotation begins.
    #[serde(skip)]
    wrote: (&'static str, &'static str, &'static str),
    #[serde(skip)]
    you_wrote: (&'static str, &'static str),
    /// A person who gave neither a name nor an address.
    #[serde(skip)]
    pub visitor: &'static str,
}

impl Words {
    pub fn of(language: Language) -> &'static Words {
        match language {
            Language::En => &EN,
            Language::De => &DE,
            Language::Fr => &FR,
            Language::Es => &ES,
            Language::Nl => &NL,
            Language::It => &IT,
            Language::Pt => &PT,
        }
    }

    /// Of a chat's first mail.
    pub fn subject(&self, display_name: &str) -> String {
        format!("{}{display_name}{}", self.subject.0, self.subject.1)
    }

    /// `On 2026-11-20 at 10:04 UTC, Jane wrote:`
    pub fn attribution(&self, name: &str, at: UnixMs) -> String {
        let (before, between, behind) = self.wrote;
        format!("{before}{}{between}{name}{behind}", time(at))
    }

    /// The same of what the recipient wrote, who gave no name.
    pub fn own_attribution(&self, at: UnixMs) -> String {
        let (before, behind) = self.you_wrote;
        format!("{before}{}{behind}", time(at))
    }
}

/// `2026-11-20 10:04 UTC`: read the same everywhere.
pub fn time(at: UnixMs) -> String {
    let text = at.rfc3339();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}

/// `2026-11-20`
pub fn day(at: UnixMs) -> String {
    at.rfc3339().get(..10).unwrap_or_default().to_owned()
}

const EN: Words = Words {
    reply: "Just reply to this mail to answer.",
    resume: "Open the chat",
    files: "Files",
    until: "until",
    unsubscribe: "No more mails about this",
    subject: ("Your conversation with ", ""),
    wrote: ("On ", ", ", " wrote:"),
    you_wrote: ("On ", ", you wrote:"),
    visitor: "a visitor",
};

const DE: Words = Words {
    reply: "Antworten Sie einfach auf diese Mail.",
    resume: "Chat öffnen",
    files: "Dateien",
    until: "bis",
    unsubscribe: "Keine Mails mehr dazu",
    subject: ("Ihr Gespräch mit ", ""),
    wrote: ("Am ", " schrieb ", ":"),
    you_wrote: ("Am ", " schrieben Sie:"),
    visitor: "ein Besucher",
};

const FR: Words = Words {
    reply: "Répondez simplement à ce message.",
    resume: "Ouvrir la discussion",
    files: "Fichiers",
    until: "jusqu’au",
    unsubscribe: "Ne plus recevoir de messages à ce sujet",
    subject: ("Votre conversation avec ", ""),
    wrote: ("Le ", ", ", " a écrit :"),
    you_wrote: ("Le ", ", vous avez écrit :"),
    visitor: "un visiteur",
};

const ES: Words = Words {
    reply: "Para contestar, responda a este correo.",
    resume: "Abrir el chat",
    files: "Archivos",
    until: "hasta el",
    unsubscribe: "No recibir más correos sobre esto",
    subject: ("Su conversación con ", ""),
    wrote: ("El ", ", ", " escribió:"),
    you_wrote: ("El ", ", usted escribió:"),
    visitor: "un visitante",
};

const NL: Words = Words {
    reply: "Beantwoord gewoon deze mail.",
    resume: "Chat openen",
    files: "Bestanden",
    until: "tot",
    unsubscribe: "Geen mails meer hierover",
    subject: ("Uw gesprek met ", ""),
    wrote: ("Op ", " schreef ", ":"),
    you_wrote: ("Op ", " schreef u:"),
    visitor: "een bezoeker",
};

const IT: Words = Words {
    reply: "Per rispondere basta rispondere a questa mail.",
    resume: "Apri la chat",
    files: "File",
    until: "fino al",
    unsubscribe: "Non ricevere più mail su questo",
    subject: ("La sua conversazione con ", ""),
    wrote: ("Il ", ", ", " ha scritto:"),
    you_wrote: ("Il ", ", lei ha scritto:"),
    visitor: "un visitatore",
};

const PT: Words = Words {
    reply: "Para responder, basta responder a este e-mail.",
    resume: "Abrir o chat",
    files: "Ficheiros",
    until: "até",
    unsubscribe: "Não receber mais e-mails sobre isto",
    subject: ("A sua conversa com ", ""),
    wrote: ("Em ", ", ", " escreveu:"),
    you_wrote: ("Em ", ", escreveu:"),
    visitor: "um visitante",
};
