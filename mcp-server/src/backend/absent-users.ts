import { UserNotFoundError } from './backend-errors.js';

const LIFETIME_MS = 10_000;
const MAX_USERS = 10_000;

/**
 * Remembers for 10 s which users do not exist. Without it, one user's repeated calls would use up
 * the misses that the backend allows this server's key, and all users would be refused.
 */
export class AbsentUsers {
  /** Ids and when they expire. All live equally long, so the first one expires first. */
  private readonly expiries = new Map<string, number>();

  /**
   * Runs a call about a user, unless the user was absent a moment ago.
   * @throws UserNotFoundError
   */
  async guard<Answer>(id: string, call: () => Promise<Answer>): Promise<Answer> {
    if ((this.expiries.get(id) ?? 0) > performance.now()) throw new UserNotFoundError();
    try {
      return await call();
    } catch (error) {
      if (error instanceof UserNotFoundError) this.add(id);
      throw error;
    }
  }

  private add(id: string): void {
    this.expiries.delete(id);
    this.expiries.set(id, performance.now() + LIFETIME_MS);
    if (this.expiries.size > MAX_USERS) this.evictFirst();
  }

  private evictFirst(): void {
    for (const id of this.expiries.keys()) {
      this.expiries.delete(id);
      return;
    }
  }
}
