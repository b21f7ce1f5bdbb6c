// Questions about the study, places pointed at, and a pasted report checked.
function talkLine(turn) {
  const you = make('div', 'you', turn.question), it = make('div', 'it'), text = make('div', '', turn.answer);
  if (turn.language) text.lang = turn.language;
  it.append(text);
  for (const note of turn.edit ? turn.edit.notes : []) { const line = make('div', 'note warn'), body = make('span', '', note); if (turn.language) body.lang = turn.language; line.append(make('span', 'mark', 'i'), body); it.append(line); }
  const chips = make('div', 'chips');
  for (const id of turn.evidence) chips.append(chip(id));
  if (turn.edit && !signed()) {
    const { kind, sentence, text } = turn.edit;
    const wanted = kind === 'remove' ? { act: 'reject', sentence } : kind === 'add' ? { act: 'add', section: 'findings', text } : { act: 'reword', sentence, text };
    const made = button(kind === 'remove' ? `Reject ${sentence}` : kind === 'add' ? 'Add it' : `Change ${sentence}`, async () => { if (await act(wanted)) made.remove(); });
    made.title = text;
    chips.append(made);
  }
  if (chips.children.length) it.append(chips);
  it.append(whoAnswered(turn));
  return [you, it];
}

// Who chose and worded an answer, and why a model's own does not stand where that is so.
function whoAnswered(turn) {
  const line = make('div', 'by', turn.writer === 'served' ? `Worded by ${turn.model}; read back against the evidence.` : turn.note || 'Answered by rules from the evidence.');
  if (turn.note && turn.language) line.lang = turn.language;
  return line;
}

// A question at once, with a place for its answer; what a model writes of it is shown as pending.
function talkPending(question) {
  const said = find('.said'), empty = find('p.quiet', said);
  if (empty) empty.remove();
  const you = make('div', 'you', question), it = make('div', 'it pending'), text = make('div', '', 'Looking it up…');
  it.setAttribute('aria-busy', 'true');
  it.append(text);
  said.append(you, it);
  said.scrollTop = said.scrollHeight;
  return { you, it, text, over: false };
}

async function hear(study, line) {
  let seen = 0;
  while (!line.over && room.study === study) {
    const news = await call('hearing', { study, seen });
    if (!news || line.over) return;
    seen = news.seen;
    if (!news.words) continue;
    line.text.textContent = news.words;
    if (!find('.by', line.it)) line.it.append(make('div', 'by', 'Being written; not yet read back against the evidence.'));
    find('.said').scrollTop = find('.said').scrollHeight;
  }
}

function writeTalk(turns) {
  const said = find('.said');
  said.replaceChildren();
  if (!turns.length) said.append(make('p', 'quiet', room.report ? 'Answers come from the evidence of this draft. Draw a box on the film with “Ask here”, or type.' : 'Once the study is drafted, it can be asked about.'));
  for (const turn of turns) said.append(...talkLine(turn));
  said.scrollTop = said.scrollHeight;
  const row = find('.suggested');
  row.replaceChildren();
  for (const text of room.basis ? room.basis.suggested : []) row.append(button(text, () => ask(text)));
}

// The answer in the place of what was pending, and what it lights up on the film.
function settle(line, turn) {
  const said = find('.said');
  line.over = true;
  const [you, it] = talkLine(turn);
  line.you.replaceWith(you); line.it.replaceWith(it);
  said.scrollTop = said.scrollHeight;
  const shown = turn.show.filter((id) => room.basis && room.basis.evidence[id]);
  if (turn.hide.length) { for (const id of turn.hide) eye.marks[id] = false; light([]); }
  else if (shown.length) light(shown, true);
}

async function answered(question, asking, listen = false) {
  const study = room.study, line = talkPending(question);
  if (listen) hear(study, line);
  const answer = await asking(study);
  line.over = true;
  if (room.study !== study) return false;
  if (answer) { settle(line, answer); return true; }
  line.it.className = 'it failed'; line.it.removeAttribute('aria-busy');
  line.it.replaceChildren('No answer came. Ask again.');
  return false;
}

async function ask(text) {
  if (!room.report || !text.trim()) return;
  show('ask');
  const field = find('[name=question]');
  field.value = ''; field.disabled = true;
  const came = await answered(text, (study) => call('ask', { study, question: text }), room.opened.converses);
  field.disabled = false;
  if (document.activeElement === document.body) field.focus();  // nobody has moved on meanwhile
  if (!came && !field.value) field.value = text;
}

async function askPlace(box) {
  if (!room.report) { say('Draft the study first; the answer comes from its evidence.'); return; }
  show('ask');
  await answered('What is here?', (study) => call('point', { study, box }));
}

find('.question').addEventListener('submit', (event) => { event.preventDefault(); ask(find('[name=question]').value); });

find('.check').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = find('[name=report]').value, study = room.study, items = find('.items');
  if (!text.trim() || !study) return;
  items.replaceChildren(make('p', 'quiet', room.report ? 'Reading the report…' : 'The experts look at the film first; that takes some seconds…'));
  const answer = await call('review', { study, report: text });
  if (room.study !== study) return;
  items.replaceChildren();
  if (!answer) return;
  if (!answer.items.length && !answer.questions.length) items.append(make('p', 'quiet', 'Nothing to compare was read in this text.'));
  for (const one of answer.items) {
    const line = make('div', `item ${one.type === 'agreed' ? 'agreed' : one.severity}`);
    line.append(make('b', '', `${raised(words(one.type))}${one.type === 'agreed' ? '' : ` (${one.severity})`}: ${[one.side, one.finding].filter(Boolean).join(' ')}`));
    if (one.sentence) line.append(make('div', 'quiet', `“${one.sentence}”`));
    line.append(make('div', '', one.reason));
    if (one.suggestion) line.append(make('div', '', `Proposed: ${one.suggestion}`));
    const chips = make('div', 'meta');
    for (const id of one.evidence) if (room.basis) chips.append(chip(id), ' ');
    line.append(chips);
    items.append(line);
  }
  for (const text of answer.questions) items.append(make('p', 'quiet', text));
});
