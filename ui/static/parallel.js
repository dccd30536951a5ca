// Parallel text: the list, the run, the threshold, and pairs with keys. Choice survives redrawing.
let current = null;
let place = 0;
let hasFocus = false;
let onLine = false;
let editing = null;
const rows = () => [...element.querySelectorAll('.bt-pairs > li')];
// Whoever types elsewhere, as in a filter, keeps the focus when pairs are drawn again.
const isFree = () => document.activeElement === document.body || element.contains(document.activeElement);
const visible = () => element.offsetParent !== null;
const stand = (row, scroll) => {
  if (!row) return;
  rows().forEach((one) => one.classList.toggle('is-current', one === row));
  current = row.dataset.number;
  place = rows().indexOf(row);
  if (hasFocus && !editing && isFree()) row.focus({ preventScroll: true });
  if (scroll) row.scrollIntoView({ block: 'nearest' });
};
const move = (step) => stand(rows()[Math.min(rows().length - 1, Math.max(0, place + step))], true);
const decide = (row, state) => {
  const toggled = row.classList.contains(state) ? 'open' : state;
  row.classList.remove('open', 'accepted', 'rejected');
  row.classList.add(toggled);
  trigger('decide', { number: Number(row.dataset.number), state: toggled });
  if (toggled !== 'open') move(1);
};
const edit = (row) => {
  if (row.querySelector('[data-long]')) return trigger('long', {});
  if (editing) stopEditing();
  editing = row.dataset.number;
  row.classList.add('is-edited');
  row.querySelectorAll('p.source, p.target').forEach((side) => {
    const box = document.createElement('textarea');
    box.className = side.className;
    box.dir = 'auto';
    box.lang = side.lang;
    box.value = side.textContent;
    box.rows = Math.min(8, Math.max(2, Math.ceil(side.textContent.length / 45)));
    box.setAttribute('aria-label', side.className);
    side.hidden = true;
    side.after(box);
  });
  const acts = document.createElement('div');
  acts.className = 'acts editing';
  acts.innerHTML = '<button type="button" data-save>Save</button><button type="button" data-leave>Leave as it is</button>';
  row.append(acts);
  row.querySelector('textarea').focus();
};
const stopEditing = () => {
  const row = rows().find((one) => one.dataset.number === editing);
  editing = null;
  if (!row) return;
  row.classList.remove('is-edited');
  row.querySelectorAll('textarea, .acts.editing').forEach((one) => one.remove());
  row.querySelectorAll('p').forEach((side) => (side.hidden = false));
};
const save = (row) => {
  const [left, right] = [...row.querySelectorAll('textarea')].map((box) => box.value); // `target` is gradio's word
  const number = Number(row.dataset.number);
  stopEditing();
  hasFocus = true;
  stand(row);
  trigger('edit', { number, left, right });
};
const show = () => {
  editing = null;
  if (onLine && isFree()) element.querySelector('input[type=range]')?.focus({ preventScroll: true });
  const all = rows();
  if (!all.length) return;
  const wanted = element.querySelector('[data-focus]')?.dataset.focus;
  const known = all.find((row) => row.dataset.number === (wanted ?? current)) || all.find((row) => row.dataset.number === current);
  stand(known || all[Math.min(place, all.length - 1)]);
};
element.addEventListener('focusin', (event) => {
  hasFocus = true;
  onLine = event.target.type === 'range';
});
element.addEventListener('focusout', (event) => {
  if (event.relatedTarget) onLine = false; // there is none when a redrawing takes the line away
});
element.addEventListener('pointerdown', (event) => {
  const row = event.target.closest('.bt-pairs > li');
  if (row && !event.target.closest('textarea')) stand(row);
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button || button.disabled) return;
  if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
  const row = button.closest('.bt-pairs > li');
  const { open, remove, cancel, again, act, page, all } = button.dataset;
  if (open) return trigger('open', { id: open });
  if (remove) return trigger('remove', { id: remove });
  if (cancel) {
    button.disabled = true;
    button.textContent = 'Stopping…';
    return trigger('cancel', { id: cancel });
  }
  if (again) {
    button.disabled = true;
    return trigger('again', { id: again });
  }
  if (row && 'save' in button.dataset) return save(row);
  if (row && 'leave' in button.dataset) return stopEditing();
  if (row && act === 'edit') return edit(row);
  if (row && act) return decide(row, act);
  if (page !== undefined) {
    place = 0;
    current = null;
    element.scrollIntoView({ block: 'start' });
    return trigger('turn', { page: Number(page) });
  }
  if (all) return trigger('all', { state: all });
  if ('undo' in button.dataset) return trigger('undo', {});
  if ('score' in button.dataset) {
    button.disabled = true;
    trigger('score', {});
  }
});
const line = (input) => {
  const [low, high] = [Number(input.min), Number(input.max)];
  const value = Number(input.value);
  element.querySelector('.hist').style.setProperty('--at', `${(100 * (value - low)) / (high - low)}%`);
  element.querySelector('[data-line]').textContent = `threshold ${value.toFixed(3)}`;
};
element.addEventListener('input', (event) => event.target.type === 'range' && line(event.target));
element.addEventListener('change', (event) => {
  if (event.target.type === 'range') trigger('line', { value: Number(event.target.value) });
});
const onKey = (event) => {
  if (!element.isConnected) return document.removeEventListener('keydown', onKey);
  if (!visible() || !rows().length || event.altKey || event.isComposing) return;
  const row = rows()[place];
  if (event.target.matches?.('.bt-pairs textarea')) {
    if (event.key === 'Escape') {
      stopEditing();
      hasFocus = true;
      stand(row);
    }
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save(event.target.closest('li'));
    return;
  }
  if (event.ctrlKey || event.metaKey || event.target.closest?.('input, textarea, select, [contenteditable]')) return;
  const inside = element.contains(event.target);
  if (event.key.startsWith('Arrow') && !inside) return;
  const acts = {
    j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
    a: () => decide(row, 'accepted'), r: () => decide(row, 'rejected'), e: () => edit(row), u: () => trigger('undo', {}),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  hasFocus = true;
  act();
};
document.addEventListener('keydown', onKey);
const look = () => {
  if (!document.hidden && element.dataset.looks !== 'no' && element.querySelector('.runs')) trigger('refresh', {});
};
document.addEventListener('visibilitychange', look);
window.addEventListener('focus', look);
watch('value', show);
