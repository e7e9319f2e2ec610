// What kernels and whole decoders were to reach, from the figures of `bench kernels`.
import { type Goal, greatest, least } from '../goals.ts';
import type { ResultOf } from '../result-file.ts';

type Figure = ResultOf<'kernels'>['data']['kernels'][number];

/** The matrices that goals were set for. */
const goalShapes = ['4096 x 4096', '4096 x 11008'];

/** Goals were set in the integer peak of vectors, which is not the ceiling where there are tiles. */
export const vectorShare = ({ shareOfVectorPeak, ceilingShare }: Figure): number =>
  shareOfVectorPeak ?? ceilingShare;

/** How many times as fast as `others` each of `own` is on the same matrix and rows, where those were measured. */
export function speedups(own: readonly Figure[], others: readonly Figure[]): number[] {
  return own.flatMap(({ shape, rows, seconds }) => {
    const other = others.find((each) => each.shape === shape && each.rows === rows);
    return other === undefined ? [] : [other.seconds / seconds];
  });
}

export function kernelGoals({ kernels, fusedQuantization }: ResultOf<'kernels'>['data']): Goal[] {
  const of = (operator: string, wanted: (rows: number) => boolean) =>
    kernels.filter(
      (figure) => figure.operator === operator && goalShapes.includes(figure.shape) && wanted(figure.rows),
    );
  const times = (other: string, rows: number) =>
    least(
      speedups(
        of('linear W4A4', (count) => count === rows),
        of(other, (count) => count === rows),
      ),
    );
  const four = ['linear W4A4', 'linear W4A8'];
  const shares = (wanted: (rows: number) => boolean, share: (figure: Figure) => number) =>
    least(four.flatMap((operator) => of(operator, wanted).map(share)));
  const plain = of('linear W16A16', (rows) => rows >= 128).map(({ ceilingShare }) => ceilingShare);
  return [
    goal('W4A4 and W4A8, 128 rows and more: of the integer peak of vectors', 0.85, {
      measured: shares((rows) => rows >= 128, vectorShare),
    }),
    goal('the same, 16 rows', 0.6, { measured: shares((rows) => rows === 16, vectorShare) }),
    goal('the same, one row: of reading memory', 0.85, {
      measured: shares(
        (rows) => rows === 1,
        ({ ceilingShare }) => ceilingShare,
      ),
    }),
    goal('W16A16, the yardstick, 128 rows and more: of the BF16 peak', 0.65, { measured: least(plain) }),
    { what: 'W4A4 over W16A16, 128 rows', goal: 2.5, unit: 'times', measured: times('linear W16A16', 128) },
    { what: 'W4A4 over W16A16, one row', goal: 3.5, unit: 'times', measured: times('linear W16A16', 1) },
    {
      ...{ what: "W4A4 over OpenBLAS's SGEMM, 128 rows", goal: 3, unit: 'times' },
      measured: times('OpenBLAS SGEMM', 128),
    },
    {
      ...{
        what: 'reordering and quantizing: of a layer of 64 rows',
        goal: 0.03,
        unit: 'percent',
        atMost: true,
      },
      measured: greatest(fusedQuantization.map(({ share }) => share)),
    },
  ];
}

export function decoderGoals({ kernels }: ResultOf<'decoder'>['data']): Goal[] {
  const of = (wanted: (figure: Figure) => boolean, share: (figure: Figure) => number) =>
    least(kernels.filter(wanted).map(share));
  const decodes = ({ shape }: Figure) => shape.endsWith('decode');
  return [
    goal('prompts: of the integer peak of vectors', 0.8, {
      measured: of((figure) => !decodes(figure), vectorShare),
    }),
    goal('one sequence: of reading memory', 0.85, {
      measured: of(
        (figure) => decodes(figure) && figure.rows === 1,
        ({ ceilingShare }) => ceilingShare,
      ),
    }),
    goal('16 sequences: of the integer peak of vectors', 0.55, {
      measured: of((figure) => decodes(figure) && figure.rows === 16, vectorShare),
    }),
  ];
}

function goal(what: string, share: number, { measured }: { measured: number }): Goal {
  return { what, goal: share, unit: 'percent', measured };
}
