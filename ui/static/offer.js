// The offer of a better model: yes starts it, no is remembered.
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-answer]');
  if (!button) return;
  element.querySelectorAll('button').forEach((one) => (one.disabled = true));
  trigger('answer', { answer: button.dataset.answer });
});
