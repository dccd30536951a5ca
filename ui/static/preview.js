// Brings the chosen passage into view inside the preview, without moving the page (wide) or by moving to it (narrow).
const behavior = window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
watch('value', () => {
  const mark = element.querySelector('mark') || element.querySelector('.chosen');
  const reading = element.querySelector('.reading');
  if (!mark || !reading) return;
  const offset = mark.getBoundingClientRect().top - reading.getBoundingClientRect().top;
  reading.scrollTop += offset - reading.clientHeight / 3;
  if (window.matchMedia('(max-width: 860px)').matches) {
    element.closest('#preview-column')?.scrollIntoView({ behavior, block: 'start' });
  }
});
element.addEventListener('click', (event) => {
  const similar = event.target.closest('[data-similar]');
  if (similar) {
    document.querySelector('#status')?.scrollIntoView({ behavior, block: 'nearest' }); // where what is found stands
    return trigger('similar', { languages: similar.dataset.similar });
  }
  if (event.target.closest('[data-back]')) {
    document.querySelector('#results .card[aria-current]')?.scrollIntoView({ behavior, block: 'center' });
  }
});
