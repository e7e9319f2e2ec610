// Facts from CPython 3.11: random.Random(seed) and the methods of str.
import { expect, test } from 'vitest';
import { PythonRandom } from '../../src/evaluate/tasks/python-random.ts';
import { capitalize, length, strip, trailingSpace } from '../../src/evaluate/tasks/python-text.ts';

test('bits are those of Python, also after the state was refilled', () => {
  const random = new PythonRandom(1234);
  expect(Array.from({ length: 4 }, () => random.bits(32))).toEqual([
    4150886329, 3342196574, 1892932127, 501869158,
  ]);
  const other = new PythonRandom(2 ** 32 - 1);
  expect(Array.from({ length: 700 }, () => other.bits(32)).slice(-3)).toEqual([
    4124871545, 1614424826, 1534215042,
  ]);
});

test('whole numbers from a range are those of Python', () => {
  const random = new PythonRandom(0);
  const highs = [0, 1, 2, 3, 1000, 356316, 2 ** 31, 2 ** 32 - 2];
  expect(highs.map((high) => random.integer(0, high))).toEqual([
    0, 1, 0, 2, 988, 268055, 2087043557, 1739178872,
  ]);
});

test('samples are those of Python, one after the other from one generator', () => {
  const random = new PythonRandom(1234);
  expect(random.sample(100, 5)).toEqual([99, 56, 14, 0, 11]);
  expect(random.sample(16113, 6)).toEqual([14925, 15442, 15388, 13221, 9539, 572]);
  expect(random.sample(5, 5)).toEqual([0, 4, 1, 3, 2]);
  expect(random.sample(21, 3)).toEqual([0, 20, 11]);
  expect(random.sample(86, 6)).toEqual([82, 79, 61, 78, 59, 19]);
  expect(random.sample(2251, 25)).toEqual([
    373, 749, 468, 59, 2060, 1993, 1023, 264, 2216, 1908, 280, 364, 2109, 188, 1104, 258, 1238, 1970, 1455,
    1091, 1020, 819, 1857, 2171, 79,
  ]);
});

test.each([
  [6, [49, 74, 548]],
  [21, [92, 564, 434]],
  [22, [564, 434, 60]],
  [85, [348, 358, 593]],
  [86, [62, 317, 456]],
])('a sample of %i of 600 ends as in Python, by whichever of its two ways', (k, end) => {
  expect(new PythonRandom(7).sample(600, k).slice(-3)).toEqual(end);
});

test('text is stripped, capitalized and measured as in Python', () => {
  expect(strip('\u001c\t a b\u3000\u0085\n')).toBe('a b');
  expect(strip('\ufeffa')).toBe('\ufeffa');
  expect(trailingSpace('Answer: \n')).toBe(' \n');
  expect(trailingSpace('Answer:')).toBe('');
  expect(capitalize('then HE ran. She did')).toBe('Then he ran. she did');
  expect(capitalize('')).toBe('');
  expect(length('na\u00efve \ud83d\ude00')).toBe(7);
});
