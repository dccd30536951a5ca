// Language chips filter; "search everywhere" leaves the document.
element.addEventListener('click', (event) => {
  const chip = event.target.closest('[data-language]');
  if (chip) return trigger('facet', { language: chip.dataset.language });
  if (event.target.closest('[data-everywhere]')) trigger('widen', {});
});
