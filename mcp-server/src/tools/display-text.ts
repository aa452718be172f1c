// Controls, format characters such as bidirectional overrides and zero-width ones, lone surrogates,
// private use.
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** Makes text of a profile safe for a model: one line, visible, at most `maximum` characters. */
export function displayText(text: string, maximum = 80): string {
  const line = text.replace(INVISIBLE, ' ').replace(/\s+/g, ' ').trim();
  const characters = Array.from(line);
  return characters.length <= maximum ? line : `${characters.slice(0, maximum - 1).join('')}…`;
}

/** How a user is addressed. */
export function displayName({ name, email = '' }: { name: string; email?: string }): string {
  return displayText(name) || displayText(email) || 'Customer';
}
