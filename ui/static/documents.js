// The table of documents: choice survives re-rendering; actions carry the chosen ids.
const chosen = new Set();
const boxes = () => [...element.querySelectorAll('[data-id]')];
const show = () => {
  const present = boxes();
  const known = new Set(present.map((box) => box.dataset.id));
  [...chosen].forEach((id) => known.has(id) || chosen.delete(id));
  present.forEach((box) => {
    box.checked = chosen.has(box.dataset.id);
    box.closest('tr').classList.toggle('is-chosen', box.checked);
  });
  const all = element.querySelector('[data-all]');
  if (all) {
    all.checked = present.length > 0 && chosen.size === present.length;
    all.indeterminate = chosen.size > 0 && chosen.size < present.length;
  }
  const actions = element.querySelector('.actions');
  if (actions) {
    actions.hidden = chosen.size === 0;
    actions.querySelector('[data-chosen]').textContent = `${chosen.size} chosen`;
  }
};
element.addEventListener('change', (event) => {
  const box = event.target;
  if (box.matches('[data-all]')) boxes().forEach((b) => (box.checked ? chosen.add(b.dataset.id) : chosen.delete(b.dataset.id)));
  if (box.dataset.id) box.checked ? chosen.add(box.dataset.id) : chosen.delete(box.dataset.id);
  show();
});
element.addEventListener('click', (event) => {
  const sort = event.target.closest('[data-sort]');
  if (sort) return trigger('sort', { key: sort.dataset.sort });
  const act = event.target.closest('[data-act]')?.dataset.act;
  if (!act) return;
  const words = `Remove ${chosen.size} ${chosen.size === 1 ? 'document' : 'documents'} from the library? Files on disk stay.`;
  if (act === 'remove' && !window.confirm(words)) return;
  trigger(act === 'export' ? 'save' : 'act', { action: act, ids: [...chosen] });
});
watch('value', show);
