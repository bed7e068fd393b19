// The head of a conversation: whose it is, whether they are there, and what can be done with it as a whole.

import { h, show } from './dom.js';
import { icon } from './icons.js';
import { patch } from './api.js';
import { menu } from './float.js';
import { avatar } from './avatar.js';
import { toast } from './say.js';
import { again, agentNamed, isMe, readAgents, session } from './session.js';
import { isTyped, personName, presence, TYPED } from './words.js';
import { go, here, to } from './router.js';
import { snoozeChoices } from './snooze.js';
import { moment } from './time.js';

export class Head {
  constructor(page) {
    this.page = page;
    this.person = h('div', { class: 'who' });
    this.mark = h('span', { class: 'whose' });
    this.others = h('div', { class: 'colleagues', hidden: true });
    this.assign = h('button', { class: 'button', type: 'button', 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
    this.snooze = h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Snooze', title: 'Snooze (z)', 'aria-haspopup': 'menu', 'aria-expanded': 'false' }, icon('clock'));
    this.status = h('button', { class: 'button', type: 'button' });
    this.side = h('button', { class: 'icon-button', type: 'button', 'aria-label': 'Details', title: 'Details (i)' }, icon('side'));
    this.assign.addEventListener('click', () => this.chooseAssignee());
    this.snooze.addEventListener('click', () => this.chooseTime());
    this.status.addEventListener('click', () => this.turn());
    this.side.addEventListener('click', () => page.toggleDetails());
    this.node = h('header', null,
      h('button', { class: 'icon-button back', type: 'button', 'aria-label': 'Back to the list', on: { click: () => go(to('conversations', null, here().params)) } }, icon('back')),
      this.mark, this.person, this.others,
      h('div', { class: 'acts' }, this.assign, this.snooze, this.status, this.side));
  }

  get conversation() {
    return this.page.conversation;
  }

  draw() {
    const { contact, subject, assignee, status } = this.conversation;
    const there = presence(this.conversation.presence);
    show(this.mark, avatar(contact, { presence: this.conversation.presence ?? 'absent' }));
    show(this.person, h('h1', { dir: 'auto' }, subject || personName(contact)), h('p', null, h('span', { dir: 'auto' }, [subject ? personName(contact) : contact.email, there].filter(Boolean).join(' · ')), isTyped(contact) ? h('span', { class: 'badge warn', title: TYPED }, 'not proven') : null, this.snoozed()));
    show(this.assign, assignee ? avatar({ email: assignee, name: agentNamed(assignee) }, { size: 'small' }) : icon('person'), h('span', { class: 'label-wide' }, assignee ? (isMe(assignee) ? 'You' : agentNamed(assignee)) : 'Assign'));
    this.assign.setAttribute('aria-label', assignee ? `Assigned to ${isMe(assignee) ? 'You' : agentNamed(assignee)}; change` : 'Assign');
    this.assign.title = 'Assign (a)';
    const isOpen = status === 'open';
    this.status.className = `button ${isOpen ? 'primary' : ''}`;
    show(this.status, icon(isOpen ? 'check' : 'undo'), h('span', { class: 'label-wide' }, isOpen ? 'Resolve' : 'Reopen'));
    this.status.setAttribute('aria-label', isOpen ? 'Resolve' : 'Reopen');
    this.status.title = `${isOpen ? 'Resolve' : 'Reopen'} (e)`;
    this.side.setAttribute('aria-pressed', String(!this.page.side?.hidden));
  }

  snoozed() {
    const { status, snooze_until: until } = this.conversation;
    return status === 'snoozed' ? h('span', { class: 'badge' }, icon('clock', 'small'), until ? `Snoozed until ${moment(until)}` : 'Snoozed') : null;
  }

  patch(changes) {
    return patch(this.page.path, changes);
  }

  turn() {
    const isOpen = this.conversation.status === 'open';
    this.page.change({ status: isOpen ? 'resolved' : 'open' }, () => {
      if (isOpen) toast('Resolved.', { action: { words: 'Reopen', run: () => this.page.change({ status: 'open' }) } });
    });
  }

  assignToMe() {
    const mine = session.agents.find(isMe);
    if (mine) this.page.change({ assignee: mine.email }, () => toast('Assigned to you.'));
  }

  async chooseAssignee() {
    await again(readAgents);
    const { assignee } = this.conversation;
    const mine = session.agents.filter(isMe);
    const others = session.agents.filter((agent) => !isMe(agent));
    const entry = (agent) => ({
      words: isMe(agent) ? `${agent.name} (you)` : agent.name, icon: avatar(agent, { size: 'small' }), chosen: agent.email === assignee,
      run: () => this.page.change({ assignee: agent.email }),
    });
    const nobody = { words: 'Nobody', icon: icon('person'), chosen: !assignee, run: () => this.page.change({ assignee: null }) };
    menu(this.assign, [...mine.map(entry), ...others.map(entry), nobody]);
  }

  chooseTime() {
    const pick = (until) => this.page.change({ status: 'snoozed', snooze_until: until.toISOString() }, () => toast(`Snoozed until ${moment(until.toISOString())}. A new message wakes it earlier.`));
    menu(this.snooze, snoozeChoices(new Date()).map(({ words, until }) => ({ words, at: moment(until.toISOString()), run: () => pick(until) })));
  }

  showOthers(words, people) {
    this.others.hidden = !people.length;
    this.others.title = words;
    show(this.others, people.slice(0, 3).map((person) => avatar(person, { size: 'small' })), h('span', { class: 'words' }, words));
  }
}
