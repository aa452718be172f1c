import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AbsentUsers } from './absent-users.js';
import { UserNotFoundError } from './backend-errors.js';

const LIFETIME_MS = 10_000;
const MAX_USERS = 10_000;

let users: AbsentUsers;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  users = new AbsentUsers();
});
afterEach(() => vi.useRealTimers());

/** Whether a call about the user was made; the user does not exist. */
async function reachesBackend(id: string): Promise<boolean> {
  const call = vi.fn<() => Promise<void>>().mockRejectedValue(new UserNotFoundError());
  await expect(users.guard(id, call)).rejects.toBeInstanceOf(UserNotFoundError);
  return call.mock.calls.length > 0;
}

describe('AbsentUsers', () => {
  it('makes one call about an absent user in 10 s', async () => {
    expect(await reachesBackend('absent')).toBe(true);
    vi.advanceTimersByTime(LIFETIME_MS - 1);
    expect(await reachesBackend('absent')).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await reachesBackend('absent')).toBe(true);
    expect(await reachesBackend('absent')).toBe(false);
  });

  it('makes every call about another user, and returns its answer', async () => {
    await reachesBackend('absent');
    expect(await users.guard('present', async () => 'answer')).toBe('answer');
  });

  it('remembers no other failure', async () => {
    const fail = async () => Promise.reject(new Error('broken'));
    await expect(users.guard('1', fail)).rejects.toThrow('broken');
    expect(await users.guard('1', async () => 'answer')).toBe('answer');
  });

  it('evicts the oldest of more than 10,000 users', async () => {
    for (let id = 0; id <= MAX_USERS; id++) await reachesBackend(String(id));
    expect(await reachesBackend('1')).toBe(false);
    expect(await reachesBackend(String(MAX_USERS))).toBe(false);
    expect(await reachesBackend('0')).toBe(true);
  });
});
