// The evidence of a sentence: who said what, how sure, what they disagree on, how others word it.
function chooseSentence(id, { keepLit = false, tab = true } = {}) {
  room.chosen = id;
  markSentences();
  const sentence = room.report && room.report.sentences.find((one) => one.id === id);
  if (!sentence) return;
  if (!keepLit) { room.about = []; light(shownBy(sentence), true); }
  if (tab) show('evidence');
  tellEvidence(sentence);
  const line = find(`.sentence[data-id="${CSS.escape(id)}"]`);
  if (line) line.scrollIntoView({ block: 'nearest' });
}

function shownBy(sentence) {
  const regions = sentence.entries.flatMap((key) => (room.basis.ledger[key] || { regions: [] }).regions);
  return [...new Set([...sentence.evidence, ...(sentence.present ? regions : [])])];
}

function tellEvidence(sentence) {
  const panel = find('[data-panel=evidence]');
  panel.replaceChildren();
  if (!sentence) { panel.append(make('p', 'quiet', 'Point at a sentence, or at the film: what it rests on opens here.')); return; }
  if (sentence.origin === 'person') panel.append(make('p', 'quiet', 'Written by a person. What the experts say of the findings it names:'));
  const entries = sentence.entries.map((key) => room.basis.ledger[key]).filter(Boolean);
  if (!entries.length) panel.append(make('p', 'quiet', sentence.claims ? 'No expert judged this.' : 'It describes the examination and claims no finding.'));
  for (const entry of entries) panel.append(tellEntry(entry));
  const alike = sentence.neighbours.map((number) => room.basis.neighbours[number]).filter(Boolean);
  if (alike.length) {
    panel.append(make('h2', '', 'Similar reports say'));
    for (const one of alike) {
      const quote = make('p', 'alike', one.text);
      quote.prepend(make('span', 'quiet', `${share(one.similarity)}  `));
      panel.append(quote);
    }
    panel.append(make('p', 'quiet', 'They steer wording only; no finding enters the report from them.'));
  }
}

function tellEntry(entry) {
  const box = make('div', 'because');
  const head = make('div', 'headline');
  head.append(make('span', '', raised([entry.title, entry.place || entry.side].filter(Boolean).join(', '))), make('span', '', `${entry.decided} · ${share(entry.probability)}`));
  box.append(head, tellBar(entry));
  box.append(make('p', 'quiet', entry.reason));
  const table = make('table');
  const top = make('tr');
  for (const [text, kind] of [['Evidence', ''], ['Expert', ''], ['Says', ''], ['Prob.', 'number'], ['Operating point', 'number'], ['Weight', 'number']]) { const cell = make('th', kind, text); cell.scope = 'col'; top.append(cell); }
  table.append(top);
  for (const vote of entry.votes) {
    const item = room.basis.evidence[vote.evidence], row = make('tr'), cell = make('td');
    cell.append(chip(vote.evidence));
    row.append(cell, make('td', '', words(vote.expert)));
    const wording = item && item.text && item.kind !== 'measurement' ? `: “${item.text}”` : item && item.measured ? `: ${item.title} ${measured(item)}` : '';
    const says = make('td', vote.polarity === 'present' ? 'for' : 'against', `${vote.polarity}${wording}`);
    row.append(says, make('td', 'number', share(vote.probability)), make('td', 'number', item && item.thresholds ? share(item.thresholds[1]) : ''), make('td', 'number', vote.weight ? (vote.weight > 0 ? '+' : '') + vote.weight.toFixed(1) : ''));
    table.append(row);
  }
  if (entry.votes.length) box.append(table);
  for (const clash of entry.disagreements) box.append(make('p', 'clash', `Disagreement in ${words(clash.type)}: ${words(clash.detail).replace(/\.$/, '')}; settled by ${clash.settled_by.replace(/\.$/, '')}.`));
  return box;
}

// The pooled probability, with the operating points of the classifier where it voted.
function tellBar(entry) {
  const bar = make('div', 'bar');
  const fill = make('i');
  fill.style.width = `${Math.round(entry.probability * 100)}%`;
  bar.append(fill);
  const judged = entry.votes.map((vote) => room.basis.evidence[vote.evidence]).find((item) => item && item.thresholds);
  for (const point of judged ? judged.thresholds : []) { const tick = make('u'); tick.style.left = `${point * 100}%`; bar.append(tick); }
  bar.setAttribute('role', 'img');
  bar.setAttribute('aria-label', `Probability ${share(entry.probability)}${judged ? `; operating points ${judged.thresholds.map(share).join(', ')}` : ''}`);
  bar.title = bar.getAttribute('aria-label');
  return bar;
}

function tellAbout() {
  const panel = find('[data-panel=about]');
  panel.replaceChildren();
  const film = room.film, basis = room.basis;
  if (!film) { panel.append(make('p', 'quiet', 'Choose a study.')); return; }
  const facts = make('dl');
  const fact = (name, text) => { if (text) facts.append(make('dt', '', name), make('dd', '', text)); };
  fact('Film', `${film.width} × ${film.height}, ${film.levels > 255 ? '12' : '8'} bits shown, ${film.view}${film.view_source === 'guessed' ? ' (estimated)' : ''}`);
  fact('Spacing', film.spacing ? `${film.spacing.row.toFixed(3)} × ${film.spacing.column.toFixed(3)} ${PROVENANCE[film.spacing.provenance] || 'mm'}` : 'not recorded: no millimetres');
  for (const note of film.notes) fact('Note', note);
  if (basis) {
    fact('Written by', words(room.report.writer));
    fact('Signed', room.report.signed);
    for (const one of basis.measurements) fact(one.name, `${one.value} (${one.evidence})`);
    for (const one of basis.gate) fact('Gate', one);
    for (const one of basis.experts) fact('Not at work', `${words(one.role)}: ${words(one.status)}. ${one.detail}`);
    for (const one of basis.warnings) fact('Warning', one);
    for (const one of basis.models) fact(words(one.role), `${one.name} ${one.version}; ${one.licence}`);
    fact('Seconds', Object.entries(basis.timings).map(([step, seconds]) => `${words(step.replace('experts.', ''))} ${seconds.toFixed(2)}`).join(', '));
  }
  panel.append(facts);
}
