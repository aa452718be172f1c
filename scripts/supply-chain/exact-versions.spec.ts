import { describe, expect, it } from 'vitest';
import { findMovingActions, findRanges } from './exact-versions.js';
import { manifestSchema } from './manifest.js';

const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies'];
const RANGES = ['^1.2.3', '~1.2.3', '1.2', '*', 'latest', '', '>=1', 'npm:other@1.2.3', 'file:..'];

describe('the dependencies of a package', () => {
  it.each(KINDS)('have exact versions: %s', (kind) => {
    const manifest = manifestSchema.parse({ [kind]: { fixed: '1.2.3', preview: '1.0.0-beta.1' } });
    expect(findRanges(manifest)).toEqual([]);
  });

  it.each(KINDS.flatMap((kind) => RANGES.map((range) => [kind, range])))(
    'have no range: %s %s',
    (kind, range) => {
      expect(findRanges(manifestSchema.parse({ [kind]: { moving: range } }))).toHaveLength(1);
    },
  );
});

describe('a workflow', () => {
  it('names its actions by a commit', () => {
    const step = `    steps:\n      - uses: some/action@${'0a'.repeat(20)} # v1\n`;
    expect(findMovingActions(step)).toEqual([]);
  });

  it.each(['some/action@v4', 'some/action@main', 'some/action@0a0a0a0', 'some/action'])(
    'does not name one that may change: %s',
    (action) => {
      expect(findMovingActions(`      - uses: ${action}\n`)).toEqual([`${action} may change`]);
    },
  );
});
