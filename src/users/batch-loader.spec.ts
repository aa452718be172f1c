import { describe, expect, it } from 'vitest';
import { BatchLoader } from './batch-loader.js';

/** Creates a loader and a record of its queries. Ids that begin with "no" have no value. */
function createLoader() {
  const queries: string[][] = [];
  const loader = new BatchLoader(async (ids) => {
    queries.push(ids);
    const found = ids.filter((id) => !id.startsWith('no'));
    return new Map(found.toReversed().map((id) => [id, `value of ${id}`]));
  });
  return { loader, queries };
}

describe('look-ups of one event-loop tick', () => {
  it('share one query, and each receives its own value', async () => {
    const { loader, queries } = createLoader();
    const ids = ['b', 'a', 'nobody', 'c'];
    const answers = await Promise.all(ids.map((id) => loader.find(id)));
    expect(answers).toEqual(['value of b', 'value of a', undefined, 'value of c']);
    expect(queries).toEqual([ids]);
  });

  it('request a repeated id only once', async () => {
    const { loader, queries } = createLoader();
    const answers = await Promise.all(['a', 'a', 'b', 'a'].map((id) => loader.find(id)));
    expect(answers).toEqual(['value of a', 'value of a', 'value of b', 'value of a']);
    expect(queries).toEqual([['a', 'b']]);
  });

  it('are split into queries of at most 256 ids', async () => {
    const { loader, queries } = createLoader();
    const ids = Array.from({ length: 600 }, (_, number) => String(number));
    const answers = await Promise.all(ids.map((id) => loader.find(id)));
    expect(answers).toEqual(ids.map((id) => `value of ${id}`));
    expect(queries.map(({ length }) => length)).toEqual([256, 256, 88]);
  });

  it('fail together if their query fails, without affecting the next tick', async () => {
    let isBroken = true;
    const loader = new BatchLoader(async (ids: string[]) => {
      if (isBroken) throw new Error('broken');
      return new Map(ids.map((id) => [id, id]));
    });
    const failed = await Promise.allSettled(['a', 'b'].map((id) => loader.find(id)));
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    isBroken = false;
    expect(await loader.find('a')).toBe('a');
  });
});

describe('a look-up of a later tick', () => {
  it('makes its own query, even while an earlier query is in flight', async () => {
    const queries: string[][] = [];
    const loader = new BatchLoader(async (ids: string[]) => {
      queries.push(ids);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return new Map(ids.map((id) => [id, queries.length]));
    });
    const first = loader.find('a');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = loader.find('a');
    await Promise.all([first, second]);
    expect(queries).toEqual([['a'], ['a']]);
  });
});
