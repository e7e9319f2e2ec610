// One sampling control: a field for the exact number and, where the range is small, a slider. An empty field is no value.
import type { NumberControl } from './settings.ts';

export interface NumberRowProps {
  readonly control: NumberControl;
  readonly value: number | undefined;
  readonly onValue: (value: number | undefined) => void;
}

export function NumberRow({ control, value, onValue }: NumberRowProps) {
  const { kind, field, label, hint, min, max, step, neutral } = control;
  const range = { min, max, step };
  const accept = (input: HTMLInputElement) => {
    if (input.value === '') onValue(undefined);
    else if (input.checkValidity()) onValue(input.valueAsNumber);
  };
  return (
    <div class={`control${value === undefined ? ' unset' : ''}`}>
      <label for={`control-${field}`}>{label}</label>
      <input
        id={`control-${field}`}
        type="number"
        inputMode="decimal"
        {...range}
        // Any number within the range may be typed; the step is for the arrow keys.
        step={Number.isInteger(step) ? step : 'any'}
        value={value ?? ''}
        placeholder="default"
        aria-describedby={`hint-${field}`}
        onInput={({ currentTarget }) => accept(currentTarget)}
      />
      {kind === 'slider' && (
        <input
          type="range"
          {...range}
          value={value ?? neutral}
          aria-label={`${label}, slider`}
          onInput={({ currentTarget }) => onValue(currentTarget.valueAsNumber)}
        />
      )}
      <p class="hint" id={`hint-${field}`}>
        {hint}
      </p>
    </div>
  );
}
