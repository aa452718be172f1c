/**
 * `npm run language`: finds unclear language, wide comments and long commit subjects. `--fix` wraps
 * the comments.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { MAX_COLUMNS, MAX_SUBJECT_LENGTH, RULES } from './rules.js';
import { type ProseLine, readProse } from './texts.js';
import { wrapComments } from './wrap-comments.js';

/** Earlier commits were written before this check. */
const FIRST_CHECKED_COMMIT = 'd7c72769ff7313075e21eb40bbfd86b09dd74fa2';
const TEXT_FILE = /\.(?:[jt]s|mjs|md|sql|ya?ml|prisma|sh)$|Dockerfile$|\.env\.example$/;
/** Migrations never change, and test/language quotes the texts that its rules forbid. */
const EXCLUDED = /(?:^|\/)(?:generated|fixtures|migrations|node_modules)\/|^test\/language\//;
const A_LINK = /https?:\/\/\S+/;

if (process.argv.includes('--fix')) {
  for (const file of trackedFiles().filter((name) => !name.endsWith('.md'))) {
    const text = readFileSync(file, 'utf8');
    const wrapped = wrapComments(text);
    if (wrapped !== text) writeFileSync(file, wrapped);
  }
}

const problems = [...trackedFiles().flatMap(readProse).flatMap(problemsOf), ...longSubjects()];
for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  console.error(`\n${problems.length} problems. See "Style" in CONTRIBUTING.md.`);
  process.exitCode = 1;
}

function trackedFiles(): string[] {
  const files = git('ls-files', '--cached', '--others', '--exclude-standard').split('\n');
  return files.filter((file) => TEXT_FILE.test(file) && !EXCLUDED.test(file));
}

function problemsOf({ file, line, text, commentColumns }: ProseLine): string[] {
  const found = RULES.filter(({ pattern }) => pattern.test(text)).map(
    ({ advice }) => `${file}:${line}: ${text.trim()}\n    ${advice}`,
  );
  if (commentColumns > MAX_COLUMNS && !A_LINK.test(text)) {
    found.push(
      `${file}:${line}: the comment has ${commentColumns} columns; the limit is ${MAX_COLUMNS}`,
    );
  }
  return found;
}

/** Finds commits with a long subject. Finds none in a shallow clone, which lacks the history. */
function longSubjects(): string[] {
  try {
    git('merge-base', '--is-ancestor', FIRST_CHECKED_COMMIT, 'HEAD');
  } catch {
    return [];
  }
  const subjects = git('log', '--no-merges', '--format=%h %s', `${FIRST_CHECKED_COMMIT}..HEAD`);
  return subjects
    .split('\n')
    .filter((line) => line.length - line.indexOf(' ') - 1 > MAX_SUBJECT_LENGTH)
    .map((line) => `${line}\n    The subject has more than ${MAX_SUBJECT_LENGTH} characters.`);
}

function git(...words: string[]): string {
  return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}
