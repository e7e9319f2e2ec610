// The theme: the system's, or the one the reader chose. Style sheets read it from the root element; theme.js sets it
// there before the first paint.
import { useEffect } from 'preact/hooks';
import { useStored } from './stored.ts';

export type Theme = 'system' | 'light' | 'dark';

const next: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' };

/** The theme and a function that goes on to the next one. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useStored<Theme>('theme', 'system');
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event('themechange'));
  }, [theme]);
  return [theme, () => setTheme(next[theme])];
}

/** Calls `watcher` whenever colours change, by the reader's choice or the system's. */
export function watchTheme(watcher: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  system.addEventListener('change', watcher);
  document.addEventListener('themechange', watcher);
  return () => {
    system.removeEventListener('change', watcher);
    document.removeEventListener('themechange', watcher);
  };
}
