// Pause, go on with or forget a watched folder.
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-action]');
  if (!button) return;
  button.disabled = true;
  trigger('change_folder', { path: button.closest('[data-path]').dataset.path, action: button.dataset.action });
});
