import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AuditEvent } from '../generated/prisma/client.js';
import { AuditChain, GENESIS_HASH } from './audit-chain.js';

/** Returns a trail of events as the database's trigger writes them. */
function trail(length: number): AuditEvent[] {
  const events: AuditEvent[] = [];
  let previous = GENESIS_HASH;
  for (let number = 1; number <= length; number++) {
    const at = new Date(1_700_000_000_000 + number);
    const fields = [number, at.toISOString(), 'root_1', 'create', `key-${number}`, '', '{"a": 1}'];
    const digest = hash('sha256', [...fields, previous].join('\n'), 'hex');
    events.push({
      sequence: BigInt(number),
      at,
      actor: 'root_1',
      action: 'create',
      subject: `key-${number}`,
      before: null,
      after: '{"a": 1}',
      previousHash: Buffer.from(previous, 'hex'),
      hash: Buffer.from(digest, 'hex'),
    });
    previous = digest;
  }
  return events;
}

function verify(events: AuditEvent[], expectedHead?: string): AuditChain {
  const chain = new AuditChain(expectedHead);
  for (const event of events) chain.add(event);
  chain.finish();
  return chain;
}

const problems = (events: AuditEvent[], expectedHead?: string) =>
  verify(events, expectedHead).faults.map(({ sequence, problem }) => `${sequence} ${problem}`);

describe('AuditChain', () => {
  it('finds no fault in an intact trail', () => {
    expect(problems(trail(5))).toEqual([]);
    expect(problems([])).toEqual([]);
  });

  it.each([
    ['actor', 'someone else'],
    ['action', 'revoke'],
    ['subject', 'another'],
    ['before', '{}'],
    ['after', null],
    ['at', new Date(0)],
  ])('finds a changed %s of an event', (field, value) => {
    const events = trail(3).map((event) =>
      event.sequence === 2n ? Object.assign({}, event, { [field]: value }) : event,
    );
    expect(problems(events)).toEqual(['2 was changed']);
  });

  it('finds a changed event, even if its hash was changed, too', () => {
    const forged = trail(3);
    const [event] = trail(1);
    if (event) forged[0] = { ...event, actor: 'x', hash: Buffer.from(trail(9)[8]?.hash ?? '') };
    expect(problems(forged)).toEqual([
      '1 was changed',
      '2 does not contain the hash of the previous event',
    ]);
  });

  it('finds missing events', () => {
    const events = trail(6);
    expect(problems(events.filter(({ sequence }) => sequence !== 1n))).toEqual(['1 missing']);
    expect(problems(events.filter(({ sequence }) => ![3n, 4n].includes(sequence)))).toEqual([
      '3 missing, as are all events up to 4',
    ]);
  });

  it('recognizes a truncated or rebuilt trail by the lack of an earlier head', () => {
    const { head } = verify(trail(4));
    expect(problems(trail(6), head)).toEqual([]);
    expect(problems(trail(3), head)).toEqual(['4 does not match the given head']);
    expect(problems(trail(6), `4:${'0'.repeat(64)}`)).toHaveLength(1);
  });
});
