// Where an agent writes an answer or a note: draft, files, copies, forecast, and a warning when a colleague was faster.

import { calm, h, show } from './dom.js';
import { icon } from './icons.js';
import { post } from './api.js';
import { announce, refuse } from './say.js';
import { draft, keepDraft, onOtherTab } from './drafts.js';
import { Forecast } from './forecast.js';
import { Uploads } from './uploads.js';
import { AnswerPicker } from './answer_picker.js';
import { personName } from './words.js';
import { inboxNamed, session } from './session.js';
import { duration } from './time.js';

const TYPING_EVERY = 3000;
const UNDO = '10 s';

export class Composer {
  mode = 'reply';
  copied = new Set();
  typingSaidAt = 0;
  /** Who wrote what came meanwhile, by message. */
  answered = new Map();

  constructor(page) {
    this.page = page;
    this.text = h('textarea', { 'aria-label': 'Your answer', dir: 'auto', rows: '2' });
    this.modes = h('div', { class: 'modes', role: 'group', 'aria-label': 'What you write' },
      this.modeButton('reply', 'Answer', 'r'), this.modeButton('note', 'Note', 'n'));
    this.copies = h('div', { class: 'copies' });
    this.warning = h('div', { class: 'collision', role: 'alert', hidden: true });
    this.uploads = new Uploads();
    this.forecast = new Forecast(page.path);
    this.mail = h('select', { class: 'field mail', 'aria-label': 'Email' }, [['auto', 'Email if unread'], ['now', 'Email now'], ['never', 'Do not email']].map(([value, words]) => h('option', { value }, words)));
    this.send = h('button', { class: 'button primary send', type: 'submit', title: 'Ctrl Enter' });
    const attach = h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Attach files', title: 'Attach files' }, icon('clip'));
    const canned = h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Canned answers', title: 'Canned answers: /' }, icon('answers'));
    this.node = h('form', { class: 'composer', 'aria-label': 'Write' },
      this.warning, h('div', { class: 'composer-top' }, this.modes, this.copies), this.text, this.uploads.node, this.uploads.input,
      h('div', { class: 'composer-foot' }, attach, canned, this.forecast.node, this.mail, this.send));
    this.picker = new AnswerPicker(this.text, this.node, page);
    attach.addEventListener('click', () => this.uploads.pick());
    canned.addEventListener('click', () => this.picker.openAll());
    this.mail.addEventListener('change', () => this.forecast.ask(this.mail.value));
    this.listen();
    this.begin();
  }

  modeButton(mode, words, key) {
    return h('button', { type: 'button', 'data-mode': mode, title: `${words} (${key})`, on: { click: () => this.turn(mode, true) } }, words);
  }

  listen() {
    this.node.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    this.text.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.node.requestSubmit();
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      event.preventDefault();
      this.text.blur();
    });
    const keep = calm(300, () => this.keep());
    this.text.addEventListener('input', () => {
      this.grow();
      keep();
      this.typed();
    });
    this.text.addEventListener('focus', () => this.mode === 'reply' && this.forecast.ask(this.mail.value));
    this.uploads.takeFrom(this.node, this.text);
  }

  begin() {
    this.take(draft(this.page.id));
    this.quiet = onOtherTab(this.page.id, (kept) => this.otherTab(kept));
  }

  take(kept) {
    this.kept = kept?.text ?? '';
    this.text.value = this.kept;
    this.copied = new Set(kept?.copied ?? []);
    this.startedAt = kept?.at ?? null;
    this.turn(kept?.mode ?? 'reply');
    this.grow();
  }

  /** What another tab sent must not stand here to be sent again; what was written here meanwhile stays. */
  otherTab(kept) {
    if (this.text.value === this.kept) this.take(kept);
    else this.kept = kept?.text ?? '';
    this.page.list.draw();
  }

  draw() {
    const { participants, contact } = this.page.conversation;
    this.text.placeholder = this.mode === 'note' ? 'A note that only agents see …' : `Answer ${personName(contact).split(' ')[0]} …  ( / for canned answers)`;
    const chips = this.mode === 'reply' && participants?.length ? [h('span', null, 'Copy to'), participants.map((person) => this.chip(person))] : null;
    show(this.copies, chips);
    if (this.mode === 'reply') this.forecast.ask(this.mail.value);
  }

  chip(person) {
    const on = this.copied.has(person.email);
    const flip = () => {
      on ? this.copied.delete(person.email) : this.copied.add(person.email);
      this.draw();
      this.keep();
    };
    return h('button', { class: 'chip', type: 'button', 'aria-pressed': String(on), title: person.email, on: { click: flip } }, icon(on ? 'check' : 'mail', 'small'), h('span', { dir: 'auto' }, personName(person)));
  }

  turn(mode, focus) {
    this.mode = mode;
    const isNote = mode === 'note';
    this.node.classList.toggle('as-note', isNote);
    for (const button of this.modes.children) button.setAttribute('aria-pressed', String(button.dataset.mode === mode));
    this.text.setAttribute('aria-label', isNote ? 'Your note' : 'Your answer');
    this.mail.hidden = isNote || this.page.conversation?.channel === 'email';
    this.forecast.node.classList.toggle('is-note', isNote);
    if (isNote) this.forecast.note();
    show(this.send, isNote ? 'Add note' : 'Send');
    if (this.page.conversation) this.draw();
    if (focus) this.text.focus();
  }

  /** Where the style sheet alone does not make the box as high as its text. */
  grow() {
    if (CSS.supports('field-sizing', 'content')) return;
    this.text.style.height = 'auto';
    this.text.style.height = `${this.text.scrollHeight}px`;
  }

  /** Every few seconds while somebody really writes. */
  typed() {
    if (!this.startedAt) this.startedAt = Date.now();
    if (this.mode !== 'reply' || Date.now() - this.typingSaidAt < TYPING_EVERY) return;
    this.typingSaidAt = Date.now();
    this.sayTyping(true);
  }

  sayTyping(typing) {
    post(`${this.page.path}/typing`, { typing }, { keepalive: true }).catch(() => {});
  }

  keep() {
    this.kept = this.text.value;
    keepDraft(this.page.id, { text: this.text.value, mode: this.mode, copied: [...this.copied] });
    if (!this.text.value.trim()) this.startedAt = null;
  }

  leave() {
    this.quiet();
    this.keep();
    this.forecast.stop();
    if (this.typingSaidAt) this.sayTyping(false);
    this.page.list.draw();
  }

  /** A colleague's answers that came while this one was written. */
  came(messages) {
    if (!messages.length || this.mode !== 'reply' || !this.text.value.trim()) return;
    for (const { id, author } of messages) this.answered.set(id, personName(author));
    this.collision = [...this.answered.values()].at(-1);
    this.warn(`${this.collision} answered while you were writing. Read it before you send yours.`);
  }

  /** The warning goes with the last of those that it is about. */
  forget(message) {
    if (!this.answered.delete(message) || this.answered.size) return;
    this.collision = null;
    this.warning.hidden = true;
  }

  /** The first try to send shows what came; the second one sends. */
  askTwice() {
    this.page.stream.toEnd();
    this.warn(`${this.collision} answered while you were writing: see above. Send again to send yours too.`);
    this.collision = null;
  }

  warn(words) {
    this.warning.hidden = false;
    show(this.warning, icon('alert'), h('span', null, words), h('button', { class: 'link', type: 'button', on: { click: () => this.seenCollision() } }, 'I read it'));
    announce(words);
  }

  seenCollision() {
    this.collision = null;
    this.answered.clear();
    this.warning.hidden = true;
    this.text.focus();
  }

  async submit() {
    const text = this.text.value.trim();
    if (this.sending || (!text && !this.uploads.any())) return;
    if (this.collision) return this.askTwice();
    this.busy(true);
    try {
      const message = await post(`${this.page.path}/messages`, await this.written(text));
      this.sent(message);
    } catch (error) {
      refuse(error);
    } finally {
      this.busy(false);
    }
  }

  /** The same key for the same text: a second try after a lost answer doubles nothing. */
  async written(text) {
    if (this.keyOf !== text) this.key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    this.keyOf = text;
    const isNote = this.mode === 'note';
    const base = { author: isNote ? 'note' : 'agent', agent: session.agent.email, text: text || 'See the attached files.', attachments: await this.uploads.encoded(), idempotency_key: this.key };
    if (isNote) return base;
    const undo = inboxNamed(this.page.conversation.inbox)?.undo_window ?? UNDO;
    return { ...base, cc: [...this.copied], mail: this.mail.value, ...(duration(undo) ? { hold: undo } : {}) };
  }

  sent(message) {
    this.text.value = '';
    this.keyOf = null;
    this.startedAt = null;
    this.collision = null;
    this.answered.clear();
    this.warning.hidden = true;
    this.mail.value = 'auto';
    this.uploads.clear();
    this.kept = '';
    keepDraft(this.page.id, null);
    if (message) this.page.stream.add(message);
    this.typingSaidAt = 0;
    // Colleagues see at once what is held, and that somebody answered: no event tells them before it goes out.
    this.sayTyping(false);
    this.turn('reply');
    this.page.refreshSoon();
    this.text.focus();
  }

  restore(text, mode) {
    this.text.value = this.text.value.trim() ? `${text}\n\n${this.text.value}` : text;
    this.turn(mode ?? 'reply', true);
    this.keep();
  }

  busy(on) {
    this.sending = on;
    this.send.disabled = on;
  }
}
