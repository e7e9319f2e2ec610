// Random lives of block tables over a cache that remembers what was written: nothing leaks, nothing is shared by accident.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockManager } from '../../src/engine/block-manager.ts';
import { BlockTable } from '../../src/engine/block-table.ts';
import { CacheModel } from './cache-model.ts';

interface Life {
  readonly table: BlockTable;
  readonly tokens: number[];
  computed: number;
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('start' as const),
      prompt: fc.array(fc.nat(1), { minLength: 1, maxLength: 20 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('extend' as const),
      at: fc.nat(),
      more: fc.array(fc.nat(1), { minLength: 1, maxLength: 7 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fork' as const), at: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), at: fc.nat() }) },
);

test('tables of random lives hold what they should, and every block is accounted for', () => {
  const sizes = fc.record({
    numBlocks: fc.integer({ min: 1, max: 12 }),
    blockSize: fc.integer({ min: 1, max: 5 }),
    prefixCache: fc.boolean(),
  });
  fc.assert(
    fc.property(sizes, fc.array(step, { maxLength: 80 }), (options, steps) => {
      const manager = new BlockManager(options);
      const cache = new CacheModel(options);
      const lives: Life[] = [];
      const compute = (life: Life): boolean => {
        const { table, tokens, computed } = life;
        if (table.blocksNeeded(tokens.length, computed) > manager.numFree) return false;
        const copy = table.reserve(tokens.length, computed);
        if (copy) cache.copy(copy);
        cache.write(tokens, table.blocks, computed, tokens.length);
        life.computed = tokens.length;
        table.register(tokens, tokens.length);
        return true;
      };
      for (const one of steps) {
        if (one.kind === 'start') {
          const table = new BlockTable(manager);
          const known = table.takeKnown(one.prompt, one.prompt.length - 1);
          expect(cache.firstWrong(one.prompt, table.blocks, known)).toBe(-1);
          const life = { table, tokens: [...one.prompt], computed: known };
          if (compute(life)) lives.push(life);
          else table.release();
        } else if (lives.length > 0) {
          const life = lives[one.at % lives.length]!;
          if (one.kind === 'extend') {
            const length = life.tokens.length;
            life.tokens.push(...one.more);
            if (!compute(life)) life.tokens.length = length;
          } else if (one.kind === 'fork') {
            lives.push({ table: life.table.fork(), tokens: [...life.tokens], computed: life.computed });
          } else {
            life.table.release();
            lives.splice(lives.indexOf(life), 1);
          }
        }
        expect(manager.verify(lives.map(({ table }) => table.blocks))).toEqual([]);
        for (const { table, tokens, computed } of lives) {
          expect(cache.firstWrong(tokens, table.blocks, computed)).toBe(-1);
        }
      }
      for (const { table } of lives) table.release();
      expect(manager.numFree).toBe(options.numBlocks);
    }),
    { numRuns: 500 },
  );
});

function filled(manager: BlockManager, tokens: readonly number[]): BlockTable {
  const table = new BlockTable(manager);
  table.takeKnown(tokens, tokens.length);
  table.reserve(tokens.length, table.blocks.length * manager.blockSize);
  table.register(tokens, tokens.length);
  return table;
}

test('a prefix is found again after its sequence ended, up to the limit, and after another beginning never', () => {
  const manager = new BlockManager({ numBlocks: 8, blockSize: 2 });
  const first = filled(manager, [1, 2, 3, 4, 5, 6]);
  const blocks = [...first.blocks];
  first.release();
  const again = new BlockTable(manager);
  expect(again.takeKnown([1, 2, 3, 4, 5, 6], 5)).toBe(4);
  expect(again.blocks).toEqual(blocks.slice(0, 2));
  expect(new BlockTable(manager).takeKnown([9, 9, 3, 4], 4)).toBe(0);
  expect(new BlockTable(manager).takeKnown([3, 4], 2)).toBe(0);
});

test('blocks without a prefix are reused first, then the prefix released longest ago, its end before its beginning', () => {
  const manager = new BlockManager({ numBlocks: 6, blockSize: 2 });
  const old = filled(manager, [1, 2, 3, 4]);
  const young = filled(manager, [5, 6, 7, 8]);
  const [oldBlocks, youngBlocks] = [[...old.blocks], [...young.blocks]];
  old.release();
  young.release();
  const taken = Array.from({ length: 6 }, () => manager.allocate());
  const unused = [0, 1, 2, 3, 4, 5].filter((block) => ![...oldBlocks, ...youngBlocks].includes(block));
  expect(new Set(taken.slice(0, 2))).toEqual(new Set(unused));
  expect(taken.slice(2)).toEqual([...oldBlocks.reverse(), ...youngBlocks.reverse()]);
  expect(manager.allocate()).toBe(-1);
});

test('two sequences that computed the same block keep one of them', () => {
  const manager = new BlockManager({ numBlocks: 8, blockSize: 2 });
  const tokens = [1, 2, 3, 4, 5];
  const tables = [new BlockTable(manager), new BlockTable(manager)];
  for (const table of tables) table.reserve(5, 0);
  for (const table of tables) table.register(tokens, 5);
  expect(tables[1]!.blocks.slice(0, 2)).toEqual(tables[0]!.blocks.slice(0, 2));
  expect(tables[1]!.blocks[2]).not.toBe(tables[0]!.blocks[2]);
  expect(manager.numFree).toBe(4);
  expect(manager.verify(tables.map(({ blocks }) => blocks))).toEqual([]);
});

test('a shared last block is copied before it is written, a full one is not', () => {
  const manager = new BlockManager({ numBlocks: 8, blockSize: 4 });
  const partial = filled(manager, [1, 2, 3]);
  const other = partial.fork();
  expect(other.blocksNeeded(4, 3)).toBe(1);
  expect(other.reserve(4, 3)).toEqual({ from: partial.blocks[0], to: other.blocks[0] });
  expect(partial.reserve(4, 3)).toBeUndefined();
  const full = filled(manager, [1, 2, 3, 4]);
  const sibling = full.fork();
  expect(sibling.reserve(5, 4)).toBeUndefined();
  expect(sibling.blocks[0]).toBe(full.blocks[0]);
});

test('the check finds a leak and a release too many', () => {
  const manager = new BlockManager({ numBlocks: 2, blockSize: 2 });
  const block = manager.allocate();
  expect(manager.verify([])).toEqual([`block ${block} counts 1 users and has 0`]);
  manager.release(block);
  expect(() => manager.release(block)).toThrowError(expect.objectContaining({ code: 'internal' }));
});
