// One line per job. Coming back to a tab asks for news, so that work started elsewhere shows up.
element.addEventListener('click', (event) => {
  const cancel = event.target.closest('[data-cancel]');
  if (cancel) {
    cancel.disabled = true;
    cancel.textContent = 'Stopping…';
    return trigger('cancel', { job: cancel.dataset.cancel });
  }
  const fast = event.target.closest('[data-fast]');
  if (fast) {
    fast.disabled = true;
    return trigger('fast', { job: fast.dataset.fast });
  }
  const undo = event.target.closest('[data-undo]');
  if (undo) {
    undo.disabled = true;
    return trigger('undo', { collection: undo.dataset.undo });
  }
  const lost = event.target.closest('[data-lost]');
  if (lost) {
    lost.disabled = true;
    return trigger('lost', { job: lost.dataset.lost });
  }
  const dismiss = event.target.closest('[data-dismiss]');
  if (dismiss) trigger('dismiss', { job: dismiss.dataset.dismiss });
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) trigger('refresh', {});
});
