// The page's own wiring: buttons, keys, the sheet of keys, dropping files; then the first look.
const KEYS = [
  ['Anywhere', [['?', 'this sheet'], ['O', 'add a study'], ['B', 'to the worklist: arrows choose, Delete removes'], ['D', 'draft'], ['/', 'ask a question'], ['K / J', 'sentence before / after'], ['G', 'export'], ['S', 'sign'], ['Q', 'evidence, ask, check, about']]],
  ['A sentence', [['A', 'accept'], ['X', 'reject'], ['E or Enter', 'edit'], ['R', 'as drafted'], ['N', 'add a sentence'], ['U', 'undo'], ['T', 'English or Spanish']]],
  ['The film', [['1 2 3 4', 'window: default, lung, mediastinum, bone'], ['I', 'invert'], ['F', 'fit'], ['Z', 'one to one'], ['+ −', 'zoom'], ['Arrows', 'move (film in focus)'], ['[ ] { }', 'window width, level (film in focus)'], ['L', 'marks'], ['C', 'prior: beside, slider, off'], ['Y', 'further films of the study'], ['Shift ← →', 'the slider (film in focus)']]],
  ['Tools', [['W', 'window'], ['V', 'move'], ['M', 'measure'], ['P', 'ask about a place: arrows move the box, Shift sizes it, Enter asks']]],
];
Object.assign(ACTS, {
  keys: openKeys, give: openGiving, draft: draftStudy, undo, add: () => addTo('findings'), sign: openSigning, export: () => openExport(),
  'prior-file': () => find('[data-file=prior]').click(),
});

app.addEventListener('click', (event) => {
  const on = event.target.closest('button');
  if (!find('.formats').hidden && !event.target.closest('.menu')) openExport(false);
  if (!on || on.disabled) return;
  if (on.dataset.do && ACTS[on.dataset.do]) ACTS[on.dataset.do]();
  else if (on.dataset.tool) choose(on.dataset.tool);
  else if (on.dataset.window) setWindow(on.dataset.window);
  else if (on.dataset.tab) show(on.dataset.tab);
  else if (on.dataset.language) setLanguage(on.dataset.language);
  else if (on.dataset.translate) translate(on.dataset.translate);
});

function setLanguage(language) {
  room.language = language;
  keep('language', language);
  for (const one of all('[data-language]')) one.setAttribute('aria-checked', String(one.dataset.language === language));
}

function translate(language) {
  if (room.report && !signed() && room.report.language !== language) act({ act: 'translate', language });
}

function openKeys() {
  const box = find('dialog.keys');
  box.replaceChildren();
  const title = make('h2', '', 'Keys'), sheet = make('div', 'sheet'); title.id = 'keys-title';
  for (const [name, keys] of KEYS) {
    const part = make('section'), list = make('dl');
    for (const [key, text] of keys) { const term = make('dt'); term.append(make('kbd', '', key)); list.append(term, make('dd', '', text)); }
    part.append(make('h3', '', name), list); sheet.append(part);
  }
  const line = make('label'), toggle = make('input'); toggle.type = 'checkbox'; toggle.checked = room.singleKeys;
  toggle.addEventListener('change', () => { room.singleKeys = toggle.checked; keep('keys', toggle.checked ? 'on' : 'off'); });
  line.append(toggle, ' Single keys act (without Ctrl or Alt)');
  const row = make('div', 'row');
  row.append(button('Close', () => box.close()));
  box.append(title, sheet, line, row);
  box.showModal();
}

const chosenOr = (act) => () => { if (room.chosen && room.report && !signed()) act(room.chosen); };
const PRESS = {
  '?': openKeys, o: openGiving, b: () => find('.studies').focus(), d: draftStudy, '/': () => { show('ask'); find('[name=question]').focus(); },
  j: () => step(1), k: () => step(-1), g: () => { if (room.report) openExport(); }, s: openSigning, n: () => addTo('findings'),
  u: () => { if (!find('[data-do=undo]').disabled) undo(); }, t: () => { if (room.report) translate(room.report.language === 'en' ? 'es' : 'en'); },
  a: chosenOr((id) => verdict(id, 'accept')), x: chosenOr((id) => verdict(id, 'reject')), r: chosenOr((id) => verdict(id, 'restore')), e: chosenOr(edit),
  q: () => { const tabs = all('[role=tab]'); const now = tabs.findIndex((one) => one.getAttribute('aria-selected') === 'true'); show(tabs[(now + 1) % tabs.length].dataset.tab, true); },
  1: () => setWindow('default'), 2: () => setWindow('lung'), 3: () => setWindow('mediastinum'), 4: () => setWindow('bone'),
  i: ACTS.invert, f: ACTS.fit, z: ACTS.one, l: ACTS.layers, c: ACTS.compare, y: nextFilm,
  '+': () => zoomAt(canvas.width / 2, canvas.height / 2, 1.2), '=': () => zoomAt(canvas.width / 2, canvas.height / 2, 1.2), '-': () => zoomAt(canvas.width / 2, canvas.height / 2, 1 / 1.2),
  w: () => choose('window'), v: () => choose('pan'), m: () => choose('measure'), p: () => { choose('point'); canvas.focus(); if (room.film) boxByKey({ key: '' }); paint(); },
};

document.addEventListener('keydown', (event) => {
  if (!document.body.contains(app) || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const on = event.target;
  if (on.closest('dialog, textarea, select') || (on.tagName === 'INPUT' && !['checkbox', 'range'].includes(on.type))) return;
  if (on.classList.contains('studies') && pressWorklist(event)) return;
  if (on.getAttribute('role') === 'tab' && (event.key === 'ArrowRight' || event.key === 'ArrowLeft')) {
    const tabs = all('[role=tab]'), now = tabs.indexOf(on), by = event.key === 'ArrowRight' ? 1 : -1;
    show(tabs[(now + by + tabs.length) % tabs.length].dataset.tab, true); event.preventDefault(); return;
  }
  if (on.classList.contains('sentence') && pressSentence(event, on.dataset.id)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!room.singleKeys && key !== '?') return;
  if (PRESS[key]) { event.preventDefault(); PRESS[key](); }
});

function pressSentence(event, id) {
  if (event.key === 'Enter') { if (room.chosen === id && !signed()) edit(id); else chooseSentence(id); }
  else if (event.key === ' ') chooseSentence(id);
  else if (event.key === 'ArrowDown') step(1);
  else if (event.key === 'ArrowUp') step(-1);
  else { room.chosen = id; markSentences(); return false; }
  event.preventDefault();
  return true;
}

function pressWorklist(event) {
  const now = room.studies.findIndex((one) => one.id === room.study), most = room.studies.length - 1;
  const next = { ArrowDown: Math.min(most, now + 1), ArrowUp: Math.max(0, now - 1), Home: 0, End: most }[event.key];
  if (event.key === 'Delete' && now >= 0) { removeStudy(room.studies[now]); event.preventDefault(); return true; }
  if (next === undefined || most < 0) return false;
  event.preventDefault();
  openStudy(room.studies[next].id);
  return true;
}

find('[data-file=study]').addEventListener('change', (event) => { give(event.target.files[0]); event.target.value = ''; });
find('[data-file=prior]').addEventListener('change', (event) => { givePrior(event.target.files[0]); event.target.value = ''; });
find('.order').addEventListener('submit', (event) => { event.preventDefault(); draftStudy(); });
const stage = find('.stage');
app.addEventListener('dragover', (event) => { event.preventDefault(); stage.classList.add('over'); });
app.addEventListener('dragleave', (event) => { if (!app.contains(event.relatedTarget)) stage.classList.remove('over'); });
app.addEventListener('drop', (event) => { event.preventDefault(); stage.classList.remove('over'); give(event.dataTransfer.files[0]); });

async function begin() {
  room.singleKeys = kept('keys') !== 'off';
  setLanguage(kept('language') === 'es' ? 'es' : 'en');
  writeReport(); writeTalk([]); tellEvidence(null); tellAbout(); steps(null); paint();
  await loadWorklist();
  const last = room.studies.find((one) => one.id === kept('study')) || room.studies[room.studies.length - 1];
  if (last) await openStudy(last.id); else emptyStage();
  app.dataset.busy = 'no';
}
begin();
