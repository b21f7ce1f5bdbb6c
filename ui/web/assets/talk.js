// Questions about the study, places pointed at, and a pasted report checked.
function talkLine(turn) {
  const you = make('div', 'you', turn.question), it = make('div', 'it', turn.answer);
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
  return [you, it];
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

function addTurn(turn) {
  const said = find('.said');
  const empty = find('p.quiet', said);
  if (empty) empty.remove();
  said.append(...talkLine(turn));
  said.scrollTop = said.scrollHeight;
  const shown = turn.show.filter((id) => room.basis && room.basis.evidence[id]);
  if (turn.hide.length) { for (const id of turn.hide) eye.marks[id] = false; light([]); }
  else if (shown.length) light(shown, true);
}

async function ask(text) {
  const study = room.study;
  if (!room.report || !text.trim()) return;
  show('ask');
  const field = find('[name=question]');
  field.value = ''; field.disabled = true;
  const answer = await call('ask', { study, question: text });
  field.disabled = false; field.focus();
  if (answer && room.study === study) addTurn(answer);
}

async function askPlace(box) {
  if (!room.report) { say('Draft the study first; the answer comes from its evidence.'); return; }
  const study = room.study;
  show('ask');
  const answer = await call('point', { study, box });
  if (answer && room.study === study) addTurn(answer);
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
