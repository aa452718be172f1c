import { describe, expect, it } from 'vitest';
import { Coalescer } from './coalescer.js';

/** Remembers each query, and finds for every id but those that begin with "no". */
function createCoalescer() {
  const queries: string[][] = [];
  const coalescer = new Coalescer(async (ids) => {
    queries.push(ids);
    const found = ids.filter((id) => !id.startsWith('no'));
    return new Map(found.toReversed().map((id) => [id, `value of ${id}`]));
  });
  return { coalescer, queries };
}

describe('look-ups of one turn of the event loop', () => {
  it('are one query, and each gets what is its own', async () => {
    const { coalescer, queries } = createCoalescer();
    const ids = ['b', 'a', 'nobody', 'c'];
    const answers = await Promise.all(ids.map((id) => coalescer.find(id)));
    expect(answers).toEqual(['value of b', 'value of a', undefined, 'value of c']);
    expect(queries).toEqual([ids]);
  });

  it('ask for an id once, however many want it', async () => {
    const { coalescer, queries } = createCoalescer();
    const answers = await Promise.all(['a', 'a', 'b', 'a'].map((id) => coalescer.find(id)));
    expect(answers).toEqual(['value of a', 'value of a', 'value of b', 'value of a']);
    expect(queries).toEqual([['a', 'b']]);
  });

  it('are several queries if they are more than 256', async () => {
    const { coalescer, queries } = createCoalescer();
    const ids = Array.from({ length: 600 }, (_, number) => String(number));
    const answers = await Promise.all(ids.map((id) => coalescer.find(id)));
    expect(answers).toEqual(ids.map((id) => `value of ${id}`));
    expect(queries.map(({ length }) => length)).toEqual([256, 256, 88]);
  });

  it('fail together, and the next turn is not concerned', async () => {
    let isBroken = true;
    const coalescer = new Coalescer(async (ids: string[]) => {
      if (isBroken) throw new Error('broken');
      return new Map(ids.map((id) => [id, id]));
    });
    const failed = await Promise.allSettled(['a', 'b'].map((id) => coalescer.find(id)));
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    isBroken = false;
    expect(await coalescer.find('a')).toBe('a');
  });
});

describe('a look-up of a later turn', () => {
  it('is a query of its own, though the one before is not answered yet', async () => {
    const queries: string[][] = [];
    const coalescer = new Coalescer(async (ids: string[]) => {
      queries.push(ids);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return new Map(ids.map((id) => [id, queries.length]));
    });
    const first = coalescer.find('a');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = coalescer.find('a');
    await Promise.all([first, second]);
    expect(queries).toEqual([['a'], ['a']]);
  });
});
