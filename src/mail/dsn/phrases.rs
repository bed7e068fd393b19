//! The words that delivery software uses, as data. All lower case; compared by containing.

/// Whether a lower-case text contains one of these.
pub(super) fn any(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// Senders that are delivery software and nothing else.
#[rustfmt::skip]
pub(super) const DAEMONS: &[&str] = &[
    "mailer-daemon", "mailer_daemon", "mailerdaemon", "mail-daemon", "mailer daemon", "mdaemon@", "mail delivery s",
    "mail deliver s", "mail.delivery.s", "delivery subsystem", "mail delivery service", "maildelivery",
    "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e", "mail_delivery", "bounce notification",
];

/// Senders that may be delivery software or the person behind it.
#[rustfmt::skip]
pub(super) const POSTMASTERS: &[&str] = &[
    "postmaster", "post_master", "post master", "system administrator", "mail administrator", "mailadmin",
    "mail system", "mailsystem", "mail_system", "smtp_mail_service", "ndr administrator", "smtp gateway",
    "smtp_gateway", "sysadmin@", "mail router", "mail gateway", "systemadministrator", "system_administrator",
    "mail-system", "interscan", "administrator@", "mail.system", "mail service", "autobounce",
    "exchange administrator",
];

/// Subjects of bounces.
#[rustfmt::skip]
pub(super) const SUBJECTS: &[&str] = &[
    "undeliver", "delivery status notification", "delivery failure", "failure notice", "returned mail",
    "returned email", "mail delivery failed", "delivery failed", "failed delivery", "delivery has failed",
    "could not be delivered", "couldn't be delivered", "cannot be delivered", "can not be delivered",
    "not be delivered", "failure delivery", "not delivered", "mail system error", "delivery error",
    "delivery problem", "delivery delay", "delayed mail", "error sending your mail", "message delivery has",
    "mail failed", "mail error", "undelivered", "delivery notification", "failed mail",
    "returning message to sender", "returned to sender", "return to sender", "nondeliver", "non-deliver",
    "non deliver", "non remis", "non distribu", "non-remise", "échec de la remise", "echec de la remise",
    "échec de remise", "unzustellbar", "nicht zugestellt", "nicht zustellbar", "unzustellbare",
    "zustellung fehlgeschlagen", "zustellungsfehler", "fehlgeschlagen", "no se puede entregar",
    "no se ha podido entregar", "no entregado", "no se pudo entregar", "devuelto", "mensagem não entregue",
    "não entregue", "não é possível entregar", "non recapitabile", "mancato recapito", "messaggio non recapitato",
    "impossibile recapitare", "onbestelbaar", "kan niet worden bezorgd", "kunde inte levereras", "kan ikke leveres",
    "går inte att leverera", "niedostarczone", "nie można dostarczyć", "не доставлен", "недоставлен",
    "не удалось доставить", "teslim edilemedi", "送信できません", "配信不能", "配信できません", "配送できません", "メールエラー", "エラー通知",
    "お届けできません", "返送", "未配信", "退信", "传输失败", "傳送失敗", "无法送达", "無法傳遞", "投递失败", "배달", "반송", "warning: message",
    "delivery report", "could not send message", "mail not deliver", "delivery status report", "mail status report",
    "delayed for", "still being retried", "bounce notification", "automatically rejected mail",
    "nameserver error report", "user unknown", "unknown user", "mailbox full", "loop alert: duplicated message-id",
    "aws notification message", "address not found", "message blocked", "message rejected", "mail rejected",
    "rejected mail", "delivery attempt", "problem delivering", "unable to deliver", "error during delivery",
    "message not deliver", "delivery incomplete", "service unavailable",
];

/// What delivery software writes into the body of a bounce.
#[rustfmt::skip]
pub(super) const BODIES: &[&str] = &[
    "could not be delivered", "couldn't be delivered", "couldn’t be delivered", "cannot be delivered",
    "can not be delivered", "not be delivered", "wasn't able to deliver", "wasn’t able to deliver",
    "unable to deliver", "not able to deliver", "was not delivered", "wasn't delivered", "wasn’t delivered",
    "not delivered to", "has not been delivered", "has not been received", "did not reach", "undeliverable",
    "undelivered", "delivery to the following recipient", "following recipients failed", "delivery failed",
    "delivery failure", "delivery has failed", "failed delivery", "delivery of the following message",
    "had permanent fatal errors", "had transient non-fatal errors", "had delivery errors", "had delivery problems",
    "fatal delivery error", "delivery problems", "transcript of session follows", "failed recipient",
    "failed addresses follow", "permanent error", "permanent failure", "returned permanent errors",
    "error delivering your mail", "trouble delivering", "problem delivering", "error occurred while",
    "error was detected while processing", "an error has occurred", "no valid recipients", "unknown user",
    "user unknown", "unknown recipient", "invalid recipient", "user not known", "invalid user",
    "user does not exist", "no such user", "mailbox exceeds", "mailbox is full", "mailbox full",
    "exceeded the local limit", "over quota", "exceeded quota", "recipient address rejected",
    "rejected by a remote", "was rejected", "rejected by the recipient domain", "was automatically rejected",
    "rcpt to", "rcpt to:", "554 ", "550 ", "553 ", "message delivery to", "delivery report", "failed to deliver",
    "failure to deliver", "could not deliver", "couldn't deliver", "can't deliver", "could not send",
    "could not be sent", "failed to send", "will be retried", "attempts will continue", "will continue to try",
    "has been delayed", "is delayed", "still trying", "has not yet been delivered", "remote host said",
    "final-recipient:", "message not delivered", "no matches to nameserver query", "duplicated message-id",
    "konnte nicht zugestellt", "konnte nicht ausgeliefert", "konnte nicht zustellen", "nicht zugestellt werden",
    "unzustellbar", "fehler beim zustellen", "n'a pas pu être", "n'a pas pu etre", "n’a pas pu être",
    "n'ont pas pu", "échec de la remise", "impossible de remettre", "pas été remis", "no se pudo entregar",
    "no se ha podido entregar", "no ha podido ser entregado", "no pudo ser entregado", "no se puede entregar",
    "error en la entrega", "não pôde ser entregue", "não foi possível entregar", "não foi entregue",
    "nao pode ser entregue", "non è stato possibile", "impossibile recapitare", "non recapitabile",
    "kon niet worden", "kan niet worden bezorgd", "niet afgeleverd", "kunde inte levereras", "kunne ikke leveres",
    "nie można dostarczyć", "nie został dostarczon", "не может быть доставлено", "не было доставлено",
    "не удалось доставить", "невозможно доставить", "teslim edilemedi", "配送できません", "配信できません", "送信できません",
    "届けることができません", "送信に失敗", "送信ができません", "届きません", "配信されません", "送れません", "无法发送", "无法投递", "无法送达", "投递失败", "退信", "无法到达",
    "無法傳遞", "無法送達", "전송되지", "전달할 수",
];

/// Subjects and bodies of delay warnings: nothing has failed.
#[rustfmt::skip]
pub(super) const DELAYS: &[&str] = &[
    "delayed", "(delay)", "still being retried", "delivery delay", "warning: could not send",
    "could not send message for past", "this is a warning message only", "do not need to resend",
    "attempts will continue", "will continue to try", "will be retried", "will retry for", "is a temporary problem",
    "verzögert", "retardé", "wird weiterhin versucht",
];

/// Words that end the hope a delay warning leaves.
#[rustfmt::skip]
pub(super) const FINAL: &[&str] =
    &[
    "permanent", "giving up", "given up", "not going to try again", "failed permanently", "delivery failed",
];

/// Subjects and bodies of success notifications.
#[rustfmt::skip]
pub(super) const SUCCESSES: &[&str] = &[
    "notification (success)", "delivered successfully", "successfully delivered", "was successfully delivered",
    "successful mail delivery report", "delivery report that you requested", "delivered: ", "relayed: ",
    "message successfully",
];

/// A mailbox that cannot take more today.
#[rustfmt::skip]
pub(super) const MAILBOX_FULL: &[&str] = &[
    "quota", "mailbox full", "mailbox is full", "mailfolder is full", "inbox is full", "not enough storage",
    "insufficient storage", "mailbox size limit", "exceeds allowed size", "exceeded the local limit",
    "too many messages", "storage allocation", "disk full", "full mailbox", "容量", "一杯",
];

/// Refusals that say nothing about the address.
#[rustfmt::skip]
pub(super) const SOFT: &[&str] = &[
    "quota", "mailbox full", "mailbox is full", "inbox is full", "storage", "mailbox size limit",
    "exceeds allowed size", "exceeded the local limit", "disk full", "spam", "virus", "blocked", "blacklist",
    "block list", "blocklist", "block-list", "dnsbl", "rbl", "reputation", "policy", "spf", "dkim", "dmarc",
    "denied", "greylist", "rate limit", "too many", "too large", "too big", "size limit", "message size", "content",
    "relay", "timed out", "timeout", "connection refused", "connection reset", "temporar", "try again", "later",
    "expired", "loop", "certificate", "tls", "unauthenticated", "authenticat", "reverse dns", "ptr record",
    "not accepting", "client host rejected", "in the queue too long", "deferred",
];

/// An address that does not exist, in words.
#[rustfmt::skip]
pub(super) const UNKNOWN_USER: &[&str] = &[
    "user not exist", "not exist", "couldn't be found", "couldn’t be found", "could not be found", "wasn't found",
    "doesn't have a", "not a registered", "not listed", "name is not recognized", "invalid mailbox", "invalid user",
    "invalid address", "user not known", "no longer valid", "not a valid", "unrouteable address",
    "does not accept mail", "does not accept email", "見つかりません", "存在しません", "не найден", "не существует", "不存在",
    "user unknown", "unknown user", "no such user", "does not exist", "doesn't exist", "unknown recipient",
    "user not found", "recipient not found", "address not found", "no such recipient", "no mailbox here",
    "mailbox not found", "invalid recipient", "unknown address", "no such mailbox", "mailbox unavailable",
    "host unknown", "host not found", "domain not found",
];
