import { expect, it } from 'vitest';
import { addUser } from '../../../test/support/users.js';
import { type ClientKind, connect } from '../support/clients.js';
import { useStack } from '../support/stack.js';
import { token } from '../support/tokens.js';

const CONCURRENCY = 10;

const stack = useStack();

it.each([
  ['v2 pinned to 2026-07-28', 1000],
  ['v1', 200],
] satisfies [ClientKind, number][])(
  'two simultaneous users see only their own data: client %s, %i calls each',
  async (kind, times) => {
    const callAs = async (name: string, balance: string) => {
      const accounts = { create: { type: 'checking', currency: 'USD', balance } } as const;
      const { id } = await addUser(stack.prisma, { name, permissions: ['read'], accounts });
      const client = await connect(stack.mcp.url, await token(id), kind);
      const seen = new Set<string>();
      for (let done = 0; done < times; done += CONCURRENCY) {
        const calls = Array.from({ length: CONCURRENCY }, () => client.callTool('get_balance'));
        for (const result of await Promise.all(calls)) seen.add(JSON.stringify(result.content[0]));
      }
      await client.close();
      return [...seen];
    };
    const [ofAda, ofBob] = await Promise.all([callAs('Ada', '11.11'), callAs('Bob', '22.22')]);
    // On a busy machine, a name may be the fallback "Customer", but never the other user's name.
    expect(ofAda.join('\n')).toContain('Hello Ada! Your checking balance is $11.11.');
    expect(ofAda.join('\n')).not.toMatch(/Bob|22\.22/);
    expect(ofBob.join('\n')).toContain('Hello Bob! Your checking balance is $22.22.');
    expect(ofBob.join('\n')).not.toMatch(/Ada|11\.11/);
  },
  180_000,
);
