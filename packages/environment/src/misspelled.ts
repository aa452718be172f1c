/**
 * Returns a warning for each variable that is probably misspelled, such as `INTERNAL_API_KY`.
 * @param known the names that this process reads
 * @param others names that only other processes read, and that therefore cause no warning
 */
export function findMisspelled(
  given: readonly string[],
  known: readonly string[],
  others: readonly string[] = [],
): string[] {
  const valid = new Set([...known, ...others]);
  return given
    .filter((name) => !valid.has(name))
    .flatMap((name) => {
      const suggestion = known.find((candidate) => resembles(name, candidate));
      return suggestion === undefined
        ? []
        : `${name} is not a variable of Latchkey: did you mean ${suggestion}?`;
    });
}

/** Whether two names are similar. Short names may differ in fewer letters than long names. */
function resembles(name: string, known: string): boolean {
  const [one, other] = [name.toUpperCase(), known].map((text) => text.replaceAll('_', ''));
  if (one === other) return true;
  const [start = ''] = name.split('_');
  const [knownStart = ''] = known.split('_');
  const maxDistance = Math.min(3, known.length / 4);
  // Compare lengths first: a process has dozens of other variables, and `editDistance` is slow.
  if (Math.abs(name.length - known.length) > maxDistance) return false;
  return editDistance(start, knownStart) <= 1 && editDistance(name, known) <= maxDistance;
}

function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [i, character] of Array.from(one).entries()) {
    const next = [i + 1];
    for (const [j, opposite] of Array.from(other).entries()) {
      const replaced = (row[j] ?? 0) + (character === opposite ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
