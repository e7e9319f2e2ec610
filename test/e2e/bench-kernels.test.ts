// `atom bench kernels` as it is run: every kind of operator on tiny shapes, one round, and the JSON that comes of it.
import { describe, expect, test } from 'vitest';
import { runAtom } from './run-atom.ts';

interface Figure {
  readonly operator: string;
  readonly shape: string;
  readonly rows: number;
  readonly seconds: number;
  readonly ceilingShare: number;
  readonly bound: string;
  readonly shareOfVectorPeak?: number;
  readonly operatorTimes?: { operator: string; seconds: number }[];
}

async function bench(...args: string[]) {
  const { status, stdout, stderr } = await runAtom(['bench', 'kernels', '--json', '--repeats', '1', ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout) as {
    kind: string;
    kernels: Figure[];
    fusedQuantization: { share: number }[];
    settings: { label: string; value: string }[];
    ceilings: Record<string, { median: number; best: number }>;
  };
}

describe('bench kernels', () => {
  test('times every kind of operator against the ceilings of the run', async () => {
    const names = 'W4A4,W4A8,W8A8,W4A16,W16A16,F32,rmsNorm,siluMul,attentionRow,ropeAppendKv,logits,fused';
    const report = await bench('--quick', '--operators', names, '--shape', 'tiny,256x40', '--rows', '1,3');
    expect(report.kind).toBe('bench');
    const linears = ['W4A4', 'W4A8', 'W8A8', 'W4A16', 'W16A16', 'F32'];
    for (const operator of linears.map((name) => `linear ${name}`)) {
      for (const shape of ['256 x 40', '256 x 256', '256 x 768', '768 x 256', '256 x 512', '256 x 1536']) {
        const rows = report.kernels.filter(
          (figure) => figure.operator === operator && figure.shape === shape,
        );
        expect(rows.map((figure) => figure.rows)).toEqual([1, 3]);
      }
    }
    const others = ['rmsNorm', 'siluMul', 'attention row', 'ropeAppendKv', 'logits'];
    for (const name of others) {
      expect(report.kernels.some(({ operator }) => operator.startsWith(name))).toBe(true);
    }
    for (const { seconds, ceilingShare, bound } of report.kernels) {
      expect(seconds).toBeGreaterThan(0);
      expect(ceilingShare).toBeGreaterThan(0);
      expect(bound).toMatch(/^(compute|memory)$/);
    }
    expect(Number.isFinite(report.fusedQuantization[0]!.share)).toBe(true);
    // Tiles set the integer peak where there are some; that of vectors stands beside it.
    const vectors = report.settings.some(({ label }) => label === 'vector set');
    expect(vectors).toBe(report.settings.some(({ value }) => value === 'amx'));
    expect('int8Vector' in report.ceilings).toBe(vectors);
    for (const { operator, shareOfVectorPeak } of report.kernels)
      expect(shareOfVectorPeak !== undefined).toBe(
        vectors && /^(linear (W4A4|W4A8|W8A8)|logits INT8)$/.test(operator),
      );
    for (const ceiling of ['read', 'int8', 'bf16', 'f32']) {
      expect(report.ceilings[ceiling]!.best).toBeGreaterThanOrEqual(report.ceilings[ceiling]!.median);
    }
  });

  test('runs whole decoders with random weights', async () => {
    const { kernels } = await bench('--quick', '--model', '--context', '20');
    expect(kernels.map(({ operator, shape, rows }) => [operator, shape, rows])).toEqual([
      ['decoder W4A4KV4', 'tiny prefill of 32', 32],
      ['decoder W4A4KV4', 'tiny decode', 1],
      ['decoder W4A4KV4', 'tiny decode', 2],
      ['decoder W4A8KV4', 'tiny prefill of 32', 32],
      ['decoder W4A8KV4', 'tiny decode', 1],
      ['decoder W4A8KV4', 'tiny decode', 2],
    ]);
    // Where a step's time goes: every operator, longest first, the language-model head as a linear of its own.
    for (const { operatorTimes, seconds } of kernels) {
      const times = operatorTimes!.map((one) => one.seconds);
      expect(operatorTimes!.map(({ operator }) => operator).sort()).toEqual([
        ...['attention', 'embed', 'linear 256 x 1000', 'linear 256 x 1536 with SiLU', 'linear 256 x 256'],
        ...['linear 256 x 512', 'linear 768 x 256', 'rmsNorm', 'ropeAppendKv'],
      ]);
      expect(times).toEqual([...times].sort((a, b) => b - a));
      expect(Math.min(...times)).toBeGreaterThan(0);
      expect(seconds).toBeGreaterThan(0);
    }
  });

  test('runs them with other prompts and batches', async () => {
    const { kernels } = await bench(
      '--quick',
      '--model',
      '--context',
      '8',
      '--prefill',
      '16',
      '--batches',
      '3',
    );
    expect(kernels.map(({ shape, rows }) => `${shape}, ${rows}`)).toEqual([
      ...['tiny prefill of 16, 16', 'tiny decode, 3', 'tiny prefill of 16, 16', 'tiny decode, 3'],
    ]);
  });

  test('counts processor time, of one thread alone', async () => {
    const one = ['--quick', '--operators', 'W4A4', '--shape', '256x256', '--processor-time', '--threads'];
    const { kernels } = await bench(...one, '1');
    expect(kernels.map(({ rows }) => rows)).toEqual([1, 16, 128]);
    const two = await runAtom(['bench', 'kernels', ...one, '2']);
    expect(two.status).not.toBe(0);
    expect(two.stderr).toMatch(/--processor-time needs --threads 1/);
  });

  test('a misspelt operator or shape is named, with what there is', async () => {
    const operator = await runAtom(['bench', 'kernels', '--operators', 'W5A5']);
    expect(operator.status).toBe(2);
    expect(operator.stderr).toMatch(/'W5A5' is none of W4A4, /);
    const shape = await runAtom(['bench', 'kernels', '--shape', '9b']);
    expect(shape.status).toBe(2);
    expect(shape.stderr).toMatch(/'9b' is neither one of 7b, /);
  });
});
