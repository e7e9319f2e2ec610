// The little that needs a script: what an element's data-tip says follows the pointer or finger, and the command can be
// copied. Nothing is lost without it: every number a tip tells stands in a table or a caption too.
import { type Markup, trusted } from './markup.ts';

export const script: Markup = trusted(`
(() => {
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  document.body.append(tip);
  const show = (event) => {
    const element = event.target.closest ? event.target.closest('[data-tip]') : null;
    const text = element && element.dataset.tip;
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(6, Math.min(event.clientX + 14, innerWidth - width - 6)) + 'px';
    tip.style.top = (event.clientY > height + 24 ? event.clientY - height - 12 : event.clientY + 20) + 'px';
  };
  addEventListener('pointermove', show);
  addEventListener('pointerdown', show);
  addEventListener('scroll', () => { tip.hidden = true; }, { passive: true });
  for (const button of document.querySelectorAll('button[data-copy]')) {
    const source = button.parentElement.querySelector('code');
    button.hidden = false;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = 'Selected';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 1600);
    });
  }
})();
`);
