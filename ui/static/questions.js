// Sample questions: a click asks one. They hide as soon as the box is filled, so keyboards go on in the box.
element.addEventListener('click', (event) => {
  const chosen = event.target.closest('[data-question]');
  if (!chosen) return;
  trigger('ask', { question: chosen.dataset.question });
  if (event.detail === 0) document.querySelector('#query textarea, #query input')?.focus();
});
