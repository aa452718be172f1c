const MAX_AT_ONCE = 1000;

/** Changed keys to be read, in the order of their notifications, with watermarks in between. */
export class PendingChanges {
  private readonly ids = new Set<string>();
  private added = 0;
  private acknowledged = 0;
  private readonly watermarks: { readonly value: number; readonly after: number }[] = [];
  private latest = -Infinity;

  add(id: string): void {
    if (this.ids.has(id)) return;
    this.ids.add(id);
    this.added += 1;
  }

  /** Adds a watermark after all keys added so far. */
  addWatermark(value: number): void {
    this.watermarks.push({ value, after: this.added });
  }

  /** Takes the next keys to read, oldest first. */
  next(): string[] {
    const ids = [...this.ids].slice(0, MAX_AT_ONCE);
    for (const id of ids) this.ids.delete(id);
    return ids;
  }

  /** Records that this many of the taken keys have been read. */
  acknowledge(count: number): void {
    this.acknowledged += count;
  }

  /** Returns the latest watermark before which all keys have been read. */
  watermark(): number {
    for (let [first] = this.watermarks; first !== undefined; [first] = this.watermarks) {
      if (first.after > this.acknowledged) break;
      this.latest = first.value;
      this.watermarks.shift();
    }
    return this.latest;
  }
}
