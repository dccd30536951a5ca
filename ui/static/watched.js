// Pause, go on with or forget a watched folder.
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-action]');
  if (!button) return;
  button.disabled = true;
  const folder = button.closest('[data-path]').dataset.path; // under the name path gradio would take it for a file
  trigger('change_folder', { folder, action: button.dataset.action });
});
