// Cards: the whole card chooses a passage; links inside it keep their own meaning; arrows walk through titles.
const choose = (card) => {
  document.querySelectorAll('#results .card[aria-current]').forEach((c) => c.removeAttribute('aria-current'));
  card.setAttribute('aria-current', 'true');
  trigger('select', { chunk: card.dataset.chunk, evidence: card.dataset.evidence || '' });
};
element.addEventListener('click', (event) => {
  const more = event.target.closest('[data-document]');
  if (more) return trigger('narrow', { document: more.dataset.document, title: more.dataset.title });
  const card = event.target.closest('.card');
  if (card && !String(window.getSelection())) choose(card);
});
element.addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches('button.title')) return;
  const titles = [...element.querySelectorAll('button.title')].filter((t) => t.offsetParent);
  const next = titles[titles.indexOf(event.target) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
});
watch('value', () => element.querySelectorAll('.card[aria-current]').forEach((c) => c.removeAttribute('aria-current')));
