import {
  PROBLEM_TYPES,
  type ProblemCode,
  ProblemException,
  problemSchema,
  renderProblem,
  titleOf,
} from '../../src/problems/problem.js';
import { ERROR_TEXTS } from './error-texts.js';
import { block, code, page, table } from './markdown.js';

const EXAMPLE_REQUEST_ID = '5f3d1c9e-6f0b-4d0e-9a51-0b8c2f7d4a10';

interface Entry {
  readonly code: ProblemCode;
  /** The last part of the URN, and the anchor of the section. */
  readonly anchor: string;
  readonly section: string;
}

export async function errorsPage(): Promise<string> {
  const entries = errorEntries();
  const rows = entries.map(({ code: name }) => {
    const { status, detail, retryable } = PROBLEM_TYPES[name];
    return [errorLink(name), String(status), retryable ? 'yes' : 'no', detail];
  });
  return page(
    '# Errors',
    `Every error response of the backend is a problem ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457))
with the content type \`application/problem+json\`:`,
    block('json', JSON.stringify(exampleOf('USER_NOT_FOUND'), null, 2)),
    `Branch on \`code\`: the code of an error never changes. The last part of \`type\` is the anchor of
the section on this page: \`urn:latchkey:problem:user-not-found\` is described in
[\`#user-not-found\`](#user-not-found). If \`retryable\` is true, the same request may succeed later;
before you repeat the request, wait for the number of seconds in \`Retry-After\`. The header
\`X-Request-Id\` and the log contain the same \`requestId\`.`,
    table(['code', 'status', 'retryable', 'meaning'], rows),
    entries.map(({ section }) => section),
  );
}

/** A link to the section of a code. */
export function errorLink(name: string, file = ''): string {
  return `[${code(name)}](${file}#${name.toLowerCase().replaceAll('_', '-')})`;
}

/** Every problem, in the order of `PROBLEM_TYPES`. */
export function errorEntries(): Entry[] {
  return codes().map((name) => {
    const { type, title, status, retryable } = exampleOf(name);
    const { cause, remedy } = ERROR_TEXTS[name];
    const facts = [code(name), `status ${status}`, `title “${title}”`];
    if (retryable) facts.push('retryable');
    const section = [
      `## ${titleOf(name)}`,
      `${facts.join(', ')}.`,
      `**Meaning.** ${PROBLEM_TYPES[name].detail}.`,
      `**Cause.** ${cause}`,
      `**Remedy.** ${remedy}`,
    ].join('\n\n');
    return { code: name, anchor: type.slice(type.lastIndexOf(':') + 1), section };
  });
}

function codes(): ProblemCode[] {
  const isCode = (name: string): name is ProblemCode => name in PROBLEM_TYPES;
  return Object.keys(PROBLEM_TYPES).filter(isCode);
}

function exampleOf(name: ProblemCode) {
  const { body } = renderProblem(new ProblemException(name), EXAMPLE_REQUEST_ID);
  return problemSchema.parse(JSON.parse(body));
}
