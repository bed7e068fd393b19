// Canned answers: texts with a name, for all agents of the account.

import { h, show } from './dom.js';
import { post, put as replace, remove } from './api.js';
import { pageNode } from './paged.js';
import { readAnswers, session } from './session.js';
import { toast, tried } from './say.js';
import { richText } from './rich_text.js';

const PATH = '/api/v1/canned_answers';

export function answersPage() {
  const cards = h('div', { class: 'cards' });
  const empty = h('p', { class: 'soft' }, 'None yet. Good first ones: a greeting, how to reset a password, opening hours.');
  const add = h('button', { class: 'button primary', type: 'button' }, 'New answer');
  const node = pageNode('Canned answers', 'Type / in an answer to use one. {name} becomes the contact’s first name, {agent} yours.', h('div', { class: 'bar' }, add), cards, empty);

  const draw = () => {
    show(cards, session.answers.map((answer) => entry(answer, draw)));
    cards.hidden = !session.answers.length;
    empty.hidden = session.answers.length > 0;
  };
  add.addEventListener('click', () => {
    cards.hidden = false;
    cards.prepend(form(null, draw));
    cards.querySelector('input').focus();
  });
  return { node, start: async () => { await tried(readAnswers); draw(); } };
}

function entry(answer, draw) {
  const node = h('div', { class: 'answer' },
    h('h2', null, `/${answer.name}`), richText(answer.text),
    h('div', { class: 'acts' },
      h('button', { class: 'button small', type: 'button', 'aria-label': `Change ${answer.name}`, on: { click: () => { const edit = form(answer, draw); node.replaceWith(edit); edit.querySelector('textarea').focus(); } } }, 'Change'),
      h('button', { class: 'button small danger', type: 'button', 'aria-label': `Delete ${answer.name}`, on: { click: () => drop(answer, draw) } }, 'Delete')));
  return node;
}

async function drop(answer, draw) {
  const gone = await tried(async () => { await remove(`${PATH}/${encodeURIComponent(answer.id)}`); return true; });
  if (!gone) return;
  const back = async () => { await tried(() => post(PATH, { name: answer.name, text: answer.text })); await tried(readAnswers); draw(); };
  toast(`/${answer.name} is deleted.`, { action: { words: 'Undo', run: back } });
  await tried(readAnswers);
  draw();
}

function form(answer, draw) {
  const name = h('input', { class: 'field', value: answer?.name ?? '', required: true, maxlength: '60', pattern: '[^\\s\\/]+', title: 'One word, without / and spaces' });
  const text = h('textarea', { class: 'field', value: answer?.text ?? '', required: true, dir: 'auto' });
  const node = h('form', { class: 'edit' }, h('label', { class: 'stacked' }, 'Name: what is typed after /', name), h('label', { class: 'stacked' }, 'Text', text),
    h('div', { class: 'acts' }, h('button', { class: 'button primary', type: 'submit' }, 'Save'), h('button', { class: 'button', type: 'button', on: { click: draw } }, 'Cancel')));
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    const written = { name: name.value.trim(), text: text.value };
    const saved = await tried(() => (answer ? replace(`${PATH}/${encodeURIComponent(answer.id)}`, written) : post(PATH, written)));
    if (!saved) return;
    await tried(readAnswers);
    draw();
  });
  return node;
}
