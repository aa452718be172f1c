const MAX_AT_ONCE = 1000;

/** Keys that have changed and are still to be read, in the order of the news, and marks among them. */
export class PendingChanges {
  private readonly ids = new Set<string>();
  private noted = 0;
  private settled = 0;
  private marks: { readonly value: number; readonly after: number }[] = [];
  private latestSettledMark = -Infinity;

  add(id: string): void {
    if (this.ids.has(id)) return;
    this.ids.add(id);
    this.noted += 1;
  }

  /** Puts a mark behind all that has been added so far. */
  mark(value: number): void {
    this.marks.push({ value, after: this.noted });
  }

  /** Takes the next ones to be read, oldest first. */
  next(): string[] {
    const ids = [...this.ids].slice(0, MAX_AT_ONCE);
    for (const id of ids) this.ids.delete(id);
    return ids;
  }

  /** Says that so many of those taken have been read. */
  settle(count: number): void {
    this.settled += count;
  }

  /** The latest mark before which nothing is left to be read. */
  settledMark(): number {
    while (this.marks[0] !== undefined && this.marks[0].after <= this.settled) {
      this.latestSettledMark = this.marks[0].value;
      this.marks.shift();
    }
    return this.latestSettledMark;
  }
}
