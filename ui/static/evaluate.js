// Values open their languages; evaluations are cancelled, read and removed. Coming back to the tab asks for news.
element.addEventListener('click', (event) => {
  const cell = event.target.closest('[data-task]');
  if (cell) return trigger('choose', { task: cell.dataset.task, model: cell.dataset.model });
  const cancel = event.target.closest('[data-cancel]');
  if (cancel) {
    cancel.disabled = true;
    cancel.textContent = 'Stopping…';
    return trigger('cancel', { id: cancel.dataset.cancel });
  }
  const hide = event.target.closest('[data-hide]');
  if (hide) return trigger('hide', { id: hide.dataset.hide });
  const log = event.target.closest('[data-log]');
  if (log) return trigger('log', { id: log.dataset.log });
  const remove = event.target.closest('[data-remove]');
  if (remove && window.confirm('Remove this evaluation with its results?')) trigger('remove', { id: remove.dataset.remove });
});
