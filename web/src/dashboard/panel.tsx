// One panel: title, figure, plot, and a legend that shows the values under the pointer or else the latest.
import { useMemo, useState } from 'preact/hooks';
import type { ServerView } from '../api/server-link.ts';
import { columnsOf, type PanelSpec } from './panels.ts';
import { Plot } from './plot.tsx';

export function Panel({ spec, server }: { spec: PanelSpec; server: ServerView }) {
  const { samples } = server;
  const columns = useMemo(() => columnsOf(samples, spec), [samples, spec]);
  const [hovered, setHovered] = useState<number>();
  const [times, ...values] = columns;
  const at = hovered !== undefined && hovered < times.length ? hovered : times.length - 1;
  const figure = spec.figure(server);
  return (
    <section class="panel" data-panel={spec.name}>
      <header>
        <h2>{spec.title}</h2>
        <output>{figure}</output>
      </header>
      <Plot
        label={`${spec.title} over the last five minutes; now ${figure}`}
        lines={spec.lines}
        columns={columns}
        format={spec.format}
        top={spec.top}
        onHover={setHovered}
      />
      <ul class="legend">
        {spec.lines.map(({ label, color }, i) => {
          const value = values[i]?.[at];
          return (
            <li key={label} class={`series-${color}`}>
              {label} <b>{value === null || value === undefined ? '–' : spec.format(value)}</b>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
