// Runs: opening, comparing, acting on one; values under the pointer. Ticks and folds survive redrawing.
const picked = new Set();
const folds = new Set();
const show = () => {
  const boxes = [...element.querySelectorAll('[data-pick]')];
  const known = new Set(boxes.map((box) => box.dataset.pick));
  [...picked].forEach((name) => known.has(name) || picked.delete(name));
  boxes.forEach((box) => (box.checked = picked.has(box.dataset.pick)));
  const compare = element.querySelector('[data-compare]');
  if (compare) {
    compare.hidden = picked.size < 2;
    compare.textContent = `Compare ${picked.size} runs`;
  }
  element.querySelectorAll('details[data-fold]').forEach((fold) => {
    fold.open = folds.has(fold.dataset.fold);
    const log = fold.dataset.fold === 'log' && fold.querySelector('pre');
    if (log) log.scrollTop = log.scrollHeight;
  });
};
element.addEventListener('change', (event) => {
  const name = event.target.dataset.pick;
  if (!name) return;
  event.target.checked ? picked.add(name) : picked.delete(name);
  show();
});
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  const summary = event.target.closest('summary');
  if (summary) {
    const fold = summary.parentElement;
    fold.open ? folds.delete(fold.dataset.fold) : folds.add(fold.dataset.fold);
    return;
  }
  if (!button) return;
  if (button.dataset.open) return trigger('open', { run: button.dataset.open });
  if ('new' in button.dataset) return trigger('open', { run: 'new' });
  if ('compare' in button.dataset) return trigger('open', { run: `compare:${[...picked].join(',')}` });
  const act = button.dataset.act;
  if (!act) return;
  if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
  button.disabled = true;
  setTimeout(() => (button.disabled = false), 4000);
  trigger('act', { action: act, run: element.querySelector('[data-run]')?.dataset.run || '' });
});
element.addEventListener('pointermove', (event) => {
  const plot = event.target.closest('.plot');
  if (!plot) return;
  const data = JSON.parse(plot.parentElement.dataset.chart);
  const place = plot.getBoundingClientRect();
  const x = data.left + ((event.clientX - place.left) / place.width) * (data.right - data.left);
  const near = data.series.map((one) => ({
    label: one.label,
    point: one.points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best)),
  }));
  const step = near[0].point[0];
  const share = (step - data.left) / (data.right - data.left);
  const [cross, tip] = [plot.querySelector('.cross'), plot.querySelector('.tip')];
  cross.hidden = tip.hidden = false;
  cross.style.left = `${share * 100}%`;
  tip.style.left = `${share * 100}%`;
  tip.classList.toggle('flip', share > 0.6);
  tip.textContent = [`step ${step}`, ...near.map((one) => `${one.label ? `${one.label} ` : ''}${one.point[1]}`)].join(' · ');
});
element.addEventListener('pointerout', (event) => {
  const plot = event.target.closest('.plot');
  if (plot && !plot.contains(event.relatedTarget)) plot.querySelectorAll('.cross, .tip').forEach((one) => (one.hidden = true));
});
// The list follows the runs while its tab is seen, also an empty one: runs start elsewhere too, as in a terminal.
if (element.closest('#train-runs')) {
  const look = () => {
    if (!element.isConnected) return clearInterval(looking);
    if (!document.hidden && element.closest('#tab-train').offsetParent !== null) trigger('refresh', {});
  };
  const looking = setInterval(look, 2000);
  document.addEventListener('visibilitychange', look);
}
watch('value', show);
