// Canned answers at `/`: what follows it is searched, arrows choose, Enter puts the text in place of the word.

import { h, show } from './dom.js';
import { again, readAnswers, session } from './session.js';

const SHOWN = 8;
const WORD = /(?:^|\s)\/([\p{L}\p{N}_-]{0,40})$/u;

export class AnswerPicker {
  at = 0;

  constructor(text, place, page) {
    Object.assign(this, { text, page });
    this.node = h('ul', { class: 'answers', role: 'listbox', id: 'answers', 'aria-label': 'Canned answers', hidden: true });
    place.append(this.node);
    text.setAttribute('aria-controls', 'answers');
    text.addEventListener('input', () => this.look());
    text.addEventListener('blur', () => setTimeout(() => this.close(), 150));
    text.addEventListener('keydown', (event) => this.steer(event));
  }

  openAll() {
    this.text.focus();
    const { value, selectionStart: at } = this.text;
    const gap = at > 0 && !/\s$/.test(value.slice(0, at)) ? ' ' : '';
    this.text.setRangeText(`${gap}/`, at, this.text.selectionEnd, 'end');
    this.look();
  }

  look() {
    const word = WORD.exec(this.text.value.slice(0, this.text.selectionStart));
    if (!word) return this.close();
    if (this.node.hidden) this.freshen();
    this.from = this.text.selectionStart - word[1].length - 1;
    const sought = word[1].toLowerCase();
    const starts = ({ name }) => name.toLowerCase().startsWith(sought);
    const holds = (answer) => `${answer.name} ${answer.text}`.toLowerCase().includes(sought);
    this.found = [...session.answers.filter(starts), ...session.answers.filter((answer) => !starts(answer) && holds(answer))].slice(0, SHOWN);
    this.at = 0;
    return this.draw();
  }

  async freshen() {
    const known = JSON.stringify(session.answers);
    await again(readAnswers);
    if (!this.node.hidden && JSON.stringify(session.answers) !== known) this.look();
  }

  draw() {
    const none = h('li', { 'aria-disabled': 'true' }, session.answers.length ? 'No canned answer has this word.' : 'There are no canned answers yet: make some on the page Answers.');
    show(this.node, this.found.length ? this.found.map((answer, index) => this.entry(answer, index)) : none);
    this.node.hidden = false;
    this.node.children[this.at]?.scrollIntoView({ block: 'nearest' });
    this.text.setAttribute('aria-activedescendant', this.found.length ? `answer-${this.at}` : '');
  }

  entry(answer, index) {
    const choose = (event) => {
      event.preventDefault();
      this.insert(answer);
    };
    return h('li', { id: `answer-${index}`, role: 'option', 'aria-selected': String(index === this.at), on: { pointerdown: choose } },
      h('span', null, `/${answer.name}`), h('small', { dir: 'auto' }, answer.text));
  }

  steer(event) {
    if (this.node.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.found.length) {
      this.at = (this.at + step + this.found.length) % this.found.length;
      this.draw();
    } else if ((event.key === 'Enter' || event.key === 'Tab') && this.found.length && !event.ctrlKey) {
      this.insert(this.found[this.at]);
    } else if (event.key === 'Escape') {
      this.close();
    } else {
      return;
    }
    event.preventDefault();
  }

  insert(answer) {
    this.text.setRangeText(this.filled(answer.text), this.from, this.text.selectionStart, 'end');
    this.close();
    this.text.dispatchEvent(new Event('input'));
    this.text.focus();
  }

  /** `{name}` and `{agent}` stand for the people of this conversation; without a name nothing stands there. */
  filled(text) {
    const name = this.page.conversation.contact.name?.trim().split(/\s+/)[0];
    const named = name ? text.replaceAll('{name}', () => name) : text.replaceAll(/^\{name\}[ ,:!]*|[^\S\n]?\{name\}/gm, '');
    return named.replaceAll('{agent}', () => session.agent.name);
  }

  close() {
    this.node.hidden = true;
    this.text.removeAttribute('aria-activedescendant');
  }
}
