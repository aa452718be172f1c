const MAX_AT_ONCE = 1000;

/** Changed keys that are still to be read, in the order of their notifications, with watermarks among them. */
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

  /** Adds a watermark behind all keys that have been added so far. */
  addWatermark(value: number): void {
    this.watermarks.push({ value, after: this.added });
  }

  /** Takes the next ones to be read, oldest first. */
  next(): string[] {
    const ids = [...this.ids].slice(0, MAX_AT_ONCE);
    for (const id of ids) this.ids.delete(id);
    return ids;
  }

  /** Records that so many of the keys taken have been read. */
  acknowledge(count: number): void {
    this.acknowledged += count;
  }

  /** The latest watermark before which all keys have been read. */
  watermark(): number {
    for (let [first] = this.watermarks; first !== undefined; [first] = this.watermarks) {
      if (first.after > this.acknowledged) break;
      this.latest = first.value;
      this.watermarks.shift();
    }
    return this.latest;
  }
}
