// The whole page: the header, the playground and the dashboard, of which one is on the screen, and the line to the server
// that both read.
import { useEffect, useState } from 'preact/hooks';
import { ServerLink } from './api/server-link.ts';
import { Banner } from './banner.tsx';
import { Dashboard } from './dashboard/dashboard.tsx';
import { Header, type View } from './header.tsx';
import { Playground } from './playground/playground.tsx';
import { useStored } from './stored.ts';

export function App() {
  const [apiKey, setApiKey] = useStored('api-key', '');
  const [link] = useState(() => new ServerLink(apiKey));
  const [server, setServer] = useState(link.view);
  const view = useView();
  useEffect(() => link.subscribe(setServer), [link]);
  useEffect(() => {
    link.apiKey = apiKey;
  }, [link, apiKey]);
  return (
    <>
      <Header view={view} server={server} />
      <Banner server={server} apiKey={apiKey} onApiKey={setApiKey} />
      <Playground server={server} apiKey={apiKey} onApiKey={setApiKey} visible={view === 'playground'} />
      {view === 'dashboard' && <Dashboard server={server} />}
    </>
  );
}

/** The view that the address names, so that it can be linked to and gone back from. */
function useView(): View {
  const read = (): View => (location.hash === '#dashboard' ? 'dashboard' : 'playground');
  const [view, setView] = useState(read);
  useEffect(() => {
    const onChange = () => setView(read());
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return view;
}
