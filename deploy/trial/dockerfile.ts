export interface Instruction {
  /** In capitals, such as `COPY`. */
  readonly keyword: string;
  /** The rest, with continued lines joined. */
  readonly value: string;
}

/** What is between one `FROM` and the next. */
export interface Stage {
  readonly name: string;
  /** An earlier stage's name, or an image's. */
  readonly base: string;
  readonly instructions: Instruction[];
}

export interface Copy {
  /** The stage to copy from; without one, the build context. */
  readonly from: string | undefined;
  readonly sources: string[];
  readonly destination: string;
}

/**
 * Reads the part of the Dockerfile language that this repository uses: no ARG, no here-documents, no other flag of
 * COPY than `--from`.
 * @throws Error at a line that it can't read.
 */
export function parseDockerfile(text: string): Stage[] {
  const stages: Stage[] = [];
  for (const line of joinedLines(text)) {
    const [, keyword, value] = /^([A-Z]+)\s+(.+)$/s.exec(line) ?? [];
    if (keyword === undefined || value === undefined) throw new Error(`Can't read: ${line}`);
    if (keyword === 'FROM') stages.push(parseFrom(value));
    else if (stages.length === 0) throw new Error(`Before any FROM: ${line}`);
    else stages.at(-1)?.instructions.push({ keyword, value });
  }
  return stages;
}

export function parseCopy(value: string): Copy {
  const words = value.split(/\s+/);
  const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  const destination = words.pop();
  if (
    destination === undefined ||
    words.length === 0 ||
    words.some((word) => word.startsWith('--'))
  ) {
    throw new Error(`Can't read: COPY ${value}`);
  }
  return { from, sources: words, destination };
}

function joinedLines(text: string): string[] {
  const withoutComments = text.replace(/^\s*#.*\n/gm, '');
  const joined = withoutComments.replace(/\\\n\s*/g, ' ');
  return joined.split('\n').filter((line) => line.trim() !== '');
}

function parseFrom(value: string): Stage {
  const [, base, name] = /^(\S+) AS (\S+)$/.exec(value) ?? [];
  if (base === undefined || name === undefined) throw new Error(`Can't read: FROM ${value}`);
  return { name, base, instructions: [] };
}
