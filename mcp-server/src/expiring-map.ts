/** A map whose entries expire after `lifetimeMs`. When it is full, the oldest entry is evicted. */
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
    // Deleted first: a key that is set again becomes the newest.
    this.entries.delete(key);
    this.entries.set(key, { value, expiresAt: performance.now() + this.lifetimeMs });
    if (this.entries.size <= this.capacity) return;
    const [oldest] = this.entries.keys();
    if (oldest !== undefined) this.entries.delete(oldest);
  }
}
