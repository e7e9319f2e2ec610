// Every preset on the bundled model: bits, size, loss with its interval, and whether kernels and simulation agree.
import { byteText, fixed, significant } from '../../format.ts';
import { linearScale } from '../../scales.ts';
import { type Goal, goalTable, greatest } from '../goals.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { type Row, rowChart } from '../row-chart.ts';

type Presets = ResultOf<'presets'>;
type Preset = Presets['data']['presets'][number];

export function presetSection(result: Presets): Section {
  const { model, text, window, tokens, baseline, presets } = result.data;
  const rows = presets.map((preset) => {
    const { name, bits, bytes, simulated, executed } = preset;
    return [
      `\`${name}\``,
      fixed(bits, 2),
      byteText(bytes),
      fixed(simulated.perplexity, 2),
      changeText(simulated),
      executed === undefined ? '' : fixed(executed.perplexity, 2),
      executed === undefined ? 'simulated only' : agreement(preset),
    ];
  });
  return {
    heading: 'Presets',
    parts: [
      `Perplexity of ${model} on ${text} (${tokens} tokens in windows of ${window}), each preset as \`atom quantize\` writes it by default. In full precision: ${fixed(baseline.perplexity, 2)} in ${byteText(baseline.bytes)}. Changes are against full precision, with the 95 % interval of the windows' differences. "Executed" is what serves, in the kernels of each scheme; "of simulated" is how far that is from the simulation in f32. Both have the output layer in 8 bits.`,
      { drawing: 'presets', title: 'Loss of each preset', svg: lossChart(presets) },
      table(
        ['preset', 'bits a weight', 'size', 'simulated', 'change', 'executed', 'of simulated'],
        rows,
        [6],
      ),
      ...goalTable(goals(presets), result),
      ...sources(result),
    ],
  };
}

/** Those whose kernels were to agree with the simulation. */
const agreeing = ['atom', 'w4a8kv4', 'w8a8', 'w4a16'];

function goals(presets: readonly Preset[]): Goal[] {
  const differences = presets.flatMap(({ name, simulated, executed }) =>
    executed === undefined || !agreeing.includes(name)
      ? []
      : [Math.abs(executed.perplexity / simulated.perplexity - 1)],
  );
  return [
    {
      ...{ what: `kernels and simulation of ${agreeing.join(', ')}: perplexities differ`, goal: 0.001 },
      ...{ unit: 'percent', atMost: true, measured: greatest(differences) },
    },
  ];
}

function changeText({ change, changeInterval: [low, high] }: Preset['simulated']): string {
  const percent = (ratio: number) => signed(100 * (ratio - 1));
  return `${percent(change)} % (${percent(low)} to ${percent(high)})`;
}

function signed(value: number): string {
  return `${value >= 0.005 ? '+' : ''}${fixed(value, 2)}`;
}

function agreement({ simulated, executed }: Preset): string {
  if (executed === undefined) return '';
  return `${signed(100 * (executed.perplexity / simulated.perplexity - 1))} %`;
}

function lossChart(presets: readonly Preset[]): string {
  const percent = (ratio: number) => 100 * (ratio - 1);
  const sorted = [...presets].sort((a, b) => a.simulated.change - b.simulated.change);
  const most = Math.max(...sorted.map(({ simulated }) => percent(simulated.changeInterval[1])));
  const rows = sorted.map(({ name, bits, simulated, executed }): Row => {
    const [low, high] = simulated.changeInterval;
    const interval = [percent(low), percent(high)] as const;
    const kind = executed === undefined ? 'circle' : 'dot';
    const colour = name.startsWith('atom') ? 'c1' : 'c0';
    return {
      name: `${name}, ${significant(bits)} bits`,
      marks: [{ value: percent(simulated.change), colour, kind, interval }],
      figure: `${signed(percent(simulated.change))} %`,
    };
  });
  return rowChart({
    title: 'Perplexity lost by each preset',
    legend: [
      { name: 'presets of Atom', colour: 'c1' },
      { name: 'others; rings are simulated only', colour: 'c0' },
    ],
    rows,
    xLabel: 'percent over full precision, with the 95 % interval',
    scale: (range) =>
      linearScale(
        [Math.min(0, ...rows.flatMap(({ marks }) => marks.map((mark) => mark.interval?.[0] ?? 0))), most],
        range,
      ),
  });
}
