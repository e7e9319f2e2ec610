// The sampling controls: names, ranges, and the fields of a request they become. A control without a value leaves its
// field out, so that the server's default holds.

export interface NumberControl {
  readonly kind: 'slider' | 'number';
  /** The field of the request. */
  readonly field: string;
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Where the slider stands while there is no value. */
  readonly neutral: number;
}

const slider = (
  field: string,
  label: string,
  hint: string,
  range: [number, number, number, number],
): NumberControl => ({
  kind: 'slider',
  field,
  label,
  hint,
  min: range[0],
  max: range[1],
  step: range[2],
  neutral: range[3],
});

export const controls: readonly NumberControl[] = [
  slider('temperature', 'Temperature', '0 always takes the most probable token', [0, 2, 0.05, 1]),
  slider('top_p', 'Top P', 'only the most probable tokens that together reach this share', [0, 1, 0.01, 1]),
  slider('top_k', 'Top K', 'only so many of the most probable tokens; 0 for all', [0, 200, 1, 0]),
  slider('min_p', 'Min P', 'only tokens at least this share as probable as the best', [0, 1, 0.01, 0]),
  slider('presence_penalty', 'Presence penalty', 'against tokens that have come before', [-2, 2, 0.1, 0]),
  slider(
    'frequency_penalty',
    'Frequency penalty',
    'against tokens as often as they have come',
    [-2, 2, 0.1, 0],
  ),
  slider('repetition_penalty', 'Repetition penalty', '1 for none', [0.5, 2, 0.01, 1]),
  {
    kind: 'number',
    field: 'max_tokens',
    label: 'Max tokens',
    hint: 'longest answer',
    min: 1,
    max: 1_000_000,
    step: 1,
    neutral: 256,
  },
  {
    kind: 'number',
    field: 'seed',
    label: 'Seed',
    hint: 'the same seed gives the same answer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    step: 1,
    neutral: 0,
  },
];

export interface Settings {
  /** By field; a field that is not here is the server's to choose. */
  readonly values: Readonly<Record<string, number>>;
  readonly system: string;
  /** One per line. */
  readonly stop: string;
  readonly logprobs: boolean;
}

export const initialSettings: Settings = {
  values: { max_tokens: 256 },
  system: '',
  stop: '',
  logprobs: true,
};

/** How many alternatives each token shows. */
const ALTERNATIVES = 6;

/** The part of a request's body that comes from the settings. */
export function bodyOf({ values, stop, logprobs }: Settings, mode: 'chat' | 'completion'): object {
  const stops = stop.split('\n').filter((line) => line !== '');
  const asked = mode === 'chat' ? { logprobs: true, top_logprobs: ALTERNATIVES } : { logprobs: ALTERNATIVES };
  return { ...values, ...(stops.length > 0 && { stop: stops }), ...(logprobs && asked) };
}

/** `values` with one field set, or taken out where `value` is undefined. */
export function withValue(settings: Settings, field: string, value: number | undefined): Settings {
  const { [field]: _before, ...values } = settings.values;
  return { ...settings, values: value === undefined ? values : { ...values, [field]: value } };
}
