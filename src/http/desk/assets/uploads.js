// Files that go with a message: picked, dropped or pasted; bounded as the server bounds them.

import { h, show } from './dom.js';
import { icon } from './icons.js';
import { toast } from './say.js';
import { octets } from './words.js';

const FILES_MAX = 20;
const OCTETS_MAX = 20 * 1024 * 1024;

export class Uploads {
  files = [];

  constructor() {
    this.node = h('div', { class: 'files', hidden: true });
    this.input = h('input', { type: 'file', multiple: true, hidden: true });
    this.input.addEventListener('change', () => {
      this.add([...this.input.files]);
      this.input.value = '';
    });
  }

  pick() {
    this.input.click();
  }

  any() {
    return this.files.length > 0;
  }

  takeFrom(zone, text) {
    const withFiles = (event) => event.dataTransfer?.types.includes('Files');
    zone.addEventListener('dragover', (event) => {
      if (!withFiles(event)) return;
      event.preventDefault();
      zone.classList.add('dropping');
    });
    for (const name of ['dragleave', 'drop']) zone.addEventListener(name, () => zone.classList.remove('dropping'));
    zone.addEventListener('drop', (event) => {
      if (!withFiles(event)) return;
      event.preventDefault();
      this.add([...event.dataTransfer.files]);
    });
    text.addEventListener('paste', (event) => {
      const pasted = [...(event.clipboardData?.files ?? [])];
      if (!pasted.length) return;
      event.preventDefault();
      this.add(pasted);
    });
  }

  add(files) {
    for (const file of files) {
      const sum = this.files.reduce((all, { size }) => all + size, file.size);
      if (this.files.length >= FILES_MAX) toast(`At most ${FILES_MAX} files go with a message.`, { tone: 'bad' });
      else if (sum > OCTETS_MAX) toast(`${file.name}: together the files would be larger than ${octets(OCTETS_MAX)}.`, { tone: 'bad' });
      else this.files.push(file);
    }
    this.draw();
  }

  clear() {
    this.files = [];
    this.draw();
  }

  draw() {
    this.node.hidden = !this.files.length;
    show(this.node, this.files.map((file) => h('span', { class: 'file' }, icon('file'), h('span', { dir: 'auto', title: file.name }, file.name), h('small', null, octets(file.size)),
      h('button', { type: 'button', 'aria-label': `Remove ${file.name}`, on: { click: () => this.drop(file) } }, icon('close', 'small')))));
  }

  drop(file) {
    this.files = this.files.filter((one) => one !== file);
    this.draw();
  }

  encoded() {
    return Promise.all(this.files.map(async (file) => ({ name: file.name || 'pasted.png', type: file.type || 'application/octet-stream', content: await base64(file) })));
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(String(reader.result).split(',')[1] ?? ''));
    reader.addEventListener('error', () => reject(new Error(`${file.name} could not be read.`)));
    reader.readAsDataURL(file);
  });
}
