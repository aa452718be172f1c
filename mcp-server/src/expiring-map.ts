/** A map whose entries expire after `lifetimeMs`. If the map is full, `set` evicts the oldest. */
export class ExpiringMap<Value> {
  /** Oldest first. */
  private readonly entries = new Map<
    string,
    { readonly value: Value; readonly expiresAt: number }
  >();

  constructor(
    private readonly lifetimeMs: number,
    private readonly capacity: number,
  ) {}

  get(key: string): Value | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && performance.now() < entry.expiresAt ? entry.value : undefined;
  }

  set(key: string, value: Value): void {
    // Deleting the key first makes it the newest when it is set again.
    this.entries.delete(key);
    this.entries.set(key, { value, expiresAt: performance.now() + this.lifetimeMs });
    if (this.entries.size <= this.capacity) return;
    const [oldest] = this.entries.keys();
    if (oldest !== undefined) this.entries.delete(oldest);
  }
}
