//! Automatic answers that carry no field of a machine, by their subject or by saying so in their first words.
//!
//! A subject counts only where it begins with what mail software writes, set off by a colon, and asks nothing: people
//! write "Re: Out of Office" and "Automatic reply to my order?".

use super::parsed::ParsedMail;

/// The sign, if the mail has one.
pub(super) fn sign(mail: &ParsedMail) -> Option<String> {
    let subject = mail.subject().unwrap_or_default();
    let subject: String = subject.chars().take(200).collect::<String>().to_lowercase().replace(['’', '´'], "'");
    let subject = subject.trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    if subject.ends_with('?') || is_answer(subject) {
        return None;
    }
    if let Some(prefix) = PREFIXES.iter().find(|prefix| is_set_off(subject, prefix)) {
        return Some(format!("subject: {}", capitalised(prefix)));
    }
    let away = AWAY.iter().any(|word| subject.contains(word));
    let declared = declares(mail, if away { DECLARED_WHEN_AWAY } else { &[] });
    declared.map(|phrase| format!("first words: {phrase}"))
}

fn is_answer(subject: &str) -> bool {
    ["re:", "aw:", "sv:", "fw:", "fwd:", "wg:", "tr:", "antw:", "odp:", "rv:"]
        .iter()
        .any(|prefix| subject.starts_with(prefix))
}

/// The prefix is all of the subject, or a colon, bracket or dash follows.
fn is_set_off(subject: &str, prefix: &str) -> bool {
    subject.strip_prefix(prefix).is_some_and(|rest| {
        let rest = rest.trim_start_matches(['!', '.', '"']).trim_start();
        rest.is_empty() || rest.starts_with([':', '：', ']', '[', '-', '–', '(', '/'])
    })
}

fn capitalised(prefix: &str) -> String {
    let mut letters = prefix.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Octets of the body that are read: who answers automatically says so at once.
const FIRST_WORDS_OCTETS: usize = 400;

/// A phrase of the first words, before any quotation.
fn declares(mail: &ParsedMail, more: &'static [&'static str]) -> Option<&'static str> {
    let text = mail.parts.iter().find_map(|part| part.text().filter(|_| part.media_type == "text/plain"))?;
    let mut end = text.len().min(FIRST_WORDS_OCTETS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let own: String =
        text.get(..end)?.lines().take_while(|line| !line.trim_start().starts_with('>')).collect::<Vec<_>>().join(" ");
    let own = own.to_lowercase().replace('’', "'");
    let begins = own.trim_start_matches(|c: char| !c.is_alphanumeric());
    let declared = DECLARED.iter().find(|phrase| begins.starts_with(*phrase));
    declared.or_else(|| more.iter().find(|phrase| own.contains(*phrase))).copied()
}

/// What mail software puts before or in place of the subject, in lower case.
const PREFIXES: &[&str] = &[
    "auto",
    "automatic reply",
    "automatic response",
    "automated reply",
    "automated response",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "autoresponder",
    "auto responder",
    "auto-responder",
    "autorespond",
    "automatic answer",
    "out of office",
    "out of the office",
    "out-of-office",
    "out of office autoreply",
    "out of office reply",
    "out of office auto reply",
    "out of office notification",
    "out of office message",
    "out of office response",
    "ooo",
    "vacation reply",
    "vacation message",
    "vacation response",
    "away from my mail",
    "away message",
    "abwesenheitsnotiz",
    "abwesenheitsmeldung",
    "abwesenheitsnachricht",
    "abwesenheit",
    "automatische antwort",
    "automatische abwesenheitsnotiz",
    "autoantwort",
    "auto-antwort",
    "abwesend",
    "automatische eingangsbestätigung",
    "réponse automatique",
    "reponse automatique",
    "réponse automatique d'absence",
    "message d'absence",
    "absence du bureau",
    "absent du bureau",
    "notification d'absence",
    "absence",
    "respuesta automática",
    "respuesta automatica",
    "autorespuesta",
    "fuera de la oficina",
    "fuera de oficina",
    "ausente de la oficina",
    "ausencia",
    "resposta automática",
    "resposta automatica",
    "fora do escritório",
    "fora do escritorio",
    "ausência temporária",
    "ausência",
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    "risponditore automatico",
    "assenza",
    "assente dall'ufficio",
    "resposta automàtica",
    "automatisch antwoord",
    "automatische beantwoording",
    "automatische reactie",
    "afwezigheidsbericht",
    "afwezig",
    "niet aanwezig",
    "afwezigheidsmelding",
    "autosvar",
    "automatiskt svar",
    "automatisk svar",
    "frånvaro",
    "frånvaromeddelande",
    "fravær",
    "fraværsmelding",
    "fraværsbesked",
    "ikke til stede",
    "ikke på kontoret",
    "automaattinen vastaus",
    "poissaoloviesti",
    "poissa",
    "automaatvastus",
    "automātiskā atbilde",
    "automatinis atsakymas",
    "automatyczna odpowiedź",
    "odpowiedź automatyczna",
    "autoodpowiedź",
    "nieobecność",
    "poza biurem",
    "automatická odpověď",
    "automatická odpoveď",
    "mimo kancelář",
    "automatikus válasz",
    "házon kívül",
    "távollét",
    "răspuns automat",
    "raspuns automat",
    "автоматический ответ",
    "автоответ",
    "автоответчик",
    "вне офиса",
    "нет на работе",
    "автоматична відповідь",
    "автоматичен отговор",
    "αυτόματη απάντηση",
    "εκτός γραφείου",
    "otomatik yanıt",
    "otomatik cevap",
    "ofis dışında",
    "automatski odgovor",
    "samodejni odgovor",
    "自動返信",
    "自動応答",
    "不在通知",
    "不在のお知らせ",
    "自动回复",
    "自动答复",
    "自動回覆",
    "自動回復",
    "外出",
    "자동 회신",
    "자동 응답",
    "부재중",
    "부재 중",
    "trả lời tự động",
    "balasan otomatis",
    "jawapan automatik",
    "ตอบกลับอัตโนมัติ",
    "رد تلقائي",
    "מענה אוטומטי",
    "תשובה אוטומטית",
    "پاسخ خودکار",
];

/// Subjects under which more of the first words is believed.
const AWAY: &[&str] = &[
    "out of office",
    "out of the office",
    "away from",
    "on vacation",
    "on holiday",
    "on leave",
    "annual leave",
    "maternity leave",
    "vacation",
    "urlaub",
    "abwesen",
    "nicht im büro",
    "auto",
    "en congé",
    "absen",
    "vacances",
    "vacaciones",
    "férias",
    "ferie",
    "vakantie",
    "afwezig",
    "semester",
    "отпуск",
    "休暇",
    "不在",
    "away until",
];

/// Openings that no person writes.
const DECLARED: &[&str] = &[
    "this is an automatic",
    "this is an automated",
    "this is an auto-",
    "this is an auto ",
    "this is an autoreply",
    "this message was automatically generated",
    "this message has been automatically generated",
    "this email was automatically generated",
    "this is a system generated",
    "this is a system-generated",
    "dies ist eine automatische",
    "dies ist eine automatisch",
    "diese nachricht wurde automatisch",
    "diese e-mail wurde automatisch",
    "ceci est une réponse automatique",
    "ceci est un message automatique",
    "este es un mensaje automático",
    "esta es una respuesta automática",
    "esta é uma resposta automática",
    "esta é uma mensagem automática",
    "questa è una risposta automatica",
    "questo è un messaggio automatico",
    "dit is een automatisch",
    "detta är ett automatiskt",
    "dette er et automatisk",
    "to jest automatyczna",
    "это автоматический ответ",
];

/// What people also write, believed under a subject of absence.
const DECLARED_WHEN_AWAY: &[&str] = &[
    "i am currently out of",
    "i'm currently out of",
    "i am out of the office",
    "i'm out of the office",
    "i will be out of",
    "i am currently away",
    "i will be away",
    "i am on leave",
    "i am on vacation",
    "i am on annual leave",
    "i am away",
    "thank you for your email",
    "thank you for your message",
    "thanks for your email",
    "ich bin derzeit nicht",
    "ich bin nicht im büro",
    "ich bin zur zeit nicht",
    "ich bin zurzeit",
    "ich bin ab",
    "ich bin bis",
    "ich bin im urlaub",
    "vielen dank für ihre nachricht",
    "vielen dank für ihre e-mail",
    "je suis actuellement absent",
    "je suis absent",
    "je suis en congé",
    "je serai absent",
    "estoy fuera",
    "estaré fuera",
    "me encuentro fuera",
    "estou de férias",
    "estarei ausente",
    "sono fuori",
    "sarò assente",
    "ik ben afwezig",
    "ik ben niet aanwezig",
    "jag är på semester",
    "jag är inte på",
    "я в отпуске",
    "я нахожусь в отпуске",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, body: &str, expected: Option<&str>) {
        let raw = format!(
            "From: a@x.example\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
        );
        assert_eq!(sign(&ParsedMail::parse(raw.as_bytes())).as_deref(), expected, "{subject} / {body}");
    }

    #[test]
    fn subjects_of_mail_software_are_known_in_many_languages() {
        for subject in [
            "Automatic reply: order",
            "Out of Office AutoReply: order",
            "AUTO: Ann is out of the office",
            "Abwesenheitsnotiz: Bestellung",
            "Réponse automatique : commande",
            "Respuesta automática: pedido",
            "Autosvar: ordre",
            "Fuori sede: ordine",
            "Automatyczna odpowiedź: zamówienie",
            "Автоматический ответ: заказ",
            "自動返信: 注文",
            "Out of Office",
        ] {
            let raw = format!("From: a@x.example\r\nSubject: {subject}\r\n\r\nx\r\n");
            assert!(sign(&ParsedMail::parse(raw.as_bytes())).is_some(), "{subject}");
        }
    }

    #[test]
    fn people_may_speak_of_such_answers() {
        check("Automatic reply to my order?", "Hello", None);
        check("Re: Out of Office", "I am out of the office, too", None);
        check("Autobahn closed", "Hello", None);
        check("Out of office hours support", "When are you open", None);
        check("Question", "I got this: this is an automatic reply", None);
        check("Vacation rental", "Is the house free in May", None);
        check("order", "> This is an automatic reply\r\nwhat does that mean", None);
    }

    #[test]
    fn first_words_count_where_only_a_machine_writes_so() {
        check("order", "This is an automated response. We got it.", Some("first words: this is an automated"));
        check("Ann on vacation", "I am currently out of town", Some("first words: i am currently out of"));
        check("order", "I am currently out of town", None);
    }
}
