/** Reports progress on stderr, because stdout is only for the figures. */
export function report(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
