// Control, format (bidirectional, zero-width), surrogate, private-use and unassigned characters,
// and the Unicode line and paragraph separators.
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** Makes profile text safe for a model: one visible line of at most `maximum` characters. */
export function displayText(text: string, maximum = 80): string {
  const line = text.replace(INVISIBLE, ' ').replace(/\s+/g, ' ').trim();
  const characters = Array.from(line);
  return characters.length <= maximum ? line : `${characters.slice(0, maximum - 1).join('')}…`;
}

/** Returns the name by which to address a user. */
export function displayName({ name, email = '' }: { name: string; email?: string }): string {
  return displayText(name) || displayText(email) || 'Customer';
}
