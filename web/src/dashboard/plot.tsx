// One live plot: columns of numbers over the last five minutes, drawn by uPlot. It knows no server.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { watchTheme } from '../theme.ts';

export interface Line {
  readonly label: string;
  /** Which of the style sheet's series colours. */
  readonly color: 1 | 2 | 3;
  readonly filled?: boolean;
  /** For counts, which do not slope. */
  readonly stepped?: boolean;
  /** For values that come now and then. */
  readonly sparse?: boolean;
}

/** Seconds, then a column per line; null where there is no value. */
export type Columns = readonly [
  times: readonly number[],
  ...columns: readonly (readonly (number | null)[])[],
];

export interface PlotProps {
  readonly label: string;
  readonly lines: readonly Line[];
  readonly columns: Columns;
  readonly format: (value: number) => string;
  /** The axis reaches at least this far. */
  readonly top: number;
  /** The place under the pointer; undefined where there is none. */
  readonly onHover: (index: number | undefined) => void;
}

const HEIGHT = 150;
const SHOWN_SECONDS = 300;
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

export function Plot({ label, lines, columns, format, top, onHover }: PlotProps) {
  const root = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = columns as unknown as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = root.current!;
    const draw = () => {
      plot.current?.destroy();
      const options = optionsFor({ lines, format, top, onHover, width: element.clientWidth });
      plot.current = new uPlot(options, latest.current, element);
    };
    draw();
    const sizes = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    sizes.observe(element);
    const unwatch = watchTheme(draw);
    return () => {
      unwatch();
      sizes.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [lines, format, top, onHover]);

  useEffect(() => plot.current?.setData(data), [data]);

  return <div class="plot" ref={root} role="img" aria-label={label} />;
}

function optionsFor(
  plot: Pick<PlotProps, 'lines' | 'format' | 'top' | 'onHover'> & { width: number },
): uPlot.Options {
  const { lines, format, top, onHover, width } = plot;
  const axis = {
    stroke: colorOf('--muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: colorOf('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: 'atom' }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
    scales: {
      x: { time: true, range: () => [Date.now() / 1000 - SHOWN_SECONDS, Date.now() / 1000] },
      y: { range: (_plot, _low, high) => [0, Math.max(top, (high ?? 0) * 1.08)] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        gap: 4,
        space: 60,
        values: (_plot, ticks) => ticks.map((tick) => clock.format(tick * 1000)),
      },
      { ...axis, size: 54, gap: 6, space: 32, values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [{}, ...lines.map(seriesFor)],
    hooks: { setCursor: [({ cursor }) => onHover(cursor.idx ?? undefined)] },
  };
}

function seriesFor({ label, color, filled, stepped, sparse }: Line): uPlot.Series {
  const name = `--series-${color}`;
  const stepsOf = uPlot.paths.stepped;
  return {
    label,
    stroke: colorOf(name),
    width: 1.5,
    spanGaps: sparse === true,
    points: { show: sparse === true, size: 4, fill: colorOf(name) },
    ...(filled && { fill: colorOf(name, 16) }),
    ...(stepped && stepsOf && { paths: stepsOf({ align: 1 }) }),
  };
}

/** A colour of the style sheet as it is now, which a canvas must be told; `share`: of 100 for opaque. */
function colorOf(name: string, share = 100): string {
  const probe = document.createElement('i');
  probe.style.color = `color-mix(in srgb, var(${name}) ${share}%, transparent)`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
