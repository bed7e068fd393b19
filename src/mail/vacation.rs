//! Automatic answers that carry no field of a machine, by their subject or by saying so in their first words.
//!
//! A subject counts only where it begins with what mail software writes, set off by a colon, and asks nothing: people
//! write "Re: Out of Office" and "Automatic reply to my order?". Words that people use as well ("Absence: 5 May",
//! "Auto: used car") need a second sign.

use super::parsed::ParsedMail;

/// The sign, if the mail has one.
pub(super) fn sign(mail: &ParsedMail) -> Option<String> {
    let subject = mail.subject().unwrap_or_default();
    let subject: String = subject.chars().take(200).collect::<String>().to_lowercase().replace(['’', '´'], "'");
    let subject = subject
        .trim_start_matches(|c: char| matches!(c, '[' | '(' | '【' | '［' | '（' | '*') || c.is_whitespace())
        .trim_end();
    if subject.ends_with('?') {
        return None;
    }
    let hinted = is_hinted(mail);
    let answer = is_answer(subject);
    if answer && !hinted {
        return None;
    }
    if let Some(prefix) = prefix(mail, subject, hinted) {
        return Some(format!("subject: {}", capitalised(prefix)));
    }
    if let Some(phrase) = says_who_is_away(subject).filter(|_| !answer) {
        return Some(format!("subject: {}", phrase.trim()));
    }
    let away = !answer && AWAY.iter().any(|word| subject.contains(word));
    let phrases: [&[&str]; 2] = match (away, hinted) {
        (true, _) => [ABSENT, THANKS],
        (false, true) => [ABSENT, &[]],
        (false, false) => [&[], &[]],
    };
    declared(mail, phrases).map(|phrase| format!("first words: {phrase}"))
}

/// What programs set on their answers, and gateways now and then on people's mail: a second sign, never the only one.
fn is_hinted(mail: &ParsedMail) -> bool {
    let says = |name: &str, words: &[&str]| {
        mail.field(name).is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            words.iter().any(|word| value.contains(word))
        })
    };
    says("precedence", &["bulk", "junk"]) || says("x-auto-response-suppress", &["all", "autoreply", "oof"])
}

/// The prefix by which the subject is an automatic answer's.
fn prefix(mail: &ParsedMail, subject: &str, hinted: bool) -> Option<&'static str> {
    let set_off = |prefix: &&&str| is_set_off(subject, prefix);
    // An answer whose subject got something else than `Re:`.
    let second_sign = || {
        hinted
            || mail.field("in-reply-to").is_some()
            || keeps_answer(subject)
            || SAID_BEHIND.iter().any(|word| subject.contains(word))
    };
    PREFIXES.iter().find(set_off).or_else(|| AMBIGUOUS.iter().find(set_off).filter(|_| second_sign())).copied()
}

fn is_answer(subject: &str) -> bool {
    ["re:", "aw:", "sv:", "fw:", "fwd:", "wg:", "tr:", "antw:", "odp:", "rv:"]
        .iter()
        .any(|prefix| subject.starts_with(prefix))
}

/// "Absence: Re: order": the program put its word before the subject it answers.
fn keeps_answer(subject: &str) -> bool {
    let behind = subject.split([':', '：', ')', ']']).skip(1).map(str::trim_start);
    behind.into_iter().any(|rest| ["re", "aw", "sv", "antw", "odp", "rif", "回复", "答复"].contains(&rest))
        || KEPT_ANSWER.iter().any(|mark| subject.contains(&format!(" {mark}")))
}

/// "Ann Other is out of the office.": a name, and nothing behind.
fn says_who_is_away(subject: &str) -> Option<&'static str> {
    let subject = subject.trim_end_matches(['.', '!', ' ']);
    let said = WHO_IS_AWAY.iter().find(|phrase| subject.ends_with(*phrase))?;
    (subject.split(' ').count() <= WHO_IS_AWAY_WORDS_MAX).then_some(said)
}

/// The prefix is all of the subject, or a colon, bracket, dash or time follows.
fn is_set_off(subject: &str, prefix: &str) -> bool {
    subject.strip_prefix(prefix).is_some_and(|rest| {
        let rest = rest.trim_start_matches(['!', '.', '"', ',']).trim_start();
        let time = ["until ", "till ", "from ", "bis ", "ab ", "vom ", "jusqu", "hasta ", "fino ", "t/m "];
        rest.is_empty()
            || rest.starts_with([':', '：', ']', ')', '】', '］', '）', '[', '-', '–', '(', '/'])
            || KEPT_ANSWER.iter().any(|mark| rest.starts_with(mark))
            || time.iter().any(|word| rest.starts_with(word))
    })
}

fn capitalised(prefix: &str) -> String {
    let mut letters = prefix.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Octets of the body that are read: who answers automatically says so at once.
const FIRST_WORDS_OCTETS: usize = 400;

/// A phrase of the first words, before any quotation.
fn declared(mail: &ParsedMail, more: [&'static [&'static str]; 2]) -> Option<&'static str> {
    let text = mail.parts.iter().find_map(|part| part.text().filter(|_| part.media_type == "text/plain"))?;
    let mut end = text.len().min(FIRST_WORDS_OCTETS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let own: Vec<&str> = text.get(..end)?.lines().take_while(|line| !line.trim_start().starts_with('>')).collect();
    let own = own.join(" ").to_lowercase().replace('’', "'");
    let begins = own.trim_start_matches(|c: char| !c.is_alphanumeric());
    let opening = DECLARED.iter().find(|phrase| begins.starts_with(*phrase));
    // A customer on holiday says so, too, to have a parcel held back; an answer tells until when and who stands in.
    let stands_in = || BESIDE.iter().any(|phrase| own.contains(phrase));
    let said = more.into_iter().flatten().find(|phrase| own.contains(*phrase));
    opening.or_else(|| said.filter(|said| said.contains("currently") || stands_in())).copied()
}

/// What mail software puts before or in place of the subject, in lower case.
#[rustfmt::skip]
const PREFIXES: &[&str] = &[
    "automatic reply", "automatic response", "automated reply", "automated response", "auto reply", "auto-reply",
    "autoreply", "auto response", "auto-response", "autoresponse", "autoresponder", "auto responder",
    "auto-responder", "autorespond", "automatic answer", "out of office", "out of the office", "out-of-office",
    "out of office autoreply", "out of office reply", "out of office auto reply", "out of office notification",
    "out of office message", "out of office response", "vacation reply", "vacation response", "away from my mail",
    "abwesenheitsnotiz", "abwesenheitsmeldung", "abwesenheitsnachricht", "automatische antwort",
    "automatische abwesenheitsnotiz", "autoantwort", "auto-antwort", "automatische eingangsbestätigung",
    "réponse automatique", "reponse automatique", "réponse automatique d'absence", "message d'absence",
    "absence du bureau", "absent du bureau", "notification d'absence", "respuesta automática",
    "respuesta automatica", "autorespuesta", "fuera de la oficina", "fuera de oficina", "ausente de la oficina",
    "resposta automática", "resposta automatica", "fora do escritório", "fora do escritorio", "ausência temporária",
    "risposta automatica", "fuori sede", "fuori ufficio", "risponditore automatico", "assente dall'ufficio",
    "resposta automàtica", "automatisch antwoord", "automatische beantwoording", "automatische reactie",
    "afwezigheidsbericht", "afwezigheidsmelding", "autosvar", "automatiskt svar", "automatisk svar",
    "frånvaromeddelande", "fraværsmelding", "fraværsbesked", "ikke til stede", "ikke på kontoret",
    "automaattinen vastaus", "poissaoloviesti", "automaatvastus", "automātiskā atbilde", "automatinis atsakymas",
    "automatyczna odpowiedź", "odpowiedź automatyczna", "autoodpowiedź", "poza biurem", "automatická odpověď",
    "automatická odpoveď", "mimo kancelář", "automatikus válasz", "házon kívül", "răspuns automat",
    "raspuns automat", "автоматический ответ", "автоответ", "автоответчик", "вне офиса", "нет на работе",
    "автоматична відповідь", "автоматичен отговор", "αυτόματη απάντηση", "εκτός γραφείου", "otomatik yanıt",
    "otomatik cevap", "ofis dışında", "automatski odgovor", "samodejni odgovor", "自動返信", "自動応答", "不在通知", "不在のお知らせ",
    "自动回复", "自动答复", "自動回覆", "自動回復", "자동 회신", "자동 응답", "부재중", "부재 중", "trả lời tự động", "balasan otomatis",
    "automatic confirmation", "automatic acknowledgement", "automatic acknowledgment", "automātiska atbilde",
    "аутоматски одговор", "автоматски одговор", "аўтаматычны адказ", "автоматты жауап", "erantzun automatikoa", "resposta automátic",
    "sjálfvirkt svar", "स्वचालित उत्तर", "স্বয়ংক্রিয় উত্তর", "awtomatikong tugon", "jibu la kiotomatiki", "outomatiese antwoord",
    "avtomatik cavab", "automatyczna wiadomość", "автоматическое уведомление", "不在返信", "自動送信", "자동응답", "自动应答", "jawapan automatik", "ตอบกลับอัตโนมัติ", "رد تلقائي", "מענה אוטומטי", "תשובה אוטומטית", "پاسخ خودکار",
];

/// The same in words that people use, too.
#[rustfmt::skip]
const AMBIGUOUS: &[&str] = &[
    "auto", "ooo", "abwesenheit", "abwesend", "absence", "ausencia", "ausência", "assenza", "afwezig", "frånvaro",
    "fravær", "poissa", "nieobecność", "távollét", "外出", "vacation message", "away message", "niet aanwezig", "absent",
    "absente", "ausente", "frånvarande", "fraværende", "不在", "外出中", "休暇", "休暇のお知らせ", "eingangsbestätigung", "empfangsbestätigung",
    "accusé de réception", "acuse de recibo", "conferma di ricezione", "i am out of office", "i am out of the office",
];

/// How a subject that was answered goes on behind the program's word.
const KEPT_ANSWER: &[&str] = &["re:", "re :", "aw:", "sv:", "antw:", "odp:", "fwd:"];

#[rustfmt::skip]
const WHO_IS_AWAY: &[&str] = &[
    " is out of the office", " is out of office", " is on vacation", " is on leave", " ist außer haus",
    " ist nicht im büro", " ist abwesend", " est absent", " est absente", " est absent du bureau",
    " está fuera de la oficina", " è fuori ufficio", " is niet aanwezig", " är inte på kontoret",
];
const WHO_IS_AWAY_WORDS_MAX: usize = 10;

/// What makes `AUTO:` that of an absence.
#[rustfmt::skip]
const SAID_BEHIND: &[&str] = &[
    "out of the office", "out of office", "is out", "returning", "absent(e)", "du bureau", "nicht im büro", "außer haus", "auto: re:",
    "auto:re:",
];

/// Subjects under which more of the first words is believed.
#[rustfmt::skip]
const AWAY: &[&str] = &[
    "out of office", "out of the office", "away from", "on vacation", "on holiday", "on leave", "annual leave",
    "maternity leave", "vacation", "urlaub", "abwesen", "nicht im büro", "auto", "en congé", "absen", "vacances",
    "vacaciones", "férias", "ferie", "vakantie", "afwezig", "semester", "отпуск", "休暇", "不在", "away until",
];

/// Openings that no person writes.
#[rustfmt::skip]
const DECLARED: &[&str] = &[
    "this is an automatic", "this is an automated", "this is an auto-", "this is an auto ", "this is an autoreply",
    "this message was automatically generated", "this message has been automatically generated",
    "this email was automatically generated", "this is a system generated", "this is a system-generated",
    "dies ist eine automatische", "dies ist eine automatisch", "diese nachricht wurde automatisch",
    "diese e-mail wurde automatisch", "ceci est une réponse automatique", "ceci est un message automatique",
    "este es un mensaje automático", "esta es una respuesta automática", "esta é uma resposta automática",
    "esta é uma mensagem automática", "questa è una risposta automatica", "questo è un messaggio automatico",
    "dit is een automatisch", "detta är ett automatiskt", "dette er et automatisk", "to jest automatyczna",
    "это автоматический ответ",
];

/// What people also write, believed beside a second sign.
#[rustfmt::skip]
const ABSENT: &[&str] = &[
    "i am currently out of", "i'm currently out of", "i am out of the office", "i'm out of the office",
    "i will be out of", "i am currently away", "i will be away", "i am on leave", "i am on vacation",
    "i am on annual leave", "i am away", "ich bin derzeit nicht", "ich bin nicht im büro", "ich bin zur zeit nicht",
    "ich bin zurzeit", "ich bin ab", "ich bin bis", "ich bin im urlaub", "je suis actuellement absent",
    "je suis absent", "je suis en congé", "je serai absent", "estoy fuera", "estaré fuera", "me encuentro fuera",
    "estou de férias", "estarei ausente", "sono fuori", "sarò assente", "ik ben afwezig", "ik ben niet aanwezig",
    "jag är på semester", "jag är inte på", "я в отпуске", "я нахожусь в отпуске",
];

/// What answers of absence say besides.
#[rustfmt::skip]
const BESIDE: &[&str] = &[
    "until", "limited access", "no access", "urgent", "return", "please contact", "get back to you", "respond", "in my absence",
    "out of the office", "thank you for your", "bis zum", "bis ", "dringend", "vertret", "zurück", "jusqu", "retour", "urgen", "hasta",
    "regres", "fino a", "al mio rientro", "até", "retorn", "tot ", "terug", "dringende", "tillbaka", "tilbage", "до ",
];

/// What people also write, believed only under a subject of absence.
#[rustfmt::skip]
const THANKS: &[&str] = &[
    "thank you for your email", "thank you for your message", "thanks for your email",
    "vielen dank für ihre nachricht", "vielen dank für ihre e-mail", "merci pour votre message",
    "gracias por su mensaje",
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
            "【自動返信】ご注文",
            "(Auto Reply) order",
            "Out of Office Re: order",
            "Аутоматски одговор: поруџбина",
            "Erantzun automatikoa: eskaera",
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
        check("Auto: VW Golf", "Ist der Wagen noch da", None);
        check("Absence: 5 mai", "Bonjour", None);
        check("Re: order\r\nX-Auto-Response-Suppress: All", "Thank you for your email. Where is it", None);
        check("order", "> This is an automatic reply\r\nwhat does that mean", None);
    }

    #[test]
    fn first_words_count_where_only_a_machine_writes_so() {
        check("order", "This is an automated response. We got it.", Some("first words: this is an automated"));
        check("Ann on vacation", "I am currently out of town", Some("first words: i am currently out of"));
        check("order", "I am currently out of town", None);
        check("Re: order\r\nPrecedence: bulk", "I am out of the office", Some("first words: i am out of the office"));
        check("Absence : commande\r\nIn-Reply-To: <1@x.example>", "x", Some("subject: Absence"));
        check("Out of office until Monday", "x", Some("subject: Out of office"));
        check("Abwesend: Re: Bestellung", "x", Some("subject: Abwesend"));
        check("Ann Other is out of the office.", "x", Some("subject: is out of the office"));
    }

    #[test]
    fn customers_on_holiday_are_people() {
        check("Delivery while on vacation", "I will be away from 5 to 9 March. Please hold the parcel", None);
        check("Urlaub", "Ich bin im Urlaub, bitte später liefern", None);
        check("Absent : commande", "Bonjour", None);
        check("Re: Ann Other is out of the office", "Thanks", None);
        check("On holiday", "I am on leave until 5 March", Some("first words: i am on leave"));
    }
}
