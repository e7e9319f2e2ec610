// The side panel: how the next answer is made, and the key it is asked for with.
import { NumberRow } from './number-row.tsx';
import { controls, initialSettings, type Settings, withValue } from './settings.ts';

export interface SettingsPanelProps {
  readonly settings: Settings;
  readonly apiKey: string;
  readonly open: boolean;
  readonly onSettings: (settings: Settings) => void;
  readonly onApiKey: (apiKey: string) => void;
  readonly onClose: () => void;
}

export function SettingsPanel({ settings, apiKey, open, onSettings, onApiKey, onClose }: SettingsPanelProps) {
  return (
    <aside id="settings" class={`settings${open ? ' open' : ''}`} aria-label="Settings">
      <header>
        <h2>Settings</h2>
        <button type="button" class="quiet" onClick={() => onSettings(initialSettings)}>
          Reset
        </button>
        <button type="button" class="quiet close" onClick={onClose}>
          Done
        </button>
      </header>
      <label class="block">
        System prompt <span class="hint">chat only</span>
        <textarea
          rows={3}
          value={settings.system}
          placeholder="Instructions that stand before the conversation"
          onInput={({ currentTarget }) => onSettings({ ...settings, system: currentTarget.value })}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={settings.logprobs}
          onChange={({ currentTarget }) => onSettings({ ...settings, logprobs: currentTarget.checked })}
        />
        Show how probable each token was
      </label>
      {controls.map((control) => (
        <NumberRow
          key={control.field}
          control={control}
          value={settings.values[control.field]}
          onValue={(value) => onSettings(withValue(settings, control.field, value))}
        />
      ))}
      <label class="block">
        Stop at <span class="hint">one text per line</span>
        <textarea
          rows={1}
          value={settings.stop}
          onInput={({ currentTarget }) => onSettings({ ...settings, stop: currentTarget.value })}
        />
      </label>
      <label class="block">
        API key <span class="hint">kept in this browser only</span>
        <input
          type="password"
          autoComplete="off"
          spellcheck={false}
          value={apiKey}
          placeholder="for servers that ask for one"
          onInput={({ currentTarget }) => onApiKey(currentTarget.value.trim())}
        />
      </label>
    </aside>
  );
}
