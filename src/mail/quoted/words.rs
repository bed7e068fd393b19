//! The words of mail clients in the languages they speak. All in lower case, as `Line::key` has them.

/// Words an attribution may begin with.
pub const STARTERS: &[&str] = &[
    "on", "am", "le", "el", "il", "op", "em", "den", "dne", "dňa", "dnia", "w dniu", "no dia", "na data", "på", "i",
    "в", "на", "la", "a", "in data", "o dni", "ngày", "vào", "vào lúc", "στις", "την", "ב", "בתאריך", "ביום", "في",
    "بتاريخ", "در", "在", "于", "於", "pe", "în data de", "de", "dana", "dne.", "data", "mnt", "pada", "tarihinde", "u",
    "wiadomość napisana przez", "dňa.", "dia", "al", "um", "li", "kirjoitti", "nuo", "kuupäeval", "à", "date",
    "el día",
];

/// Whom a person names who quotes by hand ("On Friday you wrote:"); clients name senders.
pub const PERSONS: &[&str] = &[
    "you", "we", "they", "ich", "wir", "sie", "ihr", "du", "vous", "nous", "tu", "usted", "ustedes", "lei", "jij", "jullie",
    "ni", "вы", "ты", "она", "он",
];

/// Words before a name and an address, without a verb.
pub const INTRODUCTIONS: &[&str] = &[
    "quoting ", "zitat von ", "citando ", "citado ", "citerar ", "citat från ", "cytat ", "citace ", "quota ",
    "lainaus ", "citat ", "mensaje citado por ", "en réponse à ", "selon ", "quoted from ",
];

/// Verbs of writing that end an attribution.
pub const VERBS_LAST: &[&str] = &[
    "wrote", "sent", "writes", "said", "a écrit", "écrit", "ecrit", "écrivait", "schrieb", "schrieben",
    "geschrieben", "escribió", "escribio", "ha escrito", "va escriure", "ha escrit", "scrisse", "ha scritto",
    "scritto", "escreveu", "schreef", "geschreven", "skrev", "skreiv", "skrifaði", "kirjoitti", "napisał",
    "napisał(a)", "napisała", "napisał/a", "napisali", "pisze", "napsal", "napsal(a)", "napsala", "napísal",
    "napísal(a)", "napísala", "píše", "написал", "написал(а)", "написала", "пишет", "писал", "писал(а)", "написав",
    "написав(ла)", "пише", "написа", "је написао", "napisao je", "je napisao", "napisao", "je napisao/la",
    "je napisal", "napisal", "írta", "ezt írta", "a scris", "scris", "έγραψε", "yazdı", "şunu yazdı",
    "şunları yazdı", "yazmış", "כתב", "כתבה", "מאת", "كتب", "كتبت", "كتب/كتبت", "نوشت", "写道", "寫道", "写了", "のメール", "rašė", "kirjutas", "rakstīja", "เขียนว่า", "ने लिखा", "ka shkruar", "je napisala", "napisala", "escribiu", "igorleak hau idatzi du",
    "idatzi du", "het geskryf", "skryf", "напиша", "напісаў", "жазды", "yazıb", "გაგზავნა", "aliandika", "sumulat",
    "je napisal/-a", "је написао/ла", "napisao/la", "written", "scríobh", "লিখেছেন", "எழுதியது",
    "書きました", "さんは書きました", "작성", "님이 작성", "썼습니다", "đã viết", "viết", "menulis", "parašė",
];

/// Verbs of writing that stand before the name or the date.
pub const VERBS_MIDDLE: &[&str] = &[
    " schrieb ", " wrote ", " schreef ", " skrev ", " skreiv ", " napisana przez ", " napisał ", " napisał(a) ",
    " kirjoitti ", " a écrit ", " escribió ", " escreveu ", " ha scritto ", " كتب ", " كتبت ", " كتب/كتبت ",
    " написал ", " написала ", " kirjutas ", " scrisse ", " ha escrit ", " pisze ", " napisała ", " napsal ", " írta ", "님이 작성",
];

/// Fields of a copied mail header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldName {
    From,
    /// A date no other form uses: "Sent".
    Sent,
    Date,
    To,
    Subject,
    /// Copies, reply addresses, attachments, priority.
    Other,
}

use FieldName::{Date, From, Other, Sent, Subject, To};

pub const FIELD_NAMES: [(FieldName, &[&str]); 6] = [
    (
        From,
        &[
            "from", "von", "de", "da", "van", "od", "från", "fra", "lähettäjä", "kimden", "gönderen", "feladó",
            "de la", "expeditor", "από", "от", "від", "от кого", "отправитель", "מאת", "من", "از", "发件人",
            "寄件者", "寄件人", "發件人", "差出人", "送信者", "보낸 사람", "보낸사람", "từ", "người gửi", "dari", "nadawca", "remitente",
            "expéditeur", "mittente", "remetente", "afzender", "absender", "avsändare", "afsender", "avsender",
            "odesílatel", "odosielateľ", "šalje", "saatja", "nuo", "pošiljatelj", "sender", "จาก", "frá", "daripada", "प्रेषक", "пошиљалац",
        ],
    ),
    (
        Sent,
        &[
            "sent", "gesendet", "envoyé", "envoyé le", "envoye", "enviado", "enviado el", "enviada", "enviada em",
            "enviado em", "inviato", "inviato il", "verzonden", "verstuurd", "wysłano", "wysłane", "odesláno",
            "odoslané", "skickat", "skickades", "sendt", "lähetetty", "elküldve", "küldve", "trimis", "στάλθηκε",
            "gönderildi", "gönderilme tarihi", "gönderme tarihi", "отправлено", "надіслано", "изпратено",
            "تم الإرسال", "أُرسلت", "נשלח", "ارسال", "发送时间", "已发送", "傳送時間", "寄件日期", "送信日時", "보낸 날짜",
            "đã gửi", "ngày gửi", "dikirim", "poslano", "poslato", "saadetud", "sent at", "date sent", "ส่ง", "nosūtīts", "išsiųsta", "dihantar", "enviat", "भेजा गया", "послато",
            "timestamp sent",
        ],
    ),
    (
        Date,
        &[
            "date", "datum", "fecha", "data", "dato", "dátum", "päivämäärä", "päiväys", "tarih", "ημερομηνία",
            "дата", "התאריך", "תאריך", "التاريخ", "تاريخ", "تاریخ", "日期", "时间", "時間", "日時", "日付", "날짜", "ngày",
            "tanggal", "message du", "kuupäev", "когда", "วันที่", "datums", "दिनांक", "dagsetning",
        ],
    ),
    (
        To,
        &[
            "to", "an", "à", "a", "para", "aan", "do", "til", "till", "vastaanottaja", "címzett", "către", "catre",
            "komu", "кому", "pre", "προς", "до", "אל", "إلى", "الى", "به", "收件人", "收件者", "宛先", "받는 사람", "받는사람",
            "đến", "tới", "kepada", "kime", "alıcı", "adresat", "pour", "destinataire", "destinatario",
            "destinatário", "empfänger", "geadresseerde", "mottagare", "modtager", "mottaker", "prima", "za", "kam",
            "saajad", "per", "ถึง", "adressaat", "प्रति", "за",
        ],
    ),
    (
        Subject,
        &[
            "subject", "betreff", "objet", "sujet", "asunto", "assunto", "oggetto", "onderwerp", "temat", "předmět",
            "predmet", "ämne", "emne", "aihe", "tárgy", "subiect", "konu", "θέμα", "тема", "относно", "הנושא",
            "נושא", "الموضوع", "موضوع", "主题", "主旨", "主題", "件名", "제목", "chủ đề", "tiêu đề", "subjek", "perihal",
            "teema", "efni", "tema", "assumpte", "thema", "เรื่อง", "tēma", "विषय",
        ],
    ),
    (
        Other,
        &[
            "cc", "bcc", "kopie", "kopi", "kopia", "copie", "copie à", "copia", "cópia", "copia per conoscenza",
            "dw", "másolat", "копия", "копія", "抄送", "副本", "참조", "نسخة", "עותק", "reply-to", "reply to",
            "antwort an", "antworten an", "répondre à", "responder a", "risposta", "rispondi a", "attachments",
            "anlagen", "anhänge", "pièces jointes", "adjuntos", "allegati", "anexos", "bijlagen", "importance",
            "wichtigkeit", "priority", "priorität", "importancia", "importância", "priorità", "organization",
            "mailed-by", "signed-by", "resent-from", "via",
        ],
    ),
];

/// "Message" as the heading over a quoted mail names it.
pub const MESSAGE_WORDS: &[&str] = &[
    "message", "nachricht", "mensaje", "messaggio", "mensagem", "bericht", "meddelande", "meddelelse", "besked",
    "melding", "viesti", "wiadomość", "wiadomosc", "zpráva", "správa", "сообщение", "письмо", "повідомлення", "лист",
    "съобщение", "üzenet", "mesaj", "mesajı", "ileti", "μήνυμα", "邮件", "郵件", "信件", "メッセージ", "メール", "메시지", "메일",
    "رسالة", "الرسالة", "הודעה", "پیام", "poruka", "sporočilo", "appointment", "pesan", "original e-mail",
    "original email", "původní e-mail", "correo original", "e-mail original", "email originale",
    "mail original", "mail d'origine", "mail originale", "sõnum", "žinutė", "laišk", "ziņojums", "ข้อความ", "संदेश",
];

/// "Forwarded" in the same headings.
pub const FORWARD_WORDS: &[&str] = &[
    "forwarded", "weitergeleitet", "transféré", "transfere", "réexpédié", "reenviado", "rebotado", "inoltrat",
    "encaminhad", "reencaminhad", "doorgestuurd", "vidarebefordra", "videresend", "viderebrakt", "välitetty",
    "edelleenlähetetty", "przekazan", "přeposlan", "preposlan", "přeposílan", "переслан", "пересыла", "переадрес",
    "препратен", "továbbított", "redirecționat", "transmis", "iletilen", "yönlendirilen", "προωθ", "转发", "轉寄", "転送",
    "전달", "مُعاد توجيه", "שהועברה",
];

/// "Please write above this line", as ticket systems put it over their own text.
pub const ABOVE_THIS_LINE: &[&str] = &[
    "reply above this line", "type your reply above", "write above this line", "reply above the line",
    "reply to this message above", "oberhalb dieser zeile", "über dieser zeile", "au-dessus de cette ligne",
    "por encima de esta línea", "sopra questa riga", "boven deze regel", "acima desta linha",
    "do not write below this line", "do not reply below this line", "nicht unter diese zeile", "ne pas écrire sous cette ligne",
    "выше этой черты", "выше этой линии", "powyżej tej linii", "ovanför den här raden", "over denne linje",
];

/// How a device or an app signs, at the start of the line.
pub const DEVICE_STARTS: &[&str] = &[
    "sent from my", "sent from mail for", "sent from outlook", "sent from yahoo", "sent from proton",
    "sent from samsung", "sent from aol", "sent from gmail", "sent from windows", "sent from a mobile",
    "sent from the", "sent from iphone", "sent from android", "sent from mobile", "sent from blackberry", "sent via",
    "sent using", "sent with", "sent wirelessly", "sent on the move", "sent by mobile", "sent from tutanota",
    "sent from spark", "sent from front", "sent while mobile", "get outlook for", "get bluemail for",
    "download outlook for", "gesendet von", "gesendet mit", "gesendet über", "gesendet aus", "von meinem",
    "von meiner", "diese nachricht wurde von mein", "vom iphone gesendet", "outlook für", "holen sie sich outlook",
    "envoyé de", "envoyé depuis", "envoyé à partir", "envoyé sans fil", "envoyé par", "envoyé avec",
    "obtenir outlook", "obtenez outlook", "télécharger outlook", "enviado desde", "enviado do", "enviado de",
    "enviado a partir", "enviado via", "enviado con", "enviado com", "enviada do", "obter o outlook",
    "obtenga outlook", "obtener outlook", "descargar outlook", "inviato da", "inviato dal", "inviato con",
    "ottieni outlook", "scarica outlook", "verzonden vanaf", "verstuurd vanaf", "verzonden met", "verzonden via",
    "verstuurd via", "outlook voor", "skickat från", "skickades från", "skickat via", "hämta outlook", "sendt fra",
    "sendt via", "hent outlook", "lähetetty", "hanki outlook", "wysłane z", "wysłano z", "pobierz outlook",
    "odesláno z", "odoslané z", "отправлено с", "отправлено из", "надіслано з", "надіслано через", "trimis de pe",
    "στάλθηκε από", "أرسلت من", "أُرسلت من", "تم الإرسال من", "נשלח מ", "发自我的", "đã gửi từ", "được gửi từ",
    "dikirim dari", "dihantar dari", "poslano s", "poslano z", "poslato sa", "изпратено от", "saadetud minu",
    "išsiųsta iš", "nosūtīts no", "enviat des", "sent from proton", "ส่งจาก", "ارسال شده از", "從我的", "發自我的", "来自我的", "來自我的",
    "発信元", "küldve", "sent by", "отправлено через", "enviado por",
];

/// What stands before the name of an app.
pub const APP_STARTS: &[&str] = &[
    "sent from ", "sent with ", "sent via ", "sent using ", "gesendet mit ", "gesendet von ", "gesendet über ", "envoyé avec ",
    "envoyé depuis ", "enviado desde ", "enviado con ", "enviado com ", "enviado via ", "inviato da ", "inviato con ",
    "verzonden met ", "verzonden via ", "skickat från ", "sendt fra ", "wysłano z ", "отправлено из ", "отправлено с ",
    "надіслано з ",
];

/// How a device or an app signs, at the end of the line.
pub const DEVICE_ENDS: &[&str] = &[
    "küldve", "gönderildi", "から送信", "에서 보냄", "傳送", "寄出", "发送", "發送", "mobile device", "my mobile phone", "on the go",
];

/// What such a line names; "Sent via courier yesterday" names none of them.
pub const DEVICES: &[&str] = &[
    "iphon", "ipad", "ipod", "android", "mobil", "handy", "smartphone", "telefon", "telefoon", "téléphone",
    "portable", "teléfono", "móvil", "móvel", "celular", "cellulare", "phone", "blackberry", "samsung", "galaxy",
    "huawei", "xiaomi", "redmi", "nokia", "htc", "sony", "xperia", "oneplus", "pixel", "wiko", "motorola", "outlook",
    "yahoo", "gmail", "gmx", "web.de", "proton", "tutanota", "spark", "bluemail", "superhuman", "airmail",
    "mail app", "mail for", "mail für", "tablet", "windows", "apple", "aol", "front", "zoho", "手机", "手機",
    "スマートフォン", "телефон", "смартфон", "устройств", "айфон", "яндекс", "mail.ru", "hey", "جوال", "هاتف",
];

/// Formal farewells: what follows the name below one is a signature.
pub const FAREWELLS: &[&str] = &[
    "best regards", "kind regards", "kindest regards", "warm regards", "warmest regards", "regards", "best wishes",
    "all the best", "sincerely", "yours sincerely", "yours truly", "yours faithfully", "sincerely yours",
    "many thanks and best regards", "thanks and regards", "mit freundlichen grüßen", "mit freundlichen grüssen",
    "mit freundlichem gruß", "freundliche grüße", "freundliche grüsse", "beste grüße", "viele grüße", "liebe grüße",
    "mfg", "cordialement", "bien cordialement", "bien à vous", "sincères salutations", "meilleures salutations",
    "saludos", "un saludo", "saludos cordiales", "un cordial saludo", "atentamente", "cordiali saluti",
    "distinti saluti", "un cordiale saluto", "atenciosamente", "cumprimentos", "com os melhores cumprimentos",
    "met vriendelijke groet", "met vriendelijke groeten", "vriendelijke groet", "vriendelijke groeten",
    "med vänlig hälsning", "vänliga hälsningar", "med venlig hilsen", "venlig hilsen", "med vennlig hilsen",
    "vennlig hilsen", "ystävällisin terveisin", "pozdrawiam", "z poważaniem", "s pozdravem", "с уважением",
    "з повагою", "üdvözlettel", "saygılarımla",
];

/// How a legal footer begins.
pub const DISCLAIMERS: &[&str] = &[
    "confidentiality notice", "legal notice:", "legal disclaimer", "privileged and confidential", "this e-mail and any", "this email and any",
    "this message and any", "this e-mail is confidential", "this email is confidential", "this message is confidential",
    "this message contains confidential", "this email contains confidential", "this e-mail contains confidential",
    "the information contained in this", "the information in this e", "the contents of this e-mail", "the contents of this email",
    "please consider the environment", "diese e-mail enthält vertraul", "diese e-mail ist vertraulich", "der inhalt dieser e-mail",
    "die informationen in dieser e-mail", "ce message et toutes les pièces", "ce message et ses pièces", "ce courriel et", "ce courriel est confid",
    "este mensaje y sus", "este mensaje contiene información", "este correo electrónico y", "esta mensagem e", "esta mensagem pode conter",
    "il presente messaggio e", "le informazioni contenute in questo", "deze e-mail is vertrouwelijk", "de informatie in dit e-mailbericht",
    "the sender of this email", "настоящее сообщение и",
];
