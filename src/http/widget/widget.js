// The chat a visitor sees: one script, no build step, nothing loaded besides it. It draws itself in a shadow root by
// createElement and textContent, styles itself by a constructed sheet (a strict CSP of the site needs only our host in
// script-src and connect-src), and speaks /widget/v1 with a token of its own. The server decides what a visitor may see
// and when a mail goes out; this decides how that looks and what "reading" means.
(() => {
  "use strict";
  const script = document.currentScript || document.querySelector('script[src*="/widget/v1/widget.js"]');
  const early = window.replyd || {};
  if (!script || early.loaded) return;
  const source = new URL(script.src);
  const api = new URL(".", source).href;
  const inbox = source.searchParams.get("inbox") || "";
  const settings = { ...script.dataset, ...window.replydSettings };

  const IDLE_MS = 180000; // a lit screen without a hand on it is nobody reading
  const SILENCE_MS = 45000; // three heartbeats of the server
  const DWELL_MS = 600; // shorter in view than this is scrolled past, not read
  const BACKGROUND_FEEDS = 2; // a browser opens six connections to a host; hidden tabs may hold this many
  const PAGE_OF_MESSAGES = 40;
  const TEXT_OCTETS_MAX = 32768;

  // ---- Words ---------------------------------------------------------------------------------------------------

  const words = {
    en: {
      title: "Chat with us", sub: "Answers here, and by email if you leave", greeting: "Hello! How can we help?",
      open: "Open chat", close: "Close chat", unread: "unread: {n}", write: "Write a message…", send: "Send",
      attach: "Attach files", remove: "Remove {name}", drop: "Drop files to attach them", limit: "Up to {n} files, {max} together",
      sending: "Sending…", waiting: "Waiting for a connection…", sent: "Sent", seen: "Seen", failed: "Not sent", retry: "Try again", discard: "Discard",
      byMail: "by email", mailed: "We emailed this to {to}", mailing: "On its way by email to {to}",
      mailFailed: "Our email to {to} did not arrive", fixAddress: "Correct the address",
      offline: "No connection. We keep trying.", broken: "Something went wrong. Please try again.",
      askMail: "Where can we reach you if you leave before we answer?", askBetter: "Our email to {email} came back. What is the right address?",
      email: "Email address", save: "Save", notNow: "Not now", saved: "Thank you. If you leave, answers go to {email}.",
      answersTo: "If you leave, answers go to {email}", mailOff: "Answers stay in this chat, no email", change: "Change", addMail: "Add an email address",
      mailSettings: "Answers by email", mailWhy: "When you are away, we email you the answers you have not seen. Your reply to that email arrives here.",
      emailMe: "Email me answers I have not seen", notHere: "This can be changed only where the chat was started.",
      back: "Back", required: "Please fill this in.", badEmail: "Please write it like name@example.com.",
      badPhone: "Please write a phone number.", badValue: "Please check this.", message: "Your message", start: "Start chat", choose: "Please choose",
      optional: "optional", tooBig: "{name} is too large: {max} together at most.", tooMany: "{n} files at most.", empty: "{name} is empty.", tooLong: "This is too long for one message.",
      lost: "The file is gone. Please attach it again.", list: "Your conversations", fresh: "New conversation", untitled: "Conversation",
      resolved: "This conversation is closed. Write to open it again.", typing: "{name} is typing", below: "New messages",
      you: "You", team: "Team", signIn: "Please sign in on this site to chat with us.", expired: "That link no longer works. You can write to us here.", log: "Messages",
    },
    de: {
      title: "Chat mit uns", sub: "Antwort hier oder per E-Mail", greeting: "Hallo! Wie können wir helfen?",
      open: "Chat öffnen", close: "Chat schließen", unread: "ungelesen: {n}", write: "Nachricht schreiben…", send: "Senden",
      attach: "Dateien anhängen", remove: "{name} entfernen", drop: "Dateien hier ablegen", limit: "Bis zu {n} Dateien, zusammen {max}",
      sending: "Wird gesendet…", waiting: "Warten auf Verbindung…", sent: "Gesendet", seen: "Gelesen", failed: "Nicht gesendet", retry: "Noch einmal", discard: "Verwerfen",
      byMail: "per E-Mail", mailed: "Per E-Mail an {to} geschickt", mailing: "Als E-Mail unterwegs an {to}",
      mailFailed: "Unsere E-Mail an {to} kam nicht an", fixAddress: "Adresse berichtigen",
      offline: "Keine Verbindung. Wir versuchen es weiter.", broken: "Das ging schief. Bitte noch einmal versuchen.",
      askMail: "Wo erreichen wir Sie, wenn Sie vor unserer Antwort gehen?", askBetter: "Unsere E-Mail an {email} kam zurück. Wie lautet die richtige Adresse?",
      email: "E-Mail-Adresse", save: "Speichern", notNow: "Jetzt nicht", saved: "Danke. Wenn Sie gehen, kommen Antworten an {email}.",
      answersTo: "Wenn Sie gehen, kommen Antworten an {email}", mailOff: "Antworten nur hier im Chat, keine E-Mail", change: "Ändern", addMail: "E-Mail-Adresse angeben",
      mailSettings: "Antworten per E-Mail", mailWhy: "Sind Sie nicht da, schicken wir Ihnen ungelesene Antworten per E-Mail. Ihre Antwort darauf steht dann hier.",
      emailMe: "Ungelesene Antworten per E-Mail schicken", notHere: "Das lässt sich nur dort ändern, wo der Chat begonnen wurde.",
      back: "Zurück", required: "Bitte ausfüllen.", badEmail: "Bitte in der Form name@example.com.",
      badPhone: "Bitte eine Telefonnummer angeben.", badValue: "Bitte prüfen.", message: "Ihre Nachricht", start: "Chat beginnen", choose: "Bitte wählen",
      optional: "freiwillig", tooBig: "{name} ist zu groß: zusammen höchstens {max}.", tooMany: "Höchstens {n} Dateien.", empty: "{name} ist leer.", tooLong: "Das ist zu lang für eine Nachricht.",
      lost: "Die Datei ist nicht mehr da. Bitte noch einmal anhängen.", list: "Ihre Unterhaltungen", fresh: "Neue Unterhaltung", untitled: "Unterhaltung",
      resolved: "Diese Unterhaltung ist geschlossen. Schreiben Sie, um sie wieder zu öffnen.", typing: "{name} schreibt", below: "Neue Nachrichten",
      you: "Sie", team: "Team", signIn: "Bitte melden Sie sich auf dieser Seite an, um zu chatten.", expired: "Der Link gilt nicht mehr. Sie können uns hier schreiben.", log: "Nachrichten",
    },
    fr: {
      title: "Discutons", sub: "Réponse ici, et par e-mail si vous partez", greeting: "Bonjour ! Comment pouvons-nous vous aider ?",
      open: "Ouvrir le chat", close: "Fermer le chat", unread: "non lus : {n}", write: "Écrire un message…", send: "Envoyer",
      attach: "Joindre des fichiers", remove: "Retirer {name}", drop: "Déposez les fichiers ici", limit: "Jusqu’à {n} fichiers, {max} en tout",
      sending: "Envoi…", waiting: "En attente de connexion…", sent: "Envoyé", seen: "Vu", failed: "Non envoyé", retry: "Réessayer", discard: "Supprimer",
      byMail: "par e-mail", mailed: "Envoyé par e-mail à {to}", mailing: "E-mail en route vers {to}",
      mailFailed: "Notre e-mail à {to} n’est pas arrivé", fixAddress: "Corriger l’adresse",
      offline: "Pas de connexion. Nous réessayons.", broken: "Un problème est survenu. Veuillez réessayer.",
      askMail: "Où vous joindre si vous partez avant notre réponse ?", askBetter: "Notre e-mail à {email} nous est revenu. Quelle est la bonne adresse ?",
      email: "Adresse e-mail", save: "Enregistrer", notNow: "Pas maintenant", saved: "Merci. Si vous partez, les réponses iront à {email}.",
      answersTo: "Si vous partez, les réponses vont à {email}", mailOff: "Réponses dans ce chat seulement, sans e-mail", change: "Modifier", addMail: "Ajouter une adresse e-mail",
      mailSettings: "Réponses par e-mail", mailWhy: "En votre absence, nous vous envoyons par e-mail les réponses non lues. Votre réponse à cet e-mail arrive ici.",
      emailMe: "M’envoyer les réponses non lues", notHere: "Modifiable seulement là où le chat a commencé.",
      back: "Retour", required: "Veuillez remplir ce champ.", badEmail: "Écrivez-la comme nom@example.com.",
      badPhone: "Indiquez un numéro de téléphone.", badValue: "Veuillez vérifier.", message: "Votre message", start: "Commencer", choose: "Choisissez",
      optional: "facultatif", tooBig: "{name} est trop volumineux : {max} en tout au maximum.", tooMany: "{n} fichiers au maximum.", empty: "{name} est vide.", tooLong: "C’est trop long pour un message.",
      lost: "Le fichier n’est plus là. Joignez-le de nouveau.", list: "Vos conversations", fresh: "Nouvelle conversation", untitled: "Conversation",
      resolved: "Cette conversation est close. Écrivez pour la rouvrir.", typing: "{name} écrit", below: "Nouveaux messages",
      you: "Vous", team: "Équipe", signIn: "Connectez-vous sur ce site pour discuter avec nous.", expired: "Ce lien n’est plus valable. Vous pouvez nous écrire ici.", log: "Messages",
    },
    es: {
      title: "Hable con nosotros", sub: "Respuesta aquí, y por correo si se va", greeting: "¡Hola! ¿En qué podemos ayudar?",
      open: "Abrir el chat", close: "Cerrar el chat", unread: "sin leer: {n}", write: "Escriba un mensaje…", send: "Enviar",
      attach: "Adjuntar archivos", remove: "Quitar {name}", drop: "Suelte los archivos aquí", limit: "Hasta {n} archivos, {max} en total",
      sending: "Enviando…", waiting: "Esperando conexión…", sent: "Enviado", seen: "Visto", failed: "No enviado", retry: "Reintentar", discard: "Descartar",
      byMail: "por correo", mailed: "Enviado por correo a {to}", mailing: "En camino por correo a {to}",
      mailFailed: "Nuestro correo a {to} no llegó", fixAddress: "Corregir la dirección",
      offline: "Sin conexión. Seguimos intentándolo.", broken: "Algo salió mal. Inténtelo de nuevo.",
      askMail: "¿Dónde le respondemos si se va antes?", askBetter: "Nuestro correo a {email} fue devuelto. ¿Cuál es la dirección correcta?",
      email: "Correo electrónico", save: "Guardar", notNow: "Ahora no", saved: "Gracias. Si se va, las respuestas irán a {email}.",
      answersTo: "Si se va, las respuestas van a {email}", mailOff: "Respuestas solo en este chat, sin correo", change: "Cambiar", addMail: "Añadir un correo",
      mailSettings: "Respuestas por correo", mailWhy: "Cuando no está, le enviamos por correo las respuestas que no ha visto. Lo que responda a ese correo llega aquí.",
      emailMe: "Enviarme las respuestas que no he visto", notHere: "Solo se puede cambiar donde se inició el chat.",
      back: "Volver", required: "Rellene este campo.", badEmail: "Escríbalo como nombre@example.com.",
      badPhone: "Escriba un número de teléfono.", badValue: "Revise este campo.", message: "Su mensaje", start: "Iniciar chat", choose: "Elija una opción",
      optional: "opcional", tooBig: "{name} es demasiado grande: {max} en total como máximo.", tooMany: "{n} archivos como máximo.", empty: "{name} está vacío.", tooLong: "Es demasiado largo para un mensaje.",
      lost: "El archivo ya no está. Adjúntelo de nuevo.", list: "Sus conversaciones", fresh: "Nueva conversación", untitled: "Conversación",
      resolved: "Esta conversación está cerrada. Escriba para reabrirla.", typing: "{name} está escribiendo", below: "Mensajes nuevos",
      you: "Usted", team: "Equipo", signIn: "Inicie sesión en este sitio para hablar con nosotros.", expired: "Ese enlace ya no vale. Puede escribirnos aquí.", log: "Mensajes",
    },
    ar: {
      title: "تحدّث معنا", sub: "نردّ هنا، وبالبريد إن غادرت", greeting: "مرحبًا! كيف يمكننا المساعدة؟",
      open: "افتح المحادثة", close: "أغلق المحادثة", unread: "غير مقروءة: {n}", write: "اكتب رسالة…", send: "إرسال",
      attach: "إرفاق ملفات", remove: "إزالة {name}", drop: "أفلت الملفات هنا", limit: "حتى {n} ملفات، {max} معًا",
      sending: "جارٍ الإرسال…", waiting: "بانتظار الاتصال…", sent: "أُرسلت", seen: "شوهدت", failed: "لم تُرسل", retry: "حاول مجددًا", discard: "تجاهل",
      byMail: "بالبريد", mailed: "أرسلناها بالبريد إلى {to}", mailing: "في الطريق بالبريد إلى {to}",
      mailFailed: "لم يصل بريدنا إلى {to}", fixAddress: "صحّح العنوان",
      offline: "لا يوجد اتصال. نواصل المحاولة.", broken: "حدث خطأ. حاول مجددًا.",
      askMail: "أين نراسلك إن غادرت قبل أن نردّ؟", askBetter: "عاد إلينا بريدنا إلى {email}. ما العنوان الصحيح؟",
      email: "البريد الإلكتروني", save: "حفظ", notNow: "ليس الآن", saved: "شكرًا. إن غادرت فستصل الردود إلى {email}.",
      answersTo: "إن غادرت تصل الردود إلى {email}", mailOff: "الردود في هذه المحادثة فقط", change: "تغيير", addMail: "أضف بريدًا إلكترونيًا",
      mailSettings: "الردود بالبريد", mailWhy: "عند غيابك نرسل إليك بالبريد الردود التي لم ترها، وما تجيب به يصل إلى هنا.",
      emailMe: "أرسلوا إليّ الردود التي لم أرها", notHere: "لا يمكن تغيير هذا إلا حيث بدأت المحادثة.",
      back: "رجوع", required: "يرجى ملء هذا الحقل.", badEmail: "اكتبه مثل name@example.com.",
      badPhone: "اكتب رقم هاتف.", badValue: "يرجى التحقق.", message: "رسالتك", start: "ابدأ المحادثة", choose: "اختر",
      optional: "اختياري", tooBig: "{name} كبير جدًا: الحد {max} معًا.", tooMany: "{n} ملفات كحد أقصى.", empty: "{name} فارغ.", tooLong: "هذا أطول من أن يكون رسالة واحدة.",
      lost: "لم يعد الملف موجودًا. أرفقه مجددًا.", list: "محادثاتك", fresh: "محادثة جديدة", untitled: "محادثة",
      resolved: "أُغلقت هذه المحادثة. اكتب لفتحها من جديد.", typing: "{name} يكتب", below: "رسائل جديدة",
      you: "أنت", team: "الفريق", signIn: "سجّل الدخول إلى الموقع للتحدث معنا.", expired: "لم يعد هذا الرابط صالحًا. يمكنك مراسلتنا هنا.", log: "الرسائل",
    },
  };
  let language = "en";

  function chooseLanguage() {
    const wanted = [settings.language, document.documentElement.lang, ...(navigator.languages || []), config.language];
    const own = (tag) => words[tag] || settings.texts?.[tag] || config.texts?.[tag];
    const found = wanted.map((tag) => String(tag || "").toLowerCase()).flatMap((tag) => [tag, tag.split("-")[0]]).find((tag) => tag && own(tag));
    language = found || "en";
  }

  function t(key, values = {}) {
    const shipped = words[language] || words[language.split("-")[0]];
    const places = [settings.texts?.[language], settings.texts, config?.texts?.[language], config?.texts, shipped, words.en];
    const text = places.map((place) => place?.[key]).find((found) => typeof found === "string") || key;
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  }

  const size = (bytes) => {
    const [amount, unit] = bytes >= 1048576 ? [bytes / 1048576, "megabyte"] : [Math.max(bytes / 1024, 0.1), "kilobyte"];
    return new Intl.NumberFormat(language, { style: "unit", unit, maximumFractionDigits: amount < 10 ? 1 : 0 }).format(amount);
  };
  const clock = (at) => new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" }).format(new Date(at));

  function day(at) {
    const midnight = (moment) => new Date(moment).setHours(0, 0, 0, 0);
    const ago = Math.round((midnight(Date.now()) - midnight(at)) / 86400000);
    if (ago < 2) return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-ago, "day");
    return new Intl.DateTimeFormat(language, { day: "numeric", month: "long", ...(ago > 300 && { year: "numeric" }) }).format(new Date(at));
  }

  // ---- What outlives the page ------------------------------------------------------------------------------------

  // `lasting` is shared by the tabs of a site; `passing` is this tab's alone: what is open, and a borrowed token.
  const slot = "replyd:" + api + inbox;
  const memory = {};

  function storage(area) {
    const read = () => {
      try {
        return JSON.parse(window[area].getItem(slot)) || {};
      } catch {
        return memory[area] || {};
      }
    };
    const write = (changes) => {
      const next = { ...read(), ...changes };
      memory[area] = next;
      try {
        window[area].setItem(slot, JSON.stringify(next));
      } catch {
        /* private windows refuse storage: the chat then lives as long as the page */
      }
    };
    return { read, write };
  }
  const lasting = storage("localStorage"), passing = storage("sessionStorage");
  const token = () => passing.read().token || lasting.read().token;

  // Files that wait to be sent are too large for localStorage.
  function shelf(work) {
    return new Promise((done) => {
      try {
        const asked = indexedDB.open("replyd", 1);
        asked.onupgradeneeded = () => asked.result.createObjectStore("files");
        asked.onerror = () => done();
        asked.onsuccess = () => {
          const got = work(asked.result.transaction("files", "readwrite").objectStore("files"));
          got.onsuccess = got.onerror = () => {
            asked.result.close();
            done(got.result);
          };
        };
      } catch {
        done();
      }
    });
  }

  // Only one tab sends, only one makes a visitor: the others wait their turn.
  const alone = (name, work) => (navigator.locks ? navigator.locks.request(slot + ":" + name, work) : work());

  function randomKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // ---- State -------------------------------------------------------------------------------------------------------

  let config = null;
  let visitor = null;
  let conversation = null; // {id, status, mail, unread}; null: the next message starts one
  let conversations = [];
  let messages = [];
  let complete = false; // nothing older is on the server
  let loaded = false; // `messages` holds the newest page
  let identity = null;
  let opened = false;
  let view = "chat"; // chat | list | mail
  let linked = true; // the live feed runs, or none is needed
  let note = ""; // one sentence over the composer
  let typist = null;
  let files = [];
  let sending = null;
  const tab = randomKey();
  const blobs = new Map();
  const listeners = {};

  const outbox = () => lasting.read().outbox || [];
  const saveOutbox = (entries) => lasting.write({ outbox: entries });
  const emit = (event, detail) => {
    for (const listener of listeners[event] || []) {
      try {
        listener(detail);
      } catch (error) {
        console.error(error); // the site's mistake must not stop the chat
      }
    }
  };
  const complain = (code, message) => {
    console.warn(`replyd: ${message}`);
    emit("error", { code, message });
  };
  const fromUs = (message) => message.author.kind === "agent" || message.author.kind === "participant";
  const fresh = (message) => fromUs(message) && !message.seen_at;
  const page = () => (settings.layout === "page" ? undefined : location.href.slice(0, 2000)); // our own page is none to come back to

  // ---- Calls -------------------------------------------------------------------------------------------------------

  class Refusal extends Error {
    constructor(status, error, retryAfter) {
      super(error.message || "no answer");
      Object.assign(this, { status, code: error.code || "unreachable", fields: error.fields, retryAfter });
    }
  }

  async function ask(method, path, body, { signal, accept, patience = 20000, keepalive, lastEvent } = {}) {
    const headers = { accept: accept || "application/json" };
    if (body) headers["content-type"] = "application/json";
    if (token() && path !== "visitors" && !path.startsWith("config")) headers.authorization = `Bearer ${token()}`;
    if (lastEvent) headers["last-event-id"] = lastEvent;
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), patience);
    signal?.addEventListener("abort", () => control.abort());
    let answer;
    try {
      answer = await fetch(api + path, {
        method, headers, keepalive, signal: control.signal, body: body && JSON.stringify(body),
        credentials: "omit", cache: path.startsWith("config") ? "default" : "no-store",
      });
      if (answer.ok) return accept ? answer : answer.status === 204 ? null : await answer.json();
    } catch {
      throw new Refusal(0, {});
    } finally {
      clearTimeout(timer);
    }
    const said = await answer.json().catch(() => ({}));
    throw new Refusal(answer.status, said.error || {}, Number(answer.headers.get("retry-after")) || 0);
  }

  const query = (values) => "?" + new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  const passes = (refusal) => [0, 408, 425, 429].includes(refusal.status) || refusal.status >= 500;

  // Full jitter: after a restart of the server not every tab of every site comes back in the same second.
  const jitter = (ms) => (0.3 + 0.7 * Math.random()) * ms;
  const delay = (failures, refusal) => Math.max((refusal?.retryAfter || 0) * 1000, jitter(Math.min(60000, 1000 * 2 ** failures)));
  const sleepers = new Set();
  const wake = () => sleepers.forEach((rise) => rise());
  const pause = (ms) => new Promise((rise) => {
    const done = () => (clearTimeout(timer), sleepers.delete(done), rise());
    const timer = setTimeout(done, ms);
    sleepers.add(done);
  });

  // ---- Who is here -------------------------------------------------------------------------------------------------

  const ensureVisitor = () => alone("visitor", async () => {
    if (token()) return;
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const answer = await ask("POST", "visitors", { inbox, identity: identity || undefined, language, time_zone: zone, page: page() });
    lasting.write({ token: answer.token, identity: identity && JSON.stringify(identity) });
    visitor = answer.visitor;
  });

  async function setUser(identifier, { email, name, identifier_hash } = {}) {
    identity = { identifier: String(identifier), identifier_hash, email, name };
    const known = lasting.read();
    if (token() && known.identity === JSON.stringify(identity)) return;
    try {
      if (!token()) {
        await ensureVisitor();
        await refresh();
        return;
      }
      const answer = await ask("POST", "identity", identity);
      if (answer.token && answer.token !== token()) {
        forget();
        lasting.write({ token: answer.token });
      }
      lasting.write({ identity: JSON.stringify(identity) });
      visitor = answer.visitor;
      await refresh();
    } catch (refusal) {
      if (passes(refusal)) return void pause(delay(2, refusal)).then(() => identity && setUser(identifier, { email, name, identifier_hash }));
      identity = null;
      complain(refusal.code, `setUser was refused: ${refusal.message}`);
      draw();
    }
  }

  // Everything of the visitor leaves this browser, also what waits to be sent: the next one at this keyboard is another.
  function forget() {
    for (const entry of outbox()) shelf((store) => store.delete(entry.key));
    lasting.write({ token: null, identity: null, outbox: [], asked: null });
    passing.write({ token: null, conversation: null, draft: "", dismissed: null });
    leave();
    visitor = null;
    conversations = [];
    area.value = "";
    files = [];
    note = "";
    view = "chat";
    draw();
  }

  // The server does not know the token any more. What the visitor wrote still goes out, as a new conversation.
  function expire() {
    const kept = outbox().map((waiting) => ({ ...waiting, conversation: null }));
    lasting.write({ token: null, identity: null, outbox: kept });
    passing.write({ token: null, conversation: null });
    leave();
    visitor = null;
    conversations = [];
    if (identity) setUser(identity.identifier, identity);
    draw();
  }

  function leave() {
    disconnect();
    conversation = null;
    messages = [];
    lastEvent = null;
    loaded = complete = false;
    typist = null;
    inView.clear();
  }

  async function refresh() {
    if (!token()) return;
    const state = await ask("GET", "state" + query({ conversation: conversation?.id || passing.read().conversation }));
    visitor = state.visitor;
    conversations = state.conversations || [];
    const starting = !conversation && !passing.read().fresh;
    if (state.conversation && (starting || state.conversation.id === conversation?.id)) conversation = { ...conversation, ...state.conversation };
    lastEvent ||= state.last_event_id;
    if (conversation && !feed) connect();
    if (conversation && !loaded && (opened || conversation.unread)) await load();
    draw();
  }

  async function load() {
    const id = conversation.id;
    const answer = await ask("GET", "messages" + query({ conversation: id, limit: PAGE_OF_MESSAGES }));
    if (conversation?.id !== id) return;
    const late = messages.filter((message) => message.heard && !answer.items.some((known) => known.id === message.id));
    messages = [...answer.items, ...late];
    complete = !answer.more;
    loaded = true;
    draw();
  }

  let reaching = false;
  async function loadOlder() {
    if (reaching || complete || !loaded || !messages.length) return;
    reaching = true;
    const id = conversation.id;
    try {
      const answer = await ask("GET", "messages" + query({ conversation: id, before: messages[0].id, limit: PAGE_OF_MESSAGES }));
      if (conversation?.id !== id) return;
      const fromEnd = log.scrollHeight - log.scrollTop;
      messages = [...answer.items, ...messages];
      complete = !answer.more;
      drawNow();
      log.scrollTop = log.scrollHeight - fromEnd;
    } catch {
      /* asked again at the next scroll */
    } finally {
      reaching = false;
    }
  }

  async function choose(id) {
    leave();
    passing.write({ conversation: id, fresh: !id });
    view = "chat";
    if (id) {
      conversation = { id };
      follow = true;
      await refresh().catch(() => {});
      if (!loaded) load().catch(() => {});
    }
    drawNow();
    focusInside();
  }

  // ---- Live --------------------------------------------------------------------------------------------------------

  let feed = null; // what stops the running feed for good
  let current = null; // what cuts its connection, so that it comes again
  let lastEvent = null;
  let lastByte = 0;

  function disconnect() {
    feed?.abort();
    current?.abort();
    feed = current = null;
    told = null;
    linked = true;
  }

  async function connect() {
    disconnect();
    const mine = (feed = new AbortController());
    for (let failures = 0; !mine.signal.aborted; failures += 1) {
      const began = Date.now();
      let refusal;
      try {
        await place(mine.signal);
        if (mine.signal.aborted) return;
        await listen();
      } catch (error) {
        refusal = error;
      }
      told = null;
      if (mine.signal.aborted) return;
      if (refusal?.status === 401) return expire();
      if (refusal?.status === 404) {
        leave();
        passing.write({ conversation: null });
        return void refresh().catch(() => {});
      }
      if (Date.now() - began > 10000) failures = 0;
      else if (failures) setLinked(false);
      await pause(delay(failures, refusal));
    }
  }

  // Hidden tabs share a few places, or the seventh tab of a shop could not send: browsers open six connections to a host.
  const parked = () => document.visibilityState === "hidden" && navigator.locks;
  const shown = new EventTarget();
  let freePlace = null;

  // What gives the place back; nothing if it is taken.
  const take = (number, options) => new Promise((got) => {
    const hold = (lock) => (lock ? new Promise((free) => got(free)) : got(null));
    navigator.locks.request(`${slot}:feed${number}`, options, hold).catch(() => got(null));
  });

  function leavePlace() {
    freePlace?.();
    freePlace = null;
  }

  async function takePlace() {
    for (let number = 0; number < BACKGROUND_FEEDS && !freePlace; number += 1) freePlace = await take(number, { ifAvailable: true });
    return freePlace;
  }

  async function place(signal) {
    leavePlace();
    if (!parked() || (await takePlace())) return;
    const stop = new AbortController();
    const end = () => stop.abort();
    signal.addEventListener("abort", end);
    shown.addEventListener("shown", end, { once: true });
    freePlace = await take(Math.floor(Math.random() * BACKGROUND_FEEDS), { signal: stop.signal });
  }

  async function listen() {
    const control = (current = new AbortController());
    const answer = await ask("GET", "events" + query({ conversation: conversation.id, tab }), null, { signal: control.signal, accept: "text/event-stream", lastEvent });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    lastByte = Date.now();
    setLinked(true);
    if (!loaded && opened) renew();
    present();
    flush();
    let rest = "", event = {};
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      lastByte = Date.now();
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) event = read(event, line);
    }
  }

  // One line of text/event-stream; a blank one ends the event.
  function read(event, line) {
    if (line) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) || [];
      if (name === "data") event.data = event.data === undefined ? value : event.data + "\n" + value;
      else if (name === "event" || name === "id") event[name] = value;
      return event;
    }
    if (event.id) lastEvent = event.id;
    if (event.event || event.data) {
      try {
        heard(event.event || "message", JSON.parse(event.data || "{}"));
      } catch (error) {
        complain("event", String(error));
      }
    }
    return {};
  }

  function heard(kind, data) {
    if (kind === "message" || kind === "message_changed") {
      const message = { ...(data.message || data), heard: Date.now() };
      if (!complete && messages.length && message.created_at < messages[0].created_at) return; // it stands on a page not read yet
      const news = put(message) && kind === "message";
      if (news && fromUs(message)) {
        typist = null;
        if (!loaded) conversation.unread = (conversation.unread || 0) + 1;
        emit("message", { message: data.message || data });
      }
    } else if (kind === "typing") typing(data);
    else if (kind === "conversation") {
      Object.assign(conversation, data.conversation || data);
      if (data.visitor) visitor = data.visitor;
      else renew();
    } else if (kind === "reset") {
      lastEvent = null;
      loaded = false;
      renew();
    }
    draw();
  }

  let renewing = 0;
  function renew() {
    clearTimeout(renewing);
    renewing = setTimeout(() => refresh().catch(() => {}), 300);
  }

  function put(message) {
    const at = messages.findIndex((known) => known.id === message.id);
    if (at >= 0) messages[at] = message;
    else {
      messages.push(message);
      messages.sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0));
    }
    return at < 0;
  }

  let typingEnds = 0;
  function typing(data) {
    const on = data.typing !== false && data.who !== "contact";
    typist = on ? data.name || t("team") : null;
    clearTimeout(typingEnds);
    if (on) typingEnds = setTimeout(() => ((typist = null), draw()), 12000);
  }

  function setLinked(now) {
    if (linked === now) return;
    linked = now;
    draw();
  }

  // ---- Presence and seen -------------------------------------------------------------------------------------------

  let told = null; // what the server knows of this tab on this connection
  let touched = Date.now();
  const inView = new Map(); // ids of messages whose end is on the screen, and since when
  const sight = new IntersectionObserver((changes) => {
    for (const change of changes) {
      if (change.isIntersecting) inView.set(change.target.dataset.id, Date.now());
      else inView.delete(change.target.dataset.id);
    }
    present();
  });

  // Visible: the page is on the screen and somebody moves. Reading: this window has the focus, the chat is open and the
  // end of a message stands in it.
  function presence() {
    if (document.visibilityState !== "visible" || Date.now() - touched > IDLE_MS) return "connected";
    const reads = opened && view === "chat" && document.hasFocus() && (inView.size > 0 || !messages.some(fromUs));
    return reads ? "reading" : "visible";
  }

  let dwelling = 0, telling = 0;
  function present() {
    if (!conversation || !feed || !lastByte) return;
    clearTimeout(telling);
    telling = setTimeout(tell, 300); // a redrawn message is out of view for a moment
    dwelling ||= setTimeout(() => ((dwelling = 0), markSeen()), DWELL_MS);
  }

  function tell() {
    // Whoever looks says so every minute: a computer that fell asleep says nothing, and the server takes that for nobody.
    const state = presence(), now = state + page() + (state !== "connected" && Math.floor(Date.now() / 60000));
    if (told === now || !linked || !feed || !conversation) return;
    told = now;
    ask("POST", "presence", { conversation: conversation.id, tab, state, page: page() }).catch(() => (told = null));
  }

  function markSeen() {
    if (!conversation || presence() !== "reading") return;
    const there = messages.filter((message) => inView.has(message.id) && fresh(message));
    const unseen = there.filter(({ id }) => Date.now() - inView.get(id) >= DWELL_MS);
    if (there.length > unseen.length) present(); // again
    if (!unseen.length) return;
    const now = new Date().toISOString();
    for (const message of unseen) message.seen_at = now;
    ask("POST", "seen", { conversation: conversation.id, ids: unseen.map(({ id }) => id) }).catch(() => {
      for (const message of unseen) message.seen_at = null; // told again at the next sign of life
    });
    draw();
  }

  const unread = () => (loaded ? messages.filter(fresh).length : conversation?.unread || 0);

  let saidTyping = 0, quiet = 0;
  function typed() {
    passing.write({ draft: area.value });
    if (!conversation) return;
    clearTimeout(quiet);
    if (!area.value) return stopTyping();
    quiet = setTimeout(stopTyping, 5000);
    if (Date.now() - saidTyping < 5000) return;
    saidTyping = Date.now();
    ask("POST", "typing", { conversation: conversation.id, typing: true }).catch(() => {});
  }

  function stopTyping() {
    clearTimeout(quiet);
    if (!saidTyping || !conversation) return;
    saidTyping = 0;
    ask("POST", "typing", { conversation: conversation.id, typing: false }).catch(() => {});
  }

  // ---- Sending -----------------------------------------------------------------------------------------------------

  function post(text, chosen, more) {
    const entry = {
      key: randomKey(), conversation: conversation?.id || null, text, at: new Date().toISOString(),
      fresh: !conversation && passing.read().fresh ? "new" : undefined,
      files: chosen.map(({ name, type, size: octets }) => ({ name, type, size: octets })), ...more,
    };
    if (chosen.length) {
      blobs.set(entry.key, chosen);
      shelf((store) => store.put(chosen, entry.key));
    }
    saveOutbox([...outbox(), entry]);
    follow = true;
    note = "";
    draw();
    flush();
    return entry.key;
  }

  let flushing = false;
  async function flush() {
    if (flushing || !outbox().some((entry) => !entry.failed)) return;
    flushing = true;
    try {
      await alone("outbox", async () => {
        for (let failures = 0; ; ) {
          const entry = outbox().find((waiting) => !waiting.failed);
          if (!entry) return;
          failures = (await deliver(entry, failures)) ? 0 : failures + 1;
        }
      });
    } finally {
      flushing = false;
      draw();
    }
  }

  async function deliver(entry, failures) {
    sending = entry.key;
    draw();
    try {
      await ensureVisitor();
      const body = {
        conversation: entry.conversation || conversation?.id || entry.fresh, text: entry.text, idempotency_key: entry.key, page: page(),
        fields: entry.fields, email: entry.email, name: entry.name,
      };
      if (entry.files.length) body.attachments = await encoded(entry);
      sent(entry, await ask("POST", "messages", body, { patience: entry.files.length ? 180000 : 20000 }));
      return true;
    } catch (refusal) {
      return refused(entry, refusal, failures);
    } finally {
      sending = null;
    }
  }

  function sent(entry, { conversation_id, message }) {
    removeEntry(entry.key);
    if (!conversation && !entry.conversation) {
      conversation = { id: conversation_id, status: "open", mail: "on" };
      passing.write({ conversation: conversation_id, fresh: false });
      refresh().catch(() => {});
    }
    if (conversation?.id === conversation_id) put(message);
    if (conversation?.status === "resolved") renew();
    setLinked(true);
    draw();
  }

  async function refused(entry, refusal, failures) {
    if (refusal.status === 401 && token() && refusal.code !== "identity_required") {
      expire();
      return failures < 3 ? false : fail(entry, refusal);
    }
    if (!passes(refusal)) return fail(entry, refusal);
    setLinked(refusal.status !== 0);
    sending = null;
    draw();
    await pause(delay(failures, refusal));
    return false;
  }

  function fail(entry, refusal) {
    const fields = refusal.fields || (refusal.field && { [refusal.field]: refusal.message });
    saveOutbox(outbox().map((waiting) => (waiting.key === entry.key ? { ...waiting, failed: refusal.message || t("broken"), refused: fields } : waiting)));
    complain(refusal.code, `a message was refused: ${refusal.message}`);
    return true;
  }

  function removeEntry(key) {
    saveOutbox(outbox().filter((entry) => entry.key !== key));
    blobs.delete(key);
    shelf((store) => store.delete(key));
  }

  function retry(key) {
    saveOutbox(outbox().map((entry) => (entry.key === key ? { ...entry, failed: undefined, refused: undefined } : entry)));
    draw();
    flush();
  }

  async function encoded(entry) {
    const kept = blobs.get(entry.key) || (await shelf((store) => store.get(entry.key)));
    if (!kept) throw Object.assign(new Error(t("lost")), { status: 400, code: "file_lost" });
    return Promise.all(kept.map(async (file) => ({ name: file.name, type: file.type || "application/octet-stream", content: await base64(file) })));
  }

  const base64 = (blob) => new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(Object.assign(new Error(t("lost")), { status: 400, code: "file_lost" }));
    reader.readAsDataURL(blob);
  });

  // The server counts octets, of which a Chinese letter has three.
  const tooLong = (text) => new TextEncoder().encode(text).length > TEXT_OCTETS_MAX;

  function addFiles(list) {
    note = "";
    for (const file of list) {
      if (files.length >= config.attachments_max) note = t("tooMany", { n: config.attachments_max });
      else if (files.reduce((sum, other) => sum + other.size, file.size) > config.attachment_max) note = t("tooBig", { name: file.name, max: size(config.attachment_max) });
      else if (!file.size) note = t("empty", { name: file.name });
      else files.push(file);
    }
    draw();
    if (files.length) focusInside();
  }

  // ---- The visitor's address -----------------------------------------------------------------------------------------

  // Who came by a link from a mail is shown a shortened address and may change nothing of it.
  const borrowed = () => visitor?.email?.includes("…");
  const plausible = (email) => /^[^\s@<>,;:"()]{1,64}@[^\s@<>,;:"()]{1,190}\.[^\s@.<>,;:"()]{2,63}$/.test(email);

  async function saveContact(changes) {
    const answer = await ask("PATCH", "contact", { conversation: conversation?.id, ...changes });
    visitor = answer.visitor;
    if (changes.mail && conversation) conversation.mail = changes.mail;
    draw();
  }

  // ---- Elements ------------------------------------------------------------------------------------------------------

  function make(tag, properties = {}, ...inside) {
    const [name, ...classes] = tag.split(".");
    const element = document.createElement(name);
    if (classes.length) element.className = classes.join(" ");
    for (const [key, value] of Object.entries(properties)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null) element.setAttribute(key, value);
    }
    element.append(...inside.filter((part) => part != null && part !== false && part !== ""));
    return element;
  }

  const shapes = {
    chat: "M12 3.5c5 0 9 3.3 9 7.6s-4 7.6-9 7.6c-1 0-2-.1-2.9-.4L4.6 20.5l1.1-3.7C4 15.4 3 13.4 3 11.1 3 6.8 7 3.5 12 3.5Z",
    down: "m6 9.5 6 6 6-6", close: "M6.5 6.5l11 11m0-11-11 11", back: "M14.5 6l-6 6 6 6", send: "M12 19V5.5m-6 6 6-6 6 6",
    clip: "m19.5 11.5-7.3 7.3a4.7 4.7 0 0 1-6.7-6.7l7.4-7.3a3.1 3.1 0 0 1 4.4 4.4l-7.3 7.3a1.6 1.6 0 0 1-2.2-2.2l6.7-6.7",
    mail: "M4 6.5h16v11H4zm0 .5 8 6.5L20 7",
    file: "M13.5 3.5H7v17h10.5v-13zm0 0v4h4", list: "M5 7h14M5 12h14M5 17h9", alert: "M12 8v5m0 3.2v.1M12 3.5 21.5 20h-19z",
  };

  function icon(name) {
    const draws = (tag, properties) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
      return element;
    };
    const svg = draws("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: `icon is-${name}` });
    svg.append(draws("path", { d: shapes[name] }));
    return svg;
  }

  const button = (tag, label, onclick, ...inside) => make("button" + tag, { type: "button", "aria-label": inside.length ? label : null, onclick }, ...(inside.length ? inside : [label]));

  // Text as the person wrote it, with addresses made links; any other scheme stays text.
  function withLinks(text) {
    const parts = [];
    let end = 0;
    for (const found of text.matchAll(/\bhttps?:\/\/[^\s<>"]{1,2000}|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/gi)) {
      const whole = found[0].replace(/[.,;:!?'’”»]+$|\)+[.,;:!?]*$/, (tail) => (tail[0] === ")" && found[0].includes("(") ? ")" : ""));
      const target = safeLink(/^https?:/i.test(whole) ? whole : "mailto:" + whole);
      if (!target) continue;
      parts.push(text.slice(end, found.index), make("a", { href: target, target: "_blank", rel: "noopener noreferrer nofollow" }, whole));
      end = found.index + whole.length;
    }
    return [...parts, text.slice(end)];
  }

  function safeLink(address) {
    try {
      const url = new URL(address, api);
      return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
    } catch {
      return null;
    }
  }

  // Puts exactly these children in place and moves as few as it can: what a live region keeps is not read out twice.
  function arrange(parent, wanted) {
    const staying = new Set(wanted);
    for (const child of [...parent.childNodes]) if (!staying.has(child)) child.remove();
    wanted.forEach((child, index) => {
      if (parent.childNodes[index] !== child) parent.insertBefore(child, parent.childNodes[index] || null);
    });
  }

  // ---- The frame -----------------------------------------------------------------------------------------------------

  const host = document.createElement("replyd-chat");
  const shadow = host.attachShadow({ mode: "open" });
  const root = make("div.root");
  const area = make("textarea", { rows: 1 });
  const picker = make("input", { type: "file", multiple: true, hidden: true, tabindex: -1 });
  const log = make("div.log", { role: "log", tabindex: 0 });
  const paint = new CSSStyleSheet();
  let launcher, badge, preview, panel, head, titles, banner, body, other, pill, composer, chips, noteLine, sendButton, mailLine, live;
  let follow = true, passed = null;

  function build() {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    paint.replaceSync(":host{}");
    shadow.adoptedStyleSheets = [sheet, paint];
    badge = make("span.badge", { "aria-hidden": "true" });
    launcher = button(".launcher", t("open"), toggle, icon("chat"), icon("down"), badge);
    launcher.setAttribute("aria-haspopup", "dialog");
    preview = make("div.preview", { role: "status" });
    head = make("header.head");
    banner = make("p.banner", { role: "status" });
    other = make("div.page");
    pill = button(".pill", t("below"), toEnd, make("span", {}, t("below")), icon("down"));
    body = make("div.body", {}, log, other, pill, make("div.dropping", { "aria-hidden": "true" }, t("drop")));
    live = make("p.hear", { role: "status" });
    panel = make("section.panel", { role: "dialog", "aria-label": title(), tabindex: -1 }, head, banner, body, buildComposer(), live);
    root.append(preview, panel, launcher);
    root.lang = language;
    root.dir = /^(ar|he|fa|ur)/.test(language) ? "rtl" : "ltr";
    root.dataset.side = (settings.position || config.position) === "left" ? "left" : "right";
    root.dataset.layout = settings.layout === "page" ? "page" : "float";
    shadow.append(root);
    document.body.append(host);
    watchFrame();
    theme();
  }

  const title = () => settings.title || config.title || t("title");

  function buildComposer() {
    for (const [name, value] of [["aria-label", t("write")], ["placeholder", t("write")]]) area.setAttribute(name, value);
    area.value = passing.read().draft || "";
    chips = make("div.chips");
    noteLine = make("p.note", { role: "alert" });
    mailLine = make("p.mailline");
    sendButton = make("button.send", { type: "submit", "aria-label": t("send") }, icon("send"));
    const clip = button(".tool", t("attach"), () => picker.click(), icon("clip"));
    clip.title = `${t("attach")}. ${t("limit", { n: config.attachments_max, max: size(config.attachment_max) })}`;
    clip.hidden = !config.attachments_max;
    composer = make("form.composer", { onsubmit: submit }, noteLine, make("div.box", {}, chips, make("div.row", {}, clip, area, sendButton)), mailLine, picker);
    return composer;
  }

  function submit(event) {
    event.preventDefault();
    const text = area.value.trim();
    if ((!text && !files.length) || tooLong(text)) return;
    const chosen = files;
    files = [];
    area.value = "";
    passing.write({ draft: "" });
    stopTyping();
    post(text, chosen);
    grow();
    area.focus();
  }

  function watchFrame() {
    // A site's hotkeys must not fire while somebody writes here: outside they see no text field, only our host.
    for (const kind of ["keydown", "keyup", "keypress"]) root.addEventListener(kind, (event) => event.stopPropagation());
    panel.addEventListener("keydown", keys);
    area.addEventListener("input", () => (typed(), drawComposer(), grow()));
    area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
      event.preventDefault();
      composer.requestSubmit();
    });
    area.addEventListener("paste", (event) => {
      if (!event.clipboardData?.files.length) return;
      event.preventDefault();
      addFiles(event.clipboardData.files);
    });
    picker.addEventListener("change", () => {
      addFiles(picker.files);
      picker.value = "";
    });
    log.addEventListener("scroll", () => {
      follow = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
      if (follow && opened && document.hasFocus()) passed = messages.at(-1)?.id;
      pill.hidden = follow;
      if (log.scrollTop < 80) loadOlder();
    });
    const carries = (event) => view === "chat" && !composer.hidden && [...(event.dataTransfer?.types || [])].includes("Files");
    panel.addEventListener("dragover", (event) => carries(event) && (event.preventDefault(), body.classList.add("over")));
    panel.addEventListener("dragleave", (event) => panel.contains(event.relatedTarget) || body.classList.remove("over"));
    panel.addEventListener("drop", (event) => {
      body.classList.remove("over");
      if (!carries(event)) return;
      event.preventDefault();
      addFiles(event.dataTransfer.files);
    });
  }

  const phone = matchMedia("(max-width: 30rem), (max-height: 26rem)");

  function keys(event) {
    if (event.key === "Escape") return view === "chat" ? close() : show("chat");
    if (event.key !== "Tab" || !phone.matches) return;
    const all = [...panel.querySelectorAll("button, textarea, input, select, a[href], [tabindex='0']")];
    const stops = all.filter((stop) => !stop.disabled && stop.getClientRects().length);
    const last = stops.at(-1), edge = event.shiftKey ? stops[0] : last;
    if (shadow.activeElement !== edge && shadow.activeElement !== panel) return;
    event.preventDefault();
    (event.shiftKey ? last : stops[0])?.focus();
  }

  function grow() {
    area.style.height = "auto";
    if (area.scrollHeight) area.style.height = `${area.scrollHeight}px`;
  }

  function toEnd() {
    passed = messages.at(-1)?.id;
    log.scrollTop = log.scrollHeight;
    area.focus({ preventScroll: true });
  }

  // To the end, but not past what was not read; who went to the end by hand stays there.
  function toNews() {
    const since = messages.findIndex(({ id }) => id === passed) + 1;
    const first = drawn.get(messages.slice(since).find(fresh)?.id)?.element;
    log.scrollTop = Math.min(log.scrollHeight, first ? first.offsetTop - log.offsetTop - 40 : Infinity);
  }

  // ---- Colour --------------------------------------------------------------------------------------------------------

  function theme() {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const apply = () => {
      const wanted = settings.theme || "auto";
      root.dataset.theme = wanted === "auto" ? (dark.matches ? "dark" : "light") : wanted;
      colours();
    };
    dark.addEventListener("change", apply);
    apply();
  }

  function colours() {
    const style = paint.cssRules[0].style;
    const wanted = settings.colour || config.colour;
    style.setProperty("--wanted", CSS.supports("color", wanted || "") ? wanted : "#2457c5");
    const probe = make("i.probe");
    root.append(probe);
    const accent = (getComputedStyle(probe).color.match(/[\d.]+/g) || [36, 87, 197]).slice(0, 3).map(Number);
    probe.remove();
    const ground = root.dataset.theme === "dark" ? [39, 45, 56] : [242, 244, 247]; // --soft, under what agents write
    const white = contrast(accent, [255, 255, 255]) >= Math.min(4.5, contrast(accent, [21, 24, 30]));
    style.setProperty("--accent", rgb(accent));
    style.setProperty("--on", white ? "#fff" : "#15181e");
    style.setProperty("--away", white ? "#000" : "#fff"); // a ground mixed with it is never nearer to --on
    style.setProperty("--link", rgb(readable(accent, ground)));
  }

  const rgb = (colour) => `rgb(${colour.map(Math.round).join(" ")})`;
  const luminance = (colour) => colour.map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  function contrast(one, two) {
    const [low, high] = [luminance(one), luminance(two)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }
  // WCAG 2.2 1.4.3: an operator's colour is darkened or lightened until text in it can be read.
  function readable(colour, ground) {
    const towards = luminance(ground) > 0.5 ? 0 : 255;
    let found = colour;
    for (let step = 0; contrast(found, ground) < 4.6 && step < 20; step += 1) found = found.map((part) => part + (towards - part) * 0.12);
    return found;
  }

  // The virtual keyboard covers a fixed element: the panel follows what is left of the screen.
  function fit() {
    const seen = window.visualViewport;
    if (!seen) return;
    const style = paint.cssRules[0].style;
    style.setProperty("--height", `${seen.height}px`);
    style.setProperty("--top", `${Math.max(0, seen.offsetTop)}px`);
    if (follow) toNews();
  }

  // ---- Drawing -------------------------------------------------------------------------------------------------------

  let drawing = false;
  function draw() {
    if (drawing || !panel) return;
    drawing = true;
    queueMicrotask(drawNow);
  }

  function drawNow() {
    drawing = false;
    if (!panel) return;
    const stage = staged();
    drawFrame(stage);
    drawHead(stage);
    if (stage === "chat") drawLog();
    else drawPage(stage);
    drawComposer(stage);
    drawPreview();
    present();
  }

  // What the panel shows. The form stands before the first message only.
  function staged() {
    if (view !== "chat") return view;
    if (config.identity === "required" && !identity && !token()) return "notice";
    if (!conversation && asking().length && !outbox().some((entry) => !entry.refused)) return "form";
    return "chat";
  }

  const knownAlready = (field) => (field.kind === "email" && visitor?.email) || (field.name === "name" && visitor?.name);
  const asking = () => (config.pre_chat || []).filter((field) => !knownAlready(field));

  let counted = 0;
  function drawFrame(stage) {
    const count = unread();
    badge.textContent = count > 99 ? "99+" : count || "";
    badge.hidden = !count || opened;
    launcher.setAttribute("aria-label", opened ? t("close") : t("open") + (count ? `, ${t("unread", { n: count })}` : ""));
    launcher.setAttribute("aria-expanded", String(opened));
    root.classList.toggle("opened", opened);
    panel.setAttribute("aria-modal", String(opened && phone.matches));
    panel.inert = !opened;
    banner.textContent = linked && navigator.onLine !== false ? "" : t("offline");
    log.hidden = stage !== "chat";
    other.hidden = stage === "chat";
    if (stage !== "chat") pill.hidden = true;
    if (count !== counted) emit("unread", { count: (counted = count) });
  }

  let headed = "";
  function drawHead(stage) {
    const several = conversations.length > (visitor?.identified ? 0 : 1) && stage === "chat";
    const now = JSON.stringify([stage, several]);
    if (headed === now) return;
    headed = now;
    const name = { list: t("list"), mail: t("mailSettings") }[stage] || title();
    const sub = stage === "list" || stage === "mail" ? "" : settings.sub || t("sub");
    titles = make("div.titles", {}, make("h2", { dir: "auto" }, name), sub && make("p", { dir: "auto" }, sub));
    const way = stage === "list" || stage === "mail" ? button(".tool", t("back"), () => show("chat"), icon("back"))
      : several ? button(".tool", t("list"), () => show("list"), icon("list")) : make("span.mark", { "aria-hidden": "true" }, initials(title()));
    arrange(head, [way, titles, button(".tool.shut", t("close"), close, icon("close"))]);
  }

  function initials(name) {
    const letters = [...(name || "").matchAll(/(?:^|\s)(\p{L}|\p{N})/gu)].slice(0, 2).map((found) => found[1].toUpperCase());
    return letters.join("") || "•";
  }

  function drawComposer(stage = staged()) {
    const appears = composer.hidden && stage === "chat";
    composer.hidden = stage !== "chat";
    if (appears) grow();
    const long = tooLong(area.value);
    sendButton.disabled = long || (!area.value.trim() && !files.length);
    noteLine.textContent = long ? t("tooLong") : note;
    arrange(chips, files.map((file) => (file.chip ||= chip(file))));
    const line = mailWords();
    if (mailLine.textContent !== line.map((part) => part.textContent ?? part).join("")) mailLine.replaceChildren(...line);
  }

  function chip(file) {
    const drop = () => {
      files = files.filter((other) => other !== file);
      draw();
      area.focus();
    };
    const remove = button(".tool", t("remove", { name: file.name }), drop, icon("close"));
    return make("span.chip", {}, icon("file"), make("span.name", {}, file.name), make("small", {}, size(file.size)), remove);
  }

  function mailWords() {
    if (!conversation) return [];
    if (borrowed()) return conversation.mail === "off" ? [t("mailOff")] : [t("answersTo", { email: visitor.email })];
    const change = (words) => button(".link", words, () => show("mail"));
    if (conversation.mail === "off") return [t("mailOff") + " · ", change(t("change"))];
    if (visitor?.email && visitor.email_state !== "bounced") return [t("answersTo", { email: visitor.email }) + " · ", change(t("change"))];
    return lasting.read().asked || !config.email_collect ? [change(t("addMail"))] : [];
  }

  function drawPreview() {
    const last = !opened && unread() && messages.findLast(fresh);
    if (!last || passing.read().dismissed === last.id) return preview.replaceChildren();
    if (preview.dataset.id === last.id && preview.firstChild) return;
    preview.dataset.id = last.id;
    const dismiss = () => (passing.write({ dismissed: last.id }), preview.replaceChildren());
    const text = last.text.length > 160 ? last.text.slice(0, 160).trimEnd() + "…" : last.text || last.attachments?.[0]?.name || "";
    preview.replaceChildren(
      make("button.card", { type: "button", onclick: () => open() }, make("strong", { dir: "auto" }, last.author.name || t("team")), make("span", { dir: "auto" }, text)),
      button(".tool", t("close"), dismiss, icon("close")),
    );
  }

  // ---- The log -------------------------------------------------------------------------------------------------------

  const drawn = new Map(); // key → {element, signature}

  function drawLog() {
    log.setAttribute("aria-label", t("log"));
    log.setAttribute("aria-busy", String(!!conversation && !loaded));
    const stay = follow;
    const wanted = logItems().map(([key, signature, build]) => {
      const known = drawn.get(key);
      if (known?.signature === signature) return known.element;
      const element = build();
      if (known) sightOff(known.element);
      for (const end of element.querySelectorAll?.(".end") || []) sight.observe(end);
      drawn.set(key, { element, signature });
      return element;
    });
    arrange(log, wanted);
    const staying = new Set(wanted);
    for (const [key, { element }] of drawn) if (!staying.has(element)) (sightOff(element), drawn.delete(key));
    if (stay) toNews();
    pill.hidden = follow || log.hidden;
    pill.firstChild.hidden = !unread();
  }

  function sightOff(element) {
    for (const end of element.querySelectorAll(".end")) {
      sight.unobserve(end);
      inView.delete(end.dataset.id);
    }
  }

  function logItems() {
    const entries = outbox().filter((entry) => (entry.conversation || conversation?.id || null) === (conversation?.id || null) && !twin(entry));
    const rows = [...messages, ...entries.map(asMessage)];
    const items = [["greeting", language, () => make("p.greeting", { dir: "auto" }, settings.greeting || config.greeting || t("greeting"))]];
    let before = null;
    rows.forEach((row, index) => {
      const date = day(row.created_at);
      if (date !== (before && day(before.created_at))) items.push([`day ${row.id}`, date, () => make("p.day", {}, make("span", {}, date))]);
      const next = rows[index + 1];
      const first = !together(before, row), last = !together(row, next);
      const told = marks(row, next, index === rows.length - 1);
      items.push([row.id, JSON.stringify([row, first, last, told, row.delivery?.state === "failed" && visitor?.email_state]), () => bubble(row, first, last, told)]);
      before = row;
    });
    return [...items, ...prompts(rows)];
  }

  function together(one, two) {
    if (!one || !two || one.author.kind !== two.author.kind || one.author.name !== two.author.name) return false;
    return day(one.created_at) === day(two.created_at) && new Date(two.created_at) - new Date(one.created_at) < 300000;
  }

  // The feed may bring what a tab just sent before the answer to the call does.
  const said = (message, entry) => message.author.kind === "contact" && message.via === "widget" && message.text === entry.text;
  const twin = (entry) => messages.some((message) => message.heard >= Date.parse(entry.at) && said(message, entry));

  const asMessage = (entry) => ({
    id: entry.key, entry, author: { kind: "contact" }, text: entry.text, created_at: entry.at, via: "widget", attachments: entry.files,
    state: entry.failed ? "failed" : sending === entry.key ? "sending" : linked ? "sending" : "waiting",
  });

  // The small words under a message; the same words under the next one are said once.
  function marks(row, next, last) {
    const words = ({ author, via, delivery, entry, state, seen_at }) => {
      if (entry) return state === "failed" ? "" : t(state);
      if (author.kind === "contact") return via === "email" ? t("byMail") : last ? t(seen_at ? "seen" : "sent") : "";
      const key = { queued: "mailing", deferred: "mailing", sending: "mailing", delivered: "mailed", failed: "mailFailed" }[delivery?.state];
      return key ? t(key, { to: delivery.to || visitor?.email || "" }) : via === "email" ? t("byMail") : "";
    };
    const own = words(row);
    return next && together(row, next) && words(next) === own && row.via !== "email" ? "" : own;
  }

  function bubble(row, first, last, told) {
    const mine = row.author.kind === "contact", system = row.author.kind === "system";
    if (system) return make("p.system", { dir: "auto" }, ...withLinks(row.text));
    const name = mine ? t("you") : row.author.name || t("team");
    const text = row.text && make("div.text", { dir: "auto" }, ...withLinks(row.text));
    const failed = row.state === "failed";
    const end = !mine && make("span.end", { "data-id": row.id });
    const mailed = told && (row.via === "email" || row.delivery);
    const meta = [];
    if (last || told) meta.push(...(!mine && last ? [make("span", { dir: "auto" }, name), "·"] : []), make("time", { datetime: row.created_at }, clock(row.created_at)));
    if (told) meta.push(mine ? "·" : "", make("span.told", {}, mailed ? icon("mail") : "", told));
    if (row.delivery?.state === "failed" && told && visitor?.email_state === "bounced" && !borrowed()) meta.push(button(".link", t("fixAddress"), () => show("mail")));
    return make(
      `div.message.${mine ? "mine" : "theirs"}${first ? ".first" : ""}${last ? ".last" : ""}${row.state ? "." + row.state : ""}`, {},
      make("span.hear", {}, `${name}: `),
      make("div.bubble", {}, !mine && last && face(row.author.name || title()), text, ...(row.attachments || []).map(attachment), end),
      failed && failure(row.entry),
      !failed && meta.length > 0 && make("p.meta", {}, ...meta),
    );
  }

  const failure = (entry) => make(
    "p.meta.wrong", {}, icon("alert"), make("span", {}, `${t("failed")}. ${entry.failed}`),
    button(".link", t("retry"), () => retry(entry.key)), button(".link", t("discard"), () => (removeEntry(entry.key), draw())),
  );
  const face = (name) => make("span.face", { "aria-hidden": "true" }, initials(name));

  function attachment(file) {
    const link = file.url && safeLink(file.url);
    const words = [icon("file"), make("span.name", {}, file.name || t("untitled")), make("small", {}, size(file.size || 0))];
    if (!link) return make("span.file", {}, ...words);
    const anchor = make("a.file", { href: link, target: "_blank", rel: "noopener noreferrer nofollow", download: file.name }, ...words);
    if (!/^image\/(png|jpeg|gif|webp|avif)$/.test(file.type)) return anchor;
    // A site's CSP may forbid the picture: then the link stays what it is.
    const picture = make("img", { src: link, alt: file.name || "", loading: "lazy", referrerpolicy: "no-referrer", onerror: () => picture.remove() });
    anchor.classList.add("pictured");
    anchor.prepend(picture);
    return anchor;
  }

  // What stands below the messages: the request for an address, that the chat is closed, somebody typing.
  function prompts(rows) {
    const items = [];
    if (typist) items.push(["typing", typist, () => typingBubble(typist)]);
    const wrote = rows.some((row) => row.author.kind === "contact" && !row.entry);
    const state = visitor?.email_state;
    const mailable = conversation && conversation.mail !== "off" && !borrowed();
    const unasked = wrote && config.email_collect && state === "none" && !lasting.read().asked;
    const better = () => askAddress(t("askBetter", { email: visitor.email }), false);
    if (mailable && state === "bounced") items.push(["ask", `bounced ${visitor.email}`, better]);
    else if (mailable && unasked) items.push(["ask", "none", () => askAddress(t("askMail"), true)]);
    if (conversation?.status === "resolved") items.push(["resolved", language, () => make("p.system", {}, t("resolved"))]);
    return items;
  }

  const typingBubble = (name) => make(
    "div.message.theirs.last.typing", {}, make("span.hear", {}, t("typing", { name })),
    make("div.bubble", { "aria-hidden": "true" }, face(name), make("i"), make("i"), make("i")),
  );

  function askAddress(question, dismissable) {
    const field = make("input", { type: "email", id: "ask", autocomplete: "email", inputmode: "email", dir: "ltr", placeholder: "name@example.com", "aria-describedby": "ask-wrong" });
    const wrong = make("p.wrong", { id: "ask-wrong", role: "alert" });
    const save = async (event) => {
      event.preventDefault();
      const email = field.value.trim();
      wrong.textContent = !plausible(email) ? t("badEmail") : email === visitor.email ? t("badValue") : "";
      field.setAttribute("aria-invalid", String(!!wrong.textContent));
      if (wrong.textContent) return field.focus();
      try {
        await saveContact({ email });
        live.textContent = t("saved", { email: visitor.email });
        area.focus();
      } catch (refusal) {
        wrong.textContent = contactWords(refusal);
      }
    };
    const skip = () => (lasting.write({ asked: true }), draw(), area.focus());
    return make("form.ask", { novalidate: true, onsubmit: save }, make("label", { for: "ask" }, question),
      make("div.row", {}, field, make("button.main", { type: "submit" }, t("save"))), wrong, dismissable && button(".link", t("notNow"), skip));
  }

  function contactWords(refusal) {
    if (refusal.status === 403) return t("notHere");
    return (!passes(refusal) && (Object.values(refusal.fields || {})[0] || refusal.message)) || t("broken");
  }

  // ---- Other pages -----------------------------------------------------------------------------------------------------

  let paged = "";
  function drawPage(stage) {
    const signature = JSON.stringify({ list: [conversations, conversation?.id], mail: visitor, form: asking(), notice: 0 }[stage]) + stage;
    if (signature === paged && other.firstChild) return;
    paged = signature;
    other.replaceChildren({ list: listPage, mail: mailPage, form: formPage, notice: () => make("p.greeting", {}, t("signIn")) }[stage]());
  }

  function listPage() {
    const entry = ({ id, subject, last_message_at, unread: news }) => button(".entry", "", () => choose(id),
      make("strong", { dir: "auto" }, subject || t("untitled")), make("small", {}, last_message_at ? `${day(last_message_at)}, ${clock(last_message_at)}` : ""),
      news ? make("span.badge", {}, make("span.hear", {}, t("unread", { n: "" })), String(news)) : "");
    const newest = [...conversations].sort((a, b) => (a.last_message_at < b.last_message_at ? 1 : -1));
    const rows = newest.map((one) => make("li", { "aria-current": one.id === conversation?.id ? "true" : null }, entry(one)));
    for (const row of rows) row.firstChild.removeAttribute("aria-label");
    return make("div.list", {}, make("ul", {}, ...rows), !borrowed() && button(".main", t("fresh"), () => choose(null)));
  }

  function mailPage() {
    const form = make("form.sheet", { novalidate: true });
    const address = field({ name: "email", label: t("email"), kind: "email", value: visitor?.email });
    const mail = make("input", { type: "checkbox", id: "mail-on", checked: conversation?.mail !== "off" });
    const wrong = make("p.wrong", { role: "alert" });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const email = address.input.value.trim();
      address.say(email && !plausible(email) ? t("badEmail") : "");
      if (address.wrong()) return address.input.focus();
      const changes = {};
      if (email && (email !== visitor?.email || visitor?.email_state === "bounced")) changes.email = email;
      if (mail.checked !== (conversation?.mail !== "off")) changes.mail = mail.checked ? "on" : "off";
      try {
        if (Object.keys(changes).length) await saveContact(changes);
        show("chat");
      } catch (refusal) {
        wrong.textContent = contactWords(refusal);
      }
    });
    form.append(make("p.why", {}, t("mailWhy")), address.element, make("label.check", { for: "mail-on" }, mail, make("span", {}, t("emailMe"))), wrong, make("button.main", { type: "submit" }, t("save")));
    return form;
  }

  // One labelled input with its own place for what is wrong with it.
  function field({ name, label, kind, required, options, pattern, value, autocomplete }) {
    const id = `field-${name}`;
    const shared = { id, name, "aria-describedby": `${id}-wrong`, "aria-required": required ? "true" : null };
    const input =
      kind === "select" ? make("select", shared, make("option", { value: "" }, t("choose")), ...(options || []).map((option) => make("option", { value: option }, option)))
      : kind === "message" ? make("textarea", { ...shared, rows: 4 })
      : make("input", { ...shared, type: { email: "email", phone: "tel", checkbox: "checkbox" }[kind] || "text", maxlength: 500, dir: { email: "ltr", phone: "ltr" }[kind] || "auto",
        autocomplete: autocomplete || { email: "email", phone: "tel" }[kind] || (name === "name" ? "name" : null) });
    if (value) input.value = value;
    const wrong = make("p.wrong", { id: `${id}-wrong` });
    const words = make("span", { dir: "auto" }, label || name, !required && kind !== "message" && name !== "email" && make("small", {}, ` (${t("optional")})`));
    const element = kind === "checkbox" ? make("div.field", {}, make("label.check", { for: id }, input, words), wrong) : make("div.field", {}, make("label", { for: id }, words), input, wrong);
    const read = () => (kind === "checkbox" ? input.checked : input.value.trim());
    const say = (text) => {
      wrong.textContent = text;
      input.setAttribute("aria-invalid", String(!!text));
    };
    return { name, kind, element, input, read, say, wrong: () => wrong.textContent, check: () => say(fault(read(), { kind, required, pattern, options })) };
  }

  function fault(value, { kind, required, pattern, options }) {
    if (!value) return required ? t("required") : "";
    if (kind === "message" && tooLong(value)) return t("tooLong");
    if (kind === "email" && !plausible(value)) return t("badEmail");
    if (kind === "phone" && !/^[+()\d\s./-]{5,40}$/.test(value)) return t("badPhone");
    if (kind === "select" && options && !options.includes(value)) return t("choose");
    try {
      return pattern && typeof value === "string" && !new RegExp(`^(?:${pattern})$`, "u").test(value) ? t("badValue") : "";
    } catch {
      return ""; // the pattern is the server's to judge
    }
  }

  function formPage() {
    const known = outbox().find((entry) => entry.refused);
    const fields = asking().map((one) => field({ ...one, value: known?.fields?.[one.name] }));
    fields.push(field({ name: "replyd-text", label: t("message"), kind: "message", required: true, value: known?.text || area.value }));
    const wrong = make("p.wrong", { role: "alert" });
    const start = make("button.main", { type: "submit" }, t("start"));
    // Not at "change", which comes with the click on the button: the form would move under it.
    for (const one of fields) one.input.addEventListener("input", () => one.wrong() && one.check());
    if (known) refusedFields(fields, known, wrong);
    return make("form.sheet", { novalidate: true, onsubmit: (event) => (event.preventDefault(), sendForm(fields, wrong)) },
      make("p.greeting", { dir: "auto" }, settings.greeting || config.greeting || t("greeting")), ...fields.map((one) => one.element), wrong, start);
  }

  function refusedFields(fields, entry, wrong) {
    const rest = Object.entries(entry.refused).filter(([name, text]) => !fields.some((one) => one.name === name && (one.say(String(text)), true)));
    wrong.textContent = rest.map(([, text]) => text).join(" ");
    setTimeout(() => fields.find((one) => one.wrong())?.input.focus());
  }

  function sendForm(fields, wrong) {
    for (const one of fields) one.check();
    const first = fields.find((one) => one.wrong());
    if (first) return first.input.focus();
    wrong.textContent = "";
    const values = Object.fromEntries(fields.map((one) => [one.name, one.read()]));
    const text = values["replyd-text"];
    delete values["replyd-text"];
    saveOutbox(outbox().filter((entry) => !entry.refused));
    area.value = "";
    passing.write({ draft: "" });
    post(text, [], { fields: values, email: fields.find((one) => one.kind === "email")?.read() || undefined, name: values.name || undefined });
    paged = "";
    focusInside();
  }

  // ---- Open and close --------------------------------------------------------------------------------------------------

  function show(next) {
    view = next;
    if (next === "list") renew();
    drawNow();
    focusInside();
  }

  function focusInside() {
    if (!opened) return;
    const stage = staged();
    const touch = matchMedia("(pointer: coarse)").matches; // a focused field would throw the keyboard over the messages
    const target = touch ? panel : stage === "chat" ? area : other.querySelector("input, textarea, select, button") || panel;
    target.focus({ preventScroll: true });
  }

  function open({ focus = true } = {}) {
    if (opened || !panel) return;
    opened = true;
    follow = true;
    passed = null;
    passing.write({ open: true });
    drawNow();
    grow();
    toNews();
    if (conversation && !loaded) load().catch(() => {});
    if (focus) focusInside();
    emit("open", {});
  }

  function close() {
    if (!opened || root.dataset.layout === "page") return;
    const held = panel.contains(shadow.activeElement);
    opened = false;
    view = "chat";
    passing.write({ open: false });
    stopTyping();
    drawNow();
    if (held) launcher.focus();
    emit("close", {});
  }

  const toggle = () => (opened ? close() : open());

  // ---- Start -----------------------------------------------------------------------------------------------------------

  let ready = false;
  const calls = {
    setUser, close, toggle,
    open: () => open(),
    reset() {
      identity = null;
      close();
      forget();
    },
  };
  const sdk = {
    loaded: true,
    on(event, listener) {
      (listeners[event] ||= []).push(listener);
      if (event === "ready" && ready) listener({});
    },
    off(event, listener) {
      listeners[event] = (listeners[event] || []).filter((known) => known !== listener);
    },
  };
  const waiting = [];
  for (const [name, call] of Object.entries(calls)) sdk[name] = (...values) => (ready ? call(...values) : void waiting.push([call, values]));

  // Calls from before the script came: `replyd.q.push(["open"])`. Later ones run at once.
  function run([name, ...values]) {
    if (typeof sdk[name] === "function") sdk[name](...values);
    else complain("unknown_call", `there is no replyd.${name}`);
  }
  sdk.q = { push: (...more) => more.forEach(run) };
  window.replyd = sdk;
  (early.q || []).forEach(run);

  function resumeLink() {
    const here = new URL(location.href);
    const link = here.searchParams.get("replyd_resume");
    if (link) {
      // Only our own parameter goes: a rewritten query could break the site's own.
      const rest = here.search.slice(1).split("&").filter((part) => !part.startsWith("replyd_resume=")).join("&");
      history.replaceState(history.state, "", here.pathname + (rest && "?" + rest) + here.hash);
    }
    return link || settings.resume;
  }

  async function resume(link) {
    try {
      const answer = await ask("POST", "resume", { link });
      const own = lasting.read().token;
      if (own && answer.token && answer.token !== own) passing.write({ token: answer.token }); // a forwarded link does not replace who this is
      else lasting.write({ token: answer.token || own });
      passing.write({ conversation: answer.conversation_id, fresh: false });
    } catch (refusal) {
      note = passes(refusal) ? t("broken") : t("expired");
      complain(refusal.code, `the link was refused: ${refusal.message}`);
    }
  }

  function watchPage() {
    const touch = () => {
      const slept = Date.now() - touched > IDLE_MS;
      touched = Date.now();
      if (slept) present();
    };
    const signs = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];
    for (const kind of signs) addEventListener(kind, touch, { passive: true, capture: true });
    const look = () => {
      if (document.visibilityState === "visible") {
        touched = Date.now();
        shown.dispatchEvent(new Event("shown"));
        if (Date.now() - lastByte > SILENCE_MS) current?.abort();
        wake();
        leavePlace();
      } else setTimeout(park, 2000);
      present();
    };
    document.addEventListener("visibilitychange", look);
    for (const kind of ["focus", "blur"]) addEventListener(kind, present);
    addEventListener("online", () => (wake(), draw()));
    addEventListener("offline", draw);
    addEventListener("pagehide", gone);
    addEventListener("pageshow", (event) => event.persisted && conversation && connect());
    addEventListener("storage", (event) => event.key === slot && otherTab(event));
    phone.addEventListener("change", draw);
    for (const kind of ["resize", "scroll"]) window.visualViewport?.addEventListener(kind, fit);
    fit();
    new ResizeObserver(() => follow && toNews()).observe(log);
    setInterval(beat, 15000);
  }

  // A tab that goes to the background takes one of the few places for its feed, or gives the feed up until one is free.
  async function park() {
    if (parked() && feed && !freePlace && !(await takePlace())) current?.abort();
  }

  let beaten = Date.now();
  function beat() {
    const slept = Date.now() - beaten > 60000;
    beaten = Date.now();
    if (current && lastByte && (slept || Date.now() - lastByte > SILENCE_MS)) current.abort();
    if (slept) wake();
    present();
  }

  function gone() {
    if (conversation && feed) ask("POST", "presence", { conversation: conversation.id, tab, state: "gone" }, { keepalive: true }).catch(() => {});
    disconnect();
  }

  // Another tab signed in, out, sent or discarded something.
  function otherTab(event) {
    const parse = (text) => {
      try {
        return JSON.parse(text) || {};
      } catch {
        return {};
      }
    };
    const before = parse(event.oldValue), after = parse(event.newValue);
    if (before.token !== after.token && !passing.read().token) {
      leave();
      passing.write({ conversation: null });
      visitor = null;
      conversations = [];
      refresh().catch(() => {});
    } else if (!conversation && token() && before.outbox?.length > (after.outbox?.length || 0)) renew();
    flush();
    draw();
  }

  async function start() {
    for (let failures = 0; !config; failures += 1) {
      try {
        config = await ask("GET", "config" + query({ inbox }));
      } catch (refusal) {
        if (!passes(refusal)) return complain(refusal.code, `no chat here: ${inbox ? refusal.message : "add ?inbox=account/inbox to the script's address"}`);
        await pause(delay(failures + 1, refusal));
      }
    }
    chooseLanguage();
    build();
    watchPage();
    const link = resumeLink();
    if (link) await resume(link);
    await refresh().catch((refusal) => (refusal.status === 401 ? expire() : passes(refusal) && setTimeout(renew, 5000)));
    ready = true;
    for (const [call, values] of waiting) call(...values);
    emit("ready", {});
    flush();
    draw();
    const wasOpen = passing.read().open && !phone.matches;
    if (link || String(settings.open) === "true" || settings.layout === "page") open();
    else if (wasOpen) open({ focus: false });
  }

  // After everything the page itself needs, and not for a page that is only prerendered.
  const later = () => (window.requestIdleCallback ? requestIdleCallback(start, { timeout: 2000 }) : setTimeout(start, 200));
  const onceLoaded = () => (document.readyState === "complete" ? later() : addEventListener("load", later, { once: true }));
  if (document.prerendering) document.addEventListener("prerenderingchange", onceLoaded, { once: true });
  else onceLoaded();

  // ---- Style -----------------------------------------------------------------------------------------------------------

  const css = `
    :host { all: initial !important; position: static !important; display: block !important; }
    @media print { :host { display: none !important; } }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    .root { --ground: #fff; --soft: #f2f4f7; --ink: #1b212c; --muted: #5a6474; --line: #e3e7ed; --bad: #b3261e; --shade: 0 1px 3px rgb(16 24 40 / .1), 0 12px 40px rgb(16 24 40 / .18);
      color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans Arabic", "DejaVu Sans", sans-serif; text-align: start; color-scheme: light; -webkit-text-size-adjust: 100%; }
    .root[data-theme=dark] { --ground: #1b1f27; --soft: #272d38; --ink: #e9ecf2; --muted: #a3adbd; --line: #343b48; --bad: #ff9a92; --shade: 0 1px 3px rgb(0 0 0 / .4), 0 12px 40px rgb(0 0 0 / .55); color-scheme: dark; }
    .probe { position: fixed; visibility: hidden; color: var(--wanted); }
    h2, p, ul { margin: 0; padding: 0; }
    button, input, textarea, select { font: inherit; color: inherit; letter-spacing: normal; }
    button { margin: 0; padding: 0; border: 0; background: none; cursor: pointer; text-align: inherit; -webkit-tap-highlight-color: transparent; }
    a { color: var(--link); text-underline-offset: 2px; overflow-wrap: anywhere; }
    :focus { outline: none; }
    :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
    .icon { display: block; flex: none; width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
    [dir=rtl] .is-back, [dir=rtl] .is-list { transform: scaleX(-1); }
    .hear { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

    .launcher { position: fixed; z-index: 2147483000; bottom: calc(20px + env(safe-area-inset-bottom)); width: 56px; height: 56px; display: grid; place-items: center; border-radius: 50%; background: var(--accent); color: var(--on); box-shadow: 0 2px 6px rgb(16 24 40 / .16), 0 8px 24px rgb(16 24 40 / .2); transition: transform .15s; }
    .launcher:hover { transform: scale(1.05); }
    .launcher:active { transform: scale(.97); }
    .launcher .icon { grid-area: 1/1; width: 27px; height: 27px; transition: opacity .15s, transform .15s; }
    .launcher .is-down, .opened .launcher .is-chat { opacity: 0; transform: scale(.6); }
    .opened .launcher .is-down { opacity: 1; transform: none; }
    .launcher:focus-visible { outline: 3px solid var(--ground); box-shadow: 0 0 0 6px var(--link); outline-offset: 0; }
    [data-side=right] .launcher { right: calc(20px + env(safe-area-inset-right)); }
    [data-side=left] .launcher { left: calc(20px + env(safe-area-inset-left)); }
    .badge { min-width: 20px; height: 20px; padding: 0 6px; border-radius: 10px; background: #d42c23; color: #fff; font-size: 12px; font-weight: 600; line-height: 20px; text-align: center; }
    .launcher .badge { position: absolute; top: -3px; right: -3px; box-shadow: 0 0 0 2px var(--ground); }

    .preview { position: fixed; z-index: 2147483000; bottom: calc(90px + env(safe-area-inset-bottom)); width: min(300px, calc(100vw - 40px)); }
    [data-side=right] .preview { right: 20px; }
    [data-side=left] .preview { left: 20px; }
    .preview .card { width: 100%; padding: 12px 40px 13px 16px; border-radius: 14px; background: var(--ground); box-shadow: var(--shade); display: grid; gap: 2px; overflow-wrap: anywhere; animation: rise .2s; }
    [dir=rtl] .preview .card { padding: 12px 16px 13px 40px; }
    .preview strong { font-size: 13px; }
    .preview .card span { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
    .preview .tool { position: absolute; top: 4px; inset-inline-end: 4px; width: 32px; height: 32px; color: var(--muted); }
    .preview .tool .icon { width: 17px; height: 17px; }

    .panel { position: fixed; z-index: 2147483000; bottom: calc(92px + env(safe-area-inset-bottom)); width: min(392px, calc(100vw - 40px)); height: min(660px, calc(100vh - 116px)); display: flex; flex-direction: column; border-radius: 18px; overflow: hidden; background: var(--ground); box-shadow: var(--shade); visibility: hidden; opacity: 0; transform: translateY(10px); transition: opacity .16s, transform .16s, visibility .16s; }
    [data-side=right] .panel { right: 20px; }
    [data-side=left] .panel { left: 20px; }
    .opened .panel { visibility: visible; opacity: 1; transform: none; }
    .head { flex: none; display: flex; align-items: center; gap: 12px; padding: 14px 16px; background: var(--accent); color: var(--on); }
    .mark, .face { flex: none; display: grid; place-items: center; border-radius: 50%; font-weight: 600; }
    .mark { width: 40px; height: 40px; background: color-mix(in srgb, var(--away) 14%, transparent); font-size: 15px; }
    .titles { flex: 1; min-width: 0; text-align: left; }
    [dir=rtl] .titles { text-align: right; }
    h2 { font-size: 16px; font-weight: 650; line-height: 1.3; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .titles p { font-size: 13px; line-height: 1.35; }
    .tool { flex: none; display: grid; place-items: center; width: 36px; height: 36px; border-radius: 10px; }
    .tool:hover { background: color-mix(in srgb, currentColor 12%, transparent); }
    .head .tool { margin: 0 -6px; }
    .head :focus-visible { outline-color: var(--on); outline-offset: -2px; }
    .banner { flex: none; padding: 6px 16px; background: #fdf0d5; color: #6a4700; font-size: 13px; text-align: center; }
    .banner:empty { display: none; }
    .body { position: relative; flex: 1; min-height: 0; display: flex; flex-direction: column; }
    .log, .page { flex: 1; min-height: 0; overflow: hidden auto; overscroll-behavior: contain; padding: 18px 16px 12px; scrollbar-width: thin; }
    .log { display: flex; flex-direction: column; }
    .log:focus-visible { outline-offset: -3px; }
    .greeting { align-self: stretch; padding: 4px 8px 14px; font-size: 17px; font-weight: 600; line-height: 1.4; text-align: center; text-wrap: balance; overflow-wrap: anywhere; }
    .day { display: flex; align-items: center; gap: 12px; margin: 6px 0 12px; color: var(--muted); font-size: 12px; }
    .day span { display: inline-block; }
    .day span::first-letter { text-transform: uppercase; }
    .day::before, .day::after { content: ""; flex: 1; height: 1px; background: var(--line); }
    .message { position: relative; display: flex; flex-direction: column; align-items: flex-start; max-width: 86%; margin-bottom: 3px; padding-inline-start: 38px; }
    .message.mine { align-self: flex-end; align-items: flex-end; max-width: 82%; padding: 0; }
    .message.last { margin-bottom: 14px; }
    .face { position: absolute; inset-inline-start: -38px; bottom: 0; width: 28px; height: 28px; background: var(--soft); color: var(--muted); font-size: 11px; user-select: none; }
    .bubble { position: relative; max-width: 100%; padding: 9px 14px; border-radius: 18px; background: var(--soft); overflow-wrap: anywhere; }
    .mine .bubble { background: var(--accent); color: var(--on); }
    .mine .bubble a { color: inherit; }
    .theirs.last .bubble { border-end-start-radius: 6px; }
    .mine.last .bubble { border-end-end-radius: 6px; }
    .text { white-space: pre-wrap; }
    .failed .bubble { background: var(--soft); color: var(--ink); box-shadow: inset 0 0 0 1.5px var(--bad); }
    .meta { display: flex; flex-wrap: wrap; align-items: center; gap: 1px 5px; margin: 4px 4px 0; color: var(--muted); font-size: 12px; line-height: 1.4; }
    .meta:not(.last > .meta) { margin-bottom: 6px; }
    .theirs .told { flex-basis: 100%; }
    .mine .meta { justify-content: flex-end; text-align: end; }
    .meta .icon { width: 13px; height: 13px; }
    .told { display: inline-flex; align-items: center; gap: 4px; overflow-wrap: anywhere; }
    .told .icon { width: 14px; height: 14px; }
    .wrong { color: var(--bad); font-size: 13px; }
    .wrong:empty { display: none; }
    .end { position: absolute; inset-inline-start: 8px; bottom: 8px; width: 1px; height: 1px; }
    .system { align-self: center; max-width: 90%; margin: 6px 0 14px; color: var(--muted); font-size: 13px; text-align: center; text-wrap: balance; overflow-wrap: anywhere; }
    .file { display: flex; align-items: center; gap: 8px; max-width: 100%; padding: 4px 0; color: inherit; text-decoration: none; }
    a.file:hover .name { text-decoration: underline; }
    .name { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; unicode-bidi: plaintext; }
    .file small, .chip small { flex: none; font-size: 12px; }
    .text + .file { margin-top: 4px; }
    .pictured { flex-wrap: wrap; }
    .pictured img { flex: none; width: 230px; max-width: 100%; height: 150px; margin: 2px 0; border-radius: 10px; object-fit: cover; background: var(--line); }
    .pictured:has(img) .icon { display: none; }
    .typing .bubble { display: flex; gap: 4px; padding: 14px; }
    .typing i { width: 7px; height: 7px; border-radius: 50%; background: var(--muted); animation: breathe 1.2s infinite; }
    .typing i:nth-child(2) { animation-delay: .15s; }
    .typing i:nth-child(3) { animation-delay: .3s; }
    .pill { position: absolute; bottom: 12px; inset-inline: 0; width: fit-content; margin: auto; display: flex; align-items: center; gap: 4px; padding: 7px 12px; border-radius: 20px; background: var(--ground); box-shadow: 0 2px 12px rgb(16 24 40 / .22); font-size: 13px; font-weight: 600; }
    .pill .icon { width: 16px; height: 16px; }
    .dropping { position: absolute; inset: 10px; display: none; place-items: center; border: 2px dashed var(--link); border-radius: 14px; background: color-mix(in srgb, var(--ground) 92%, transparent); color: var(--link); font-weight: 600; }
    .over .dropping { display: grid; }

    .ask { margin: 2px 0 14px; padding: 14px; border: 1px solid var(--line); border-radius: 14px; display: grid; gap: 9px; }
    .ask label { font-size: 14px; overflow-wrap: anywhere; }
    .ask .row { display: flex; gap: 8px; }
    .link { min-height: 24px; color: var(--link); text-decoration: underline; text-underline-offset: 2px; font-size: inherit; }
    .ask > .link { justify-self: start; font-size: 13px; }
    input, select, .field textarea { width: 100%; min-width: 0; padding: 9px 12px; border: 1px solid color-mix(in srgb, var(--muted) 62%, var(--ground)); border-radius: 10px; background: var(--ground); color: var(--ink); font-size: 16px; line-height: 1.35; }
    input::placeholder, textarea::placeholder { color: var(--muted); opacity: 1; }
    input:focus, select:focus, .field textarea:focus { border-color: var(--link); outline: 1px solid var(--link); outline-offset: 0; }
    [aria-invalid=true] { border-color: var(--bad) !important; }
    input[type=checkbox] { flex: none; width: 18px; height: 18px; margin: 2px 0 0; padding: 0; accent-color: var(--link); }
    textarea { resize: none; }
    .main { flex: none; padding: 10px 18px; border-radius: 10px; background: var(--accent); color: var(--on); font-weight: 600; text-align: center; }
    .main:hover { filter: brightness(1.06); }
    .sheet { display: grid; gap: 15px; align-content: start; padding-bottom: 6px; }
    .sheet .greeting { padding: 2px 0 4px; }
    .why { color: var(--muted); font-size: 14px; }
    .field { display: grid; gap: 5px; }
    .field > label { font-size: 14px; font-weight: 600; }
    .field small { color: var(--muted); font-weight: 400; }
    .check { display: flex; min-height: 24px; gap: 10px; font-weight: 400 !important; cursor: pointer; }
    .list { display: grid; gap: 16px; }
    .list ul { list-style: none; display: grid; gap: 8px; }
    .entry { width: 100%; display: grid; grid-template-columns: 1fr auto; align-items: center; gap: 1px 12px; padding: 12px 14px; border: 1px solid var(--line); border-radius: 12px; }
    .entry:hover { background: var(--soft); }
    [aria-current] .entry { border-color: var(--link); }
    .entry strong { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .entry small { grid-column: 1; color: var(--muted); font-size: 13px; }
    .entry .badge { grid-area: 1 / 2 / 3; }

    .composer { flex: none; padding: 0 12px calc(10px + env(safe-area-inset-bottom) * var(--safe, 0)); }
    .note { padding: 2px 6px 8px; color: var(--bad); font-size: 13px; }
    .note:empty, .mailline:empty, .chips:empty { display: none; }
    .box { border: 1px solid color-mix(in srgb, var(--muted) 62%, var(--ground)); border-radius: 16px; background: var(--ground); }
    .box:focus-within { border-color: var(--link); box-shadow: 0 0 0 1px var(--link); }
    .box .row { display: flex; align-items: flex-end; gap: 2px; padding: 5px; }
    .box textarea { flex: 1; min-width: 0; max-height: 132px; padding: 7px 6px; border: 0; outline: 0; background: none; font-size: 16px; line-height: 1.4; scrollbar-width: thin; }
    .box .tool { color: var(--muted); }
    .send { flex: none; display: grid; place-items: center; width: 36px; height: 36px; border-radius: 12px; background: var(--accent); color: var(--on); }
    .send:disabled { background: var(--soft); color: var(--muted); cursor: default; }
    .chips { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 8px 2px; max-height: 120px; overflow: auto; }
    .chip { display: flex; align-items: center; gap: 6px; max-width: 100%; padding-inline-start: 8px; border-radius: 9px; background: var(--soft); font-size: 13px; }
    .chip .icon { width: 17px; height: 17px; }
    .chip .tool { width: 30px; height: 30px; }
    .mailline { padding: 8px 6px 0; color: var(--muted); font-size: 12.5px; text-align: center; overflow-wrap: anywhere; }

    @keyframes rise { from { opacity: 0; transform: translateY(8px); } }
    @keyframes breathe { 0%, 60%, 100% { opacity: .35; } 30% { opacity: 1; } }
    @media (max-width: 30rem), (max-height: 26rem) {
      .panel { --safe: 1; inset: auto 0 auto 0 !important; top: var(--top, 0) !important; width: 100%; height: var(--height, 100dvh); border-radius: 0; }
      .head { padding-top: calc(12px + env(safe-area-inset-top)); padding-inline: max(16px, env(safe-area-inset-left)) max(16px, env(safe-area-inset-right)); }
      .opened .launcher { display: none; }
      .tool { width: 44px; height: 44px; }
      .box textarea { padding-block: 11px; }
      .send { width: 44px; height: 44px; }
      .message { max-width: 90%; }
    }
    [data-layout=page] .launcher, [data-layout=page] .preview, [data-layout=page] .shut { display: none; }
    [data-layout=page] .panel { inset: 0 !important; top: var(--top, 0) !important; width: auto; max-width: 720px; height: var(--height, 100dvh); margin: 0 auto; border-radius: 0; }
    @media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; transition: none !important; } }
    @media (forced-colors: active) { .panel, .bubble, .launcher, .card, .send, .main { border: 1px solid; } }
  `;
})();
