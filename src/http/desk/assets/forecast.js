// What will become of an answer, before it is sent: where it goes at once, whom it reaches by mail, and when.

import { calm, h, show } from './dom.js';
import { icon } from './icons.js';
import { get } from './api.js';
import { span } from './time.js';
import { forAgents } from './words.js';

const AGAIN = 20_000;

export class Forecast {
  constructor(path) {
    this.path = path;
    this.node = h('p', { class: 'forecast', 'aria-live': 'polite' });
    this.ask = calm(150, (choice) => this.read(choice));
    this.timer = setInterval(() => this.choice && !document.hidden && this.read(this.choice), AGAIN);
  }

  stop() {
    clearInterval(this.timer);
    this.choice = null;
  }

  note() {
    this.choice = null;
    this.words('', icon('note', 'small'), 'Only agents see notes.');
  }

  async read(choice) {
    if (this.node.classList.contains('is-note') || !this.timer) return;
    this.choice = choice;
    const forecast = await get(`${this.path}/forecast`, { mail: choice }).catch(() => null);
    if (this.choice !== choice) return;
    if (!forecast) this.nothing();
    else this.words(forecast.reason, ...this.sentence(forecast, choice));
  }

  /** Drawn only if it differs: a live region that repeats itself is noise. */
  words(reason, ...parts) {
    const text = parts.map((part) => part.textContent ?? part).join('');
    this.node.title = reason && !text.includes(reason) ? `${text} (${reason})` : text;
    if (this.said === text) return;
    this.said = text;
    show(this.node, parts[0], h('span', null, parts.slice(1)));
  }

  nothing() {
    this.said = '';
    this.node.title = '';
    show(this.node);
  }

  sentence({ chat, email, reason }, choice) {
    const first = chat === false ? '' : 'Goes to the chat now';
    const why = choice === 'never' ? 'you chose so' : forAgents(reason);
    if (!email) return [icon('chat', 'small'), first ? `${first}; no email: ${why}` : `No email: ${why}`];
    const wait = email.due_at ? new Date(email.due_at) - Date.now() : 0;
    const address = h('b', { class: email.to.length < 40 ? 'to' : null, dir: 'ltr' }, email.to);
    const at = wait > 2000 ? [' in ', h('b', null, span(wait)), choice === 'auto' ? ' unless read' : ''] : [' at once'];
    return first ? [icon('mail', 'small'), `${first}; by email to `, address, ...at] : [icon('mail', 'small'), 'By email to ', address, ...at];
  }
}
