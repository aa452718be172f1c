/** Tells what is being done now. On stderr: stdout has the figures only. */
export function report(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
