// A new password of whoever sits here.

import { h } from './dom.js';
import { put } from './api.js';
import { dialog } from './float.js';
import { session } from './session.js';
import { toast } from './say.js';

const LEAST = 10;

export function changePassword() {
  const field = (name, autocomplete, least) => h('input', { class: 'field', type: 'password', name, autocomplete, required: true, minlength: least, 'aria-describedby': 'password-trouble' });
  const current = field('current', 'current-password');
  const fresh = field('new', 'new-password', LEAST);
  const shown = h('input', { type: 'checkbox' });
  const trouble = h('p', { class: 'bad-ink', id: 'password-trouble', role: 'alert' });
  const button = h('button', { class: 'button primary', type: 'submit' }, 'Change password');
  shown.addEventListener('change', () => [current, fresh].forEach((input) => input.setAttribute('type', shown.checked ? 'text' : 'password')));
  const form = h('form', { class: 'password' },
    // For password managers: whose it is.
    h('input', { type: 'email', name: 'email', autocomplete: 'username', hidden: true, readonly: true, value: session.agent.email }),
    h('label', null, 'Current password', current),
    h('label', null, `New password, ${LEAST} characters or more`, fresh),
    h('label', { class: 'check' }, shown, 'Show both'),
    trouble, h('div', { class: 'acts' }, button, h('span', { class: 'soft' }, 'You are signed out everywhere else.')));
  const node = dialog('Change your password', 'small', form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    trouble.textContent = '';
    try {
      await put('/api/v1/me/password', { current: current.value, new: fresh.value });
      node.close();
      toast('Your password is changed.');
    } catch (error) {
      trouble.textContent = error.message;
      button.disabled = false;
    }
  });
  current.focus();
}
