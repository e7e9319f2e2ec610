// The playground: one conversation per mode, the box to write in, and the settings beside it.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ServerView } from '../api/server-link.ts';
import { useStored } from '../stored.ts';
import { Composer } from './composer.tsx';
import type { Mode } from './conversation.ts';
import { initialSettings } from './settings.ts';
import { SettingsPanel } from './settings-panel.tsx';
import { TurnView } from './turn-view.tsx';
import { useConversation } from './use-conversation.ts';
import { useShortcuts } from './use-shortcuts.ts';

export interface PlaygroundProps {
  readonly server: ServerView;
  readonly apiKey: string;
  readonly onApiKey: (apiKey: string) => void;
  /** Whether it is on the screen; an answer goes on while it is not. */
  readonly visible: boolean;
}

const modes: readonly (readonly [Mode, string])[] = [
  ['chat', 'Chat'],
  ['completion', 'Completion'],
];

export function Playground({ server, apiKey, onApiKey, visible }: PlaygroundProps) {
  const [mode, setMode] = useStored<Mode>('mode', 'chat');
  const [settings, setSettings] = useStored('settings', initialSettings);
  const [drafts, setDrafts] = useStored<Readonly<Record<Mode, string>>>('drafts', {
    chat: '',
    completion: '',
  });
  const [settingsOpen, setSettingsOpen] = useState(false);
  const conversations = {
    chat: useConversation({ mode: 'chat', settings, apiKey }),
    completion: useConversation({ mode: 'completion', settings, apiKey }),
  };
  const conversation = conversations[mode];
  const { turns, running } = conversation;
  const box = useRef<HTMLTextAreaElement>(null);
  const log = useRef<HTMLDivElement>(null);
  useShortcuts({ box, visible, onStop: conversation.stop });
  useFollow(log, turns, mode);
  // On a large screen one may write at once; on a phone the keyboard would cover the page.
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) box.current?.focus();
  }, []);

  const obstacle = obstacleOf(server);
  const what = mode === 'chat' ? 'conversation' : 'text';
  const text = drafts[mode];
  const setText = (draft: string) => setDrafts({ ...drafts, [mode]: draft });
  const send = () => {
    if (running || obstacle !== undefined || text.trim() === '') return;
    conversation.send(text);
    setText('');
  };

  return (
    <main class="playground" hidden={!visible} aria-label="Playground">
      <div class="conversation">
        <div class="bar">
          <fieldset class="segments">
            <legend class="hidden">Mode</legend>
            {modes.map(([value, label]) => (
              <label key={value}>
                <input type="radio" name="mode" checked={mode === value} onChange={() => setMode(value)} />
                <span>{label}</span>
              </label>
            ))}
          </fieldset>
          <button
            type="button"
            class="quiet"
            aria-label={`New ${what}`}
            disabled={turns.length === 0}
            onClick={conversation.clear}
          >
            New <span class="what">{what}</span>
          </button>
          <button
            type="button"
            class="quiet settings-toggle"
            aria-expanded={settingsOpen}
            aria-controls="settings"
            onClick={() => setSettingsOpen(!settingsOpen)}
          >
            Settings
          </button>
        </div>
        <div class="log" ref={log} role="log" aria-label="Conversation">
          {turns.length === 0 && <Welcome mode={mode} onPick={setText} box={() => box.current?.focus()} />}
          {turns.map((turn, i) => (
            <TurnView
              key={turn.id}
              turn={turn}
              mode={mode}
              isLast={i === turns.length - 1}
              busy={running || obstacle !== undefined}
              onRetry={conversation.retry}
              onProceed={conversation.proceed}
            />
          ))}
        </div>
        <Composer
          {...{ mode, text, running, obstacle, box }}
          onText={setText}
          onSend={send}
          onStop={conversation.stop}
        />
      </div>
      <SettingsPanel
        {...{ settings, apiKey, onApiKey }}
        open={settingsOpen}
        onSettings={setSettings}
        onClose={() => setSettingsOpen(false)}
      />
    </main>
  );
}

function obstacleOf({ link, stats }: ServerView): string | undefined {
  if (link === 'down') return 'The server does not answer';
  return stats?.state === 'loading' ? 'The model is loading' : undefined;
}

const examples: Readonly<Record<Mode, readonly string[]>> = {
  chat: ['What did you see on the moor that night?', 'Tell me of the voyage, from its beginning.'],
  completion: ['It was a dark night, and', 'The old gentleman laid down his newspaper and said:'],
};

function Welcome({ mode, onPick, box }: { mode: Mode; onPick: (text: string) => void; box: () => void }) {
  const pick = (text: string) => {
    onPick(text);
    box();
  };
  return (
    <div class="welcome">
      <h1>{mode === 'chat' ? 'Talk with the model' : 'Let the model go on'}</h1>
      <p>
        {mode === 'chat'
          ? 'Messages stay in this browser. Point at a word of an answer to see what else might have come.'
          : 'The model continues whatever you write. Point at a word to see what else might have come.'}
      </p>
      <ul>
        {examples[mode].map((text) => (
          <li key={text}>
            <button type="button" onClick={() => pick(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Keeps the end in sight while text comes, unless the reader has scrolled away from it. */
function useFollow(
  log: { readonly current: HTMLDivElement | null },
  turns: readonly object[],
  mode: Mode,
): void {
  const atEnd = useRef(true);
  useEffect(() => {
    const element = log.current;
    if (element === null) return;
    const onScroll = () => {
      atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 60;
    };
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => element.removeEventListener('scroll', onScroll);
  }, [log]);
  const { length } = turns;
  // A new turn or another mode begins at its end.
  useLayoutEffect(() => {
    atEnd.current = true;
  }, [length, mode]);
  // Every change of the text moves the end.
  useLayoutEffect(() => {
    if (atEnd.current && log.current) log.current.scrollTop = log.current.scrollHeight;
  }, [turns, mode]);
}
