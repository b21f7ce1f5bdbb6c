// The report: its sentences, verdicts and edits in place, checks of them, language, sign-off, export.
const SIGNS = { open: '○', accepted: '✓', rejected: '✕', reworded: '✎', added: '+' };
const SECTIONS = { indication: 'Indication', technique: 'Technique', comparison: 'Comparison', findings: 'Findings', impression: 'Impression' };
const EDITABLE = ['findings', 'impression', 'technique', 'comparison'];

function writeReport() {
  const pane = find('.report');
  const scroll = pane.scrollTop;
  pane.replaceChildren();
  const report = room.report;
  offer();
  if (!report) {
    pane.append(make('div', 'hint', busy(room.study) ? 'The experts look at the film. Sentences appear here as they are written.' : room.opened ? 'No draft yet. “Draft report” has the experts look at the film; every sentence will carry its evidence.' : 'Choose or add a study. Its report appears here, sentence by sentence, with what each rests on.'));
    tellStatus(); return;
  }
  for (const name of Object.keys(SECTIONS)) {
    const own = report.sentences.filter((one) => one.section === name);
    const adding = room.editing && room.editing.adding === name;
    if (!own.length && !adding) continue;
    pane.append(make('h3', '', SECTIONS[name]));
    for (const sentence of own) pane.append(sentenceLine(sentence));
    if (adding) pane.append(editor({ text: '', section: name }));
  }
  for (const note of report.notes) pane.append(noteLine(note, null));
  if (report.limits.texts.length) pane.append(limitsOf(report));
  pane.scrollTop = scroll;
  tellStatus(); markSentences();
}

// What the report leaves out, in its own language: no sentence of it, so without a verdict.
function limitsOf(report) {
  const box = make('section', 'limits');
  box.lang = report.language;
  const head = make('h3', '', report.limits.heading); head.id = 'limits-title';
  box.setAttribute('aria-labelledby', head.id);
  box.append(head, ...report.limits.texts.map((text) => make('p', '', text)));
  return box;
}

function tellStatus() {
  const status = find('.status'), report = room.report;
  status.className = 'status';
  if (!report) { status.textContent = ''; return; }
  if (signed()) { status.textContent = report.signed || 'Signed'; status.classList.add('signed'); return; }
  const clashes = new Set(report.sentences.filter((one) => one.notes.some((note) => note.contradicts)).map((one) => one.id)).size + report.notes.filter((note) => note.contradicts).length;
  const read = report.open ? `${report.open} of ${report.sentences.filter((one) => one.claims).length} sentences to read` : 'every sentence read';
  const kind = report.status === 'verified' ? 'Draft, read back against its evidence' : 'Draft, unverified';
  status.textContent = `${kind} · ${read}${clashes ? ` · ${clashes} in conflict` : ''}`;
  status.title = clashes ? 'The report says what the evidence or another sentence denies. It can be signed all the same.' : 'Sentences without your verdict yet';
  if (clashes) status.classList.add('doubtful');
}

function sentenceLine(sentence) {
  const certainty = sentence.claims ? (sentence.present ? CERTAINTY[sentence.certainty] || '' : 'absent') : '';
  const line = make('div', `sentence ${certainty}`);
  line.dataset.id = sentence.id; line.dataset.standing = sentence.standing;
  line.tabIndex = 0;
  line.setAttribute('role', 'group');
  line.setAttribute('aria-label', `${SECTIONS[sentence.section]}, ${sentence.standing}${certainty ? `, ${certainty}` : ''}: ${sentence.text}`);
  const sign = make('span', 'sign', SIGNS[sentence.standing]);
  sign.setAttribute('aria-hidden', 'true'); sign.title = sentence.standing;
  const body = make('div');
  if (room.editing && room.editing.id === sentence.id) { line.append(sign, body); body.append(editor(sentence)); return line; }
  const text = make('div', 'words', sentence.text);
  text.lang = sentence.language;
  body.append(text);
  const meta = make('div', 'meta');
  if (certainty) meta.append(make('span', 'kind', certainty));
  if (sentence.origin === 'person') meta.append(make('span', '', 'by a person'));
  else if (sentence.origin === 'fallback') meta.append(make('span', '', 'safe wording'));
  for (const id of sentence.evidence.slice(0, 6)) meta.append(chip(id));
  if (sentence.evidence.length > 6) meta.append(make('span', '', `+${sentence.evidence.length - 6}`));
  body.append(meta);
  if (sentence.standing === 'reworded' && sentence.drafted) body.append(make('div', 'was', `Drafted as: ${sentence.drafted}`));
  for (const note of sentence.notes) body.append(noteLine(note, sentence));
  line.append(sign, body);
  if (!signed() && EDITABLE.includes(sentence.section)) line.append(actsOf(sentence));
  line.addEventListener('click', () => { room.about = []; chooseSentence(sentence.id); });
  line.addEventListener('mouseenter', () => preview(sentence));
  line.addEventListener('mouseleave', () => preview(null));
  line.addEventListener('focus', () => preview(sentence));
  return line;
}

// Hovering lights up the film and, where the evidence is open, tells it; leaving goes back.
function preview(sentence) {
  const own = sentence || (room.report && room.report.sentences.find((one) => one.id === room.chosen));
  room.lit = own ? shownBy(own) : [];
  light(room.lit);
  if (!find('[data-panel=evidence]').hidden) tellEvidence(own || null);
}

function actsOf(sentence) {
  const acts = make('span', 'acts');
  const add = (text, title, act) => { const made = button(text, act); made.title = title; made.setAttribute('aria-label', title); made.tabIndex = -1; acts.append(made); };
  const back = ['accepted', 'rejected', 'reworded'].includes(sentence.standing);
  if (sentence.standing === 'open' || sentence.standing === 'rejected') add('✓', 'Accept (A)', () => verdict(sentence.id, 'accept'));
  if (sentence.standing !== 'rejected') { add('✎', 'Edit (E)', () => edit(sentence.id)); add('✕', 'Reject (X)', () => verdict(sentence.id, 'reject')); }
  if (back) add('↺', 'As drafted (R)', () => verdict(sentence.id, 'restore'));
  return acts;
}

function noteLine(note, sentence) {
  const line = make('div', `note ${note.contradicts ? 'bad' : 'warn'}`);
  const body = make('span', '', note.text);
  for (const id of note.evidence.slice(0, 4)) body.append(' ', chip(id));
  if (note.suggestion && !signed() && room.report) {
    const use = sentence ? () => act({ act: 'reword', sentence: sentence.id, text: note.suggestion }) : () => act({ act: 'add', section: 'findings', text: note.suggestion });
    const made = button(sentence ? 'Use' : 'Add', use); made.title = note.suggestion;
    body.append(made);
  }
  line.append(make('span', 'mark', note.contradicts ? '!' : 'i'), body);
  return line;
}

function markSentences() {
  for (const line of all('.sentence')) {
    line.classList.toggle('chosen', line.dataset.id === room.chosen);
    line.classList.toggle('about', room.about.includes(line.dataset.id));
  }
}

const verdict = (id, what) => act({ act: what, sentence: id });

async function act(one) {
  const study = room.study;
  const answer = await call('edit', { study, act: one });
  if (!answer || room.study !== study) return false;
  const focused = one.sentence || (answer.report.sentences.slice().reverse().find((s) => s.standing === 'added') || {}).id;
  take(answer);
  if (focused) { room.chosen = focused; markSentences(); const line = find(`.sentence[data-id="${CSS.escape(focused)}"]`); if (line) line.focus({ preventScroll: false }); }
  return true;
}

function take(answer) {
  room.report = answer.report;
  if (answer.basis) room.basis = answer.basis;
  room.editing = null;
  writeReport();
  loadWorklist();
}

async function undo() {
  const study = room.study;
  const answer = await call('undo', { study });
  if (answer && room.study === study) take(answer);
}

function edit(id) {
  if (!room.report || signed()) return;
  room.editing = { id };
  room.chosen = id;
  writeReport();
  const area = find('.editor textarea');
  if (area) { area.focus(); area.setSelectionRange(area.value.length, area.value.length); }
}

function addTo(section) {
  if (!room.report || signed()) return;
  room.editing = { adding: section };
  writeReport();
  const area = find('.editor textarea');
  if (area) { area.scrollIntoView({ block: 'nearest' }); area.focus(); }
}

// The editor of one sentence: what is typed is read and checked while one types.
function editor(sentence) {
  const form = make('form', 'editor'), area = make('textarea'), checked = make('div', 'checked'), row = make('div', 'row');
  area.value = sentence.text; area.maxLength = 1000; area.rows = 2; area.lang = room.report.language;
  area.setAttribute('aria-label', sentence.id ? 'Edit the sentence' : `New sentence in ${SECTIONS[sentence.section]}`);
  checked.setAttribute('aria-live', 'polite');
  let later = 0, turn = 0;
  const wanted = () => (sentence.id ? { act: 'reword', sentence: sentence.id, text: area.value } : { act: 'add', section: sentence.section, text: area.value });
  const check = async () => {
    const own = ++turn;
    if (!area.value.trim() || area.value === sentence.text) { checked.replaceChildren(); return; }
    const answer = await call('attempt', { study: room.study, act: wanted() });
    if (!answer || own !== turn) return;
    const added = `S${1 + Math.max(0, ...room.report.sentences.map((one) => Number(one.id.slice(1))))}`;
    const here = answer.notes.filter((note) => note.sentence === (sentence.id || added));
    checked.replaceChildren(...(here.length ? here.map((note) => noteLine({ ...note, suggestion: null }, sentence)) : [make('div', 'note quiet', 'Read back: nothing here contradicts the evidence.')]));
  };
  area.addEventListener('input', () => { window.clearTimeout(later); later = window.setTimeout(check, 250); });
  const close = () => { room.editing = null; writeReport(); const line = sentence.id && find(`.sentence[data-id="${CSS.escape(sentence.id)}"]`); if (line) line.focus(); else find('.report').focus(); };
  const save = () => { if (!area.value.trim() || area.value === sentence.text) close(); else act(wanted()); };
  area.addEventListener('keydown', (event) => {
    event.stopPropagation();
    if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); save(); }
    if (event.key === 'Escape') { event.preventDefault(); close(); }
  });
  form.addEventListener('click', (event) => event.stopPropagation());
  form.addEventListener('submit', (event) => { event.preventDefault(); save(); });
  if (!sentence.id) {
    for (const name of ['findings', 'impression']) {
      const made = button(SECTIONS[name], () => { const text = area.value; addTo(name); find('.editor textarea').value = text; });
      made.setAttribute('aria-pressed', String(name === sentence.section)); row.append(made);
    }
  }
  const keepIt = make('button', 'primary', 'Keep');
  row.append(make('span', 'quiet', 'Enter keeps, Esc leaves'), button('Cancel', close), keepIt);
  form.append(area, checked, row);
  return form;
}

function offer() {
  const open = Boolean(room.report) && !signed();
  const at = (name) => find(`[data-do=${name}]`);
  at('undo').disabled = !open || !room.report.acts;
  at('add').disabled = !open; at('sign').disabled = !open;
  at('export').disabled = !room.report;
  for (const one of all('[data-translate]')) {
    one.disabled = !open;
    one.setAttribute('aria-checked', String(Boolean(room.report) && one.dataset.translate === room.report.language));
  }
  for (const one of [find('[name=question]'), find('.question button')]) one.disabled = !room.report;
  for (const one of [find('[name=report]'), find('.check button')]) one.disabled = !room.opened;
}

function step(by) {
  const ids = all('.sentence').map((one) => one.dataset.id);
  if (!ids.length) return;
  const now = ids.indexOf(room.chosen);
  const next = ids[Math.min(ids.length - 1, Math.max(0, now < 0 ? (by > 0 ? 0 : ids.length - 1) : now + by))];
  chooseSentence(next);
  find(`.sentence[data-id="${CSS.escape(next)}"]`).focus();
}

function openSigning() {
  if (!room.report || signed()) return;
  const box = find('dialog.signing');
  box.replaceChildren();
  const title = make('h2', '', 'Sign the report'); title.id = 'sign-title';
  const form = make('form'); form.method = 'dialog';
  const name = make('input'); name.name = 'signer'; name.required = true; name.maxLength = 200; name.autocomplete = 'name'; name.value = kept('signer') || room.user || '';
  const label = make('label', '', 'Your name'); label.append(name);
  const clashes = room.report.sentences.flatMap((one) => one.notes).concat(room.report.notes).filter((note) => note.contradicts).length;
  form.append(make('p', '', 'You take responsibility for the text as it stands. It becomes final: no edit, no new draft. The audit log is closed with its digest.'));
  if (room.report.open) form.append(make('p', 'warned', `${room.report.open} sentence(s) have no verdict of yours yet.`));
  if (clashes) form.append(make('p', 'warned bad', `${clashes} remark(s) say that the text and the evidence contradict each other.`));
  const row = make('div', 'row'), go = make('button', 'primary', 'Sign');
  row.append(button('Cancel', () => box.close()), go);
  form.append(label, row);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const study = room.study;
    go.disabled = true;
    const answer = await call('sign', { study, signer: name.value });
    go.disabled = false;
    if (!answer) return;
    keep('signer', name.value);
    box.close();
    if (room.study === study) take({ ...answer });
    say('Signed. The report is final.');
  });
  box.append(title, form);
  box.showModal();
  name.focus();
}

function openExport(focus = true) {
  const list = find('.formats'), opener = find('[data-do=export]');
  const close = () => { list.hidden = true; opener.setAttribute('aria-expanded', 'false'); };
  if (!list.hidden) { close(); return; }
  list.replaceChildren();
  for (const one of room.formats) {
    const item = make('li'); item.setAttribute('role', 'none');
    const made = button(one.label, async () => { close(); opener.focus(); await download(one.format); });
    made.setAttribute('role', 'menuitem'); made.dataset.format = one.format;
    item.append(made); list.append(item);
  }
  list.hidden = false; opener.setAttribute('aria-expanded', 'true');
  list.onkeydown = (event) => {
    const items = all('button', list), now = items.indexOf(document.activeElement);
    if (event.key === 'Escape') { close(); opener.focus(); }
    else if (event.key === 'ArrowDown') items[(now + 1) % items.length].focus();
    else if (event.key === 'ArrowUp') items[(now - 1 + items.length) % items.length].focus();
    else return;
    event.preventDefault(); event.stopPropagation();
  };
  if (focus) find('button', list).focus();
}

async function download(format) {
  const answer = await call('export', { study: room.study, format });
  if (!answer) return;
  const bytes = Uint8Array.from(window.atob(answer.content), (letter) => letter.charCodeAt(0));
  const link = make('a');
  link.href = URL.createObjectURL(new Blob([bytes], { type: answer.type }));
  link.download = answer.name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`Exported ${answer.name}`);
}
