/** Negative if the first version is older than the second, positive if it is newer, 0 if they rank the same (SemVer 2, 11). */
export function compareVersions(first: string, second: string): number {
  const [a, b] = [parse(first), parse(second)];
  const release = compareLists(a.release, b.release);
  if (release !== 0) return release;
  // A release comes after its own previews.
  if (a.preview.length === 0 || b.preview.length === 0) return b.preview.length - a.preview.length;
  return compareLists(a.preview, b.preview);
}

export function majorOf(version: string): number {
  return Number(version.split('.')[0]);
}

function parse(version: string): { release: string[]; preview: string[] } {
  const [withoutBuild = ''] = version.split('+');
  const dash = withoutBuild.indexOf('-');
  if (dash === -1) return { release: withoutBuild.split('.'), preview: [] };
  return {
    release: withoutBuild.slice(0, dash).split('.'),
    preview: withoutBuild.slice(dash + 1).split('.'),
  };
}

function compareLists(first: readonly string[], second: readonly string[]): number {
  for (const [index, part] of first.entries()) {
    const other = second[index];
    if (other === undefined) return 1;
    const difference = compareParts(part, other);
    if (difference !== 0) return difference;
  }
  return first.length - second.length;
}

function compareParts(first: string, second: string): number {
  const [isNumber, otherIsNumber] = [/^\d+$/.test(first), /^\d+$/.test(second)];
  if (isNumber && otherIsNumber) return Number(first) - Number(second);
  if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
  return first === second ? 0 : first < second ? -1 : 1;
}
