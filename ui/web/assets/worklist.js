// The worklist: studies, adding one, having it drafted, and how the draft comes on.
const STATES = { new: 'not drafted', queued: 'waiting', drafting: 'being drafted', drafted: 'drafted', signed: 'signed', refused: 'refused', failed: 'failed' };

async function loadWorklist() {
  const answer = await call('worklist');
  if (!answer) return;
  writeUser(answer.user);
  room.studies = answer.studies; room.samples = answer.samples; room.formats = answer.formats;
  writeWorklist();
}

function writeUser(name) {
  room.user = name;
  const who = find('.who');
  who.replaceChildren();
  if (!name) return;
  const out = make('a', '', 'Log out');
  out.href = 'logout';
  who.append(`${name} · `, out);
}

function writeWorklist() {
  const list = find('.studies'), focused = document.activeElement === list;
  list.replaceChildren();
  if (!room.studies.length) list.append(make('li', 'quiet', 'No study yet. Drop a DICOM file, a ZIP, PNG or JPEG on the page.'));
  for (const study of room.studies) {
    const line = make('li', 'study'), text = make('div');
    line.setAttribute('role', 'option'); line.id = `study-${study.id}`;
    line.setAttribute('aria-selected', String(study.id === room.study));
    line.dataset.study = study.id;
    if (study.thumb) { const picture = make('img'); picture.src = study.thumb; picture.alt = ''; line.append(picture); } else line.append(make('span', 'no'));
    const kind = study.state === 'queued' || study.state === 'drafting' ? 'busy' : study.state;
    const more = study.state === 'drafted' ? (study.open ? `, ${study.open} to read` : ', read') : '';
    text.append(make('b', '', `Study ${study.number}`), make('small', kind, `${STATES[study.state]}${more}`));
    if (study.priors) text.append(make('small', '', study.priors > 1 ? `with ${study.priors} priors` : 'with prior'));
    line.append(text);
    if (study.state !== 'signed') { const drop = button('✕', () => removeStudy(study), 'drop'); drop.tabIndex = -1; drop.title = 'Remove this study'; drop.setAttribute('aria-hidden', 'true');  /* an option holds no button: Delete does it */ line.append(drop); }
    line.addEventListener('click', () => openStudy(study.id));
    list.append(line);
  }
  if (room.study) list.setAttribute('aria-activedescendant', `study-${room.study}`);
  if (focused) list.focus();
  order();
}

// A draft's turn has come: the worklist says so.
function told(study, state) {
  const own = room.studies.find((one) => one.id === study);
  if (own && own.state !== state) { own.state = state; writeWorklist(); }
}

function busy(id) {
  const own = room.studies.find((one) => one.id === id);
  return Boolean(own) && (own.state === 'queued' || own.state === 'drafting');
}

function order() {
  const study = room.studies.find((one) => one.id === room.study);
  const atWork = busy(room.study);
  const go = find('[data-do=draft]');
  go.disabled = !study || atWork || study.state === 'signed';
  go.firstChild.textContent = study && study.state === 'drafted' ? 'Draft again ' : 'Draft report ';
  find('[data-do=prior-file]').disabled = !study || atWork;
  find('[data-do=compare]').disabled = !(room.opened && room.opened.prior);
}

async function removeStudy(study) {
  if (!window.confirm(`Remove study ${study.number} with its draft and edits?`)) return;
  if (!await call('remove', { study: study.id })) return;
  if (room.study === study.id) { room.study = null; room.opened = null; room.report = null; room.basis = null; room.film = null; room.further = null; keep('study', ''); emptyStage(); writeFilms(); writeReport(); writeTalk([]); tellEvidence(null); tellAbout(); paint(); }
  loadWorklist();
}

async function openStudy(id) {
  if (room.study === id && room.opened) return;
  room.study = id; room.opened = null; room.film = null; room.prior = null; room.report = null; room.basis = null; room.chosen = null; room.editing = null; room.lit = []; room.about = [];
  writeWorklist();
  emptyStage('Opening the film…'); writeFilms(); writeReport(); paint();
  const answer = await call('open', { study: id });
  if (room.study !== id) return;
  if (!answer) { emptyStage('This study cannot be opened.'); return; }
  keep('study', id);
  room.opened = answer;
  [room.report, room.basis] = busy(id) ? [null, null] : [answer.report, answer.basis];
  await showFilm(answer.film);
  find('[data-do=compare]').setAttribute('aria-pressed', 'false'); find('.seam').hidden = true;
  find('[name=indication]').value = answer.indication;
  writeFilms();
  emptyStage(); writeReport(); writeTalk(answer.said); tellEvidence(null); tellAbout(); listMarks();
  find('.items').replaceChildren();
  await loadWorklist();
  const first = room.report && room.report.sentences.find((one) => one.present);
  if (first) chooseSentence(first.id, { tab: false });
  if (busy(id)) follow(id);
  else steps(room.basis ? [] : null);
}

function emptyStage(text = null) {
  const box = find('.stage .empty');
  box.replaceChildren();
  if (room.film && text === null) return;
  if (text) { box.append(make('p', '', text)); return; }
  box.append(make('strong', '', 'Drop a study here'), make('p', '', 'DICOM, a ZIP of DICOMs, PNG or JPEG. File names are not kept.'));
  box.append(button('Choose a file…', () => openGiving(), 'primary'));
  box.append(make('p', '', 'or open a synthetic sample'));
  const row = make('div', 'samples');
  for (const name of room.samples) { const made = button(raised(words(name)), () => takeSample(name)); made.dataset.sample = name; row.append(made); }
  box.append(row);
}

async function takeSample(name) { say('Making the sample…'); await taken(call('sample', { name })); }

async function taken(answering) {
  const answer = await answering;
  await loadWorklist();
  if (answer) await openStudy(answer.study);
  return answer;
}

async function sent(file) {
  // The file's own name is not told: it may name the patient.
  const plain = new File([file], 'study', { type: 'application/octet-stream' });
  try { return (await upload(plain)).path; } catch (fault) { say('The file could not be sent. It may be larger than 256 MB.', true); return null; }
}

async function give(file, prior = null) {
  if (!file) return;
  say('Reading the study…');
  const path = await sent(file), before = prior ? await sent(prior) : null;
  if (!path || (prior && !before)) return;
  if (await taken(call('give', before ? { path, prior: before } : { path }))) say('Added to the worklist.');
}

async function givePrior(file) {
  const study = room.study;
  if (!file || !study) return;
  const path = await sent(file);
  if (!path || !await call('give', { study, prior: path })) return;
  room.opened = null;
  await openStudy(study);
  if (await compare('beside') !== null) say(room.report ? 'The prior is beside the film. Draft again to have it compared.' : 'The prior is beside the film.');
}

function openGiving() {
  const box = find('dialog.giving');
  box.replaceChildren();
  const title = make('h2', '', 'Add a study'); title.id = 'give-title';
  const form = make('form');
  const field = (text, required) => { const label = make('label', '', text), input = make('input'); input.type = 'file'; input.required = required; label.append(input); form.append(make('p')); form.lastChild.append(label); return input; };
  const study = field('Study: DICOM, a ZIP of DICOMs (its older studies become priors), PNG or JPEG', true), prior = field('Its prior, if there is one', false);
  const row = make('div', 'row'), go = make('button', 'primary', 'Add');
  row.append(button('Cancel', () => box.close()), go);
  const list = make('div', 'samples');
  for (const name of room.samples) list.append(button(raised(words(name)), () => { box.close(); takeSample(name); }));
  form.append(row);
  form.addEventListener('submit', (event) => { event.preventDefault(); box.close(); give(study.files[0], prior.files[0]); });
  box.append(title, form, make('p', 'quiet', 'Or a synthetic sample:'), list);
  box.showModal();
  study.focus();
}

async function draftStudy() {
  const study = room.study;
  if (!study || find('[data-do=draft]').disabled) return;
  if (room.report && room.report.acts && !window.confirm('Draft again? The edits of this draft will be lost.')) return;
  if (!await call('start', { study, language: room.language, indication: find('[name=indication]').value })) return;
  const own = room.studies.find((one) => one.id === study);
  if (own) own.state = 'queued';
  room.report = null; room.basis = null; room.chosen = null;
  writeWorklist(); writeReport(); writeTalk([]); tellEvidence(null); listMarks(); light([]);
  follow(study);
}

// Follow a draft to its end: every expert as it answers, every sentence as it passes its read-back.
async function follow(study) {
  if (room.following.has(study)) return;
  room.following.add(study);
  const done = [], stream = [];
  let seen = 0;
  for (;;) {
    const news = await call('progress', { study, seen });
    if (!news) break;
    seen = news.seen;
    if (!news.over) told(study, news.state);
    for (const one of news.events) {
      if (!one.sentence) { done.push(one); continue; }
      const known = stream.findIndex((before) => before.id === one.id);
      if (known < 0) stream.push(one); else stream[known] = one;
    }
    if (room.study === study) { steps(done, news.state); if (stream.length) writeStream(stream); tellDrafting(news.state, done, stream); }
    if (news.over) {
      if (news.state !== 'drafted') say(news.detail || 'The draft failed.', true);
      if (room.study === study) {
        if (news.state === 'drafted') { room.chosen = null; await reopen(study); } else { await reopen(study); if (!room.report) failed(news); }
      }
      break;
    }
  }
  room.following.delete(study);
  await loadWorklist();
}

async function reopen(study) {
  const answer = await call('open', { study });
  if (!answer || room.study !== study) return;
  room.opened = answer; room.report = answer.report; room.basis = answer.basis;
  writeReport(); writeTalk(answer.said); tellAbout(); listMarks();
  const first = room.report && (room.report.sentences.find((one) => one.present) || room.report.sentences.find((one) => one.claims));
  if (first) chooseSentence(first.id);
}

function failed(news) {
  const pane = find('.report');
  pane.replaceChildren(make('div', 'hint', `${raised(STATES[news.state])}. ${news.detail}`));
}

// The report as it comes: what has been read back stands, what may still change is muted.
function writeStream(lines) {
  const pane = find('.report'), scroll = pane.scrollTop;
  pane.replaceChildren();
  for (const section of Object.keys(SECTIONS)) {
    const own = lines.filter((one) => one.section === section);
    if (own.length) pane.append(make('h3', '', SECTIONS[section]));
    for (const one of own) {
      const line = make('div', `sentence stream${one.stands ? '' : ' pending'}`), body = make('div');
      body.append(make('div', 'words', one.sentence), make('div', 'meta', one.stands ? 'read back' : 'being worded, not yet read back'));
      line.append(make('span', 'sign', one.stands ? SIGNS.open : '…'), body);
      pane.append(line);
    }
  }
  pane.scrollTop = scroll;
}

// How far the draft is, in one line: also for those who hear the page.
function tellDrafting(state, events, lines) {
  const heard = new Set(events.filter((one) => one.expert && one.phase === 'finished').map((one) => one.step)).size;
  const stand = lines.filter((one) => one.stands).length;
  const status = find('.status');
  const text = state === 'queued' ? 'Waiting: another draft is being made' : lines.length ? `Drafting: ${stand} of ${lines.length} sentences read back` : heard ? `Drafting: ${heard} expert${heard > 1 ? 's have' : ' has'} answered` : 'Drafting: the film is being examined';
  if (status.textContent !== text) { status.className = 'status'; status.textContent = text; }
}

function steps(events, state = '') {
  const list = find('.steps');
  list.replaceChildren();
  const line = (kind, sign, text, time, title = '') => { const one = make('li', kind); one.append(make('span', '', sign), make('span', '', text), make('span', '', time)); if (title) one.title = title; list.append(one); };
  if (state === 'queued') line('at', '…', 'waiting for its turn', '');
  const latest = new Map();
  for (const one of events || []) if (!(one.phase === 'note' && latest.has(one.step))) latest.set(one.step, one);
  for (const one of latest.values()) {
    const kinds = { finished: ['done', '✓'], failed: ['failed', '✕'], started: ['at', '…'], note: ['', '·'] };
    const [kind, sign] = kinds[one.phase] || ['', '·'];
    line(kind, sign, one.detail ? `${one.step}: ${one.detail}` : one.step, one.seconds ? `${one.seconds.toFixed(2)} s` : '', one.detail);
  }
  if (!latest.size && state !== 'queued') {
    const timings = room.basis ? Object.entries(room.basis.timings).filter(([name]) => name !== 'experts') : [];
    if (!timings.length) { line('', '', 'No draft is being made.', ''); return; }
    for (const [name, seconds] of timings) line('done', '✓', words(name.replace('experts.', '')), `${seconds.toFixed(2)} s`);
  }
  if (state) list.scrollTop = list.scrollHeight;
}
