import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import {
  type ApiKeyAnswer,
  DEFAULT_GRACE_SECONDS,
  DEFAULT_LIFETIME_DAYS,
  apiKeyIdSchema,
  createApiKeySchema,
  revokeApiKeySchema,
  rotateApiKeySchema,
} from '../api-keys/api-key.schemas.js';
import { ApiKeysModule } from '../api-keys/api-keys.module.js';
import { ApiKeysService } from '../api-keys/api-keys.service.js';
import { KeyVerificationModule } from '../api-keys/key-verification.module.js';
import { KeyVerifier, keyIdOf } from '../api-keys/key-verifier.js';
import type { Principal } from '../api-keys/principal.js';
import { SCOPES } from '../api-keys/scopes.js';
import { DAY_MS, HOUR_MS } from '../time.js';
import { NO_KEY } from '../usage/usage-recorder.js';
import { rootKeyParametersSchema, usageQuerySchema } from '../usage/usage.schemas.js';
import { UsageModule } from '../usage/usage.module.js';
import { UsageService } from '../usage/usage.service.js';
import { withModule } from './application.js';
import { readSecret } from './read-secret.js';
import { CommandFailure, EXIT_CODES } from './run-command.js';
import { renderTable } from './table.js';
import { renderUsage } from './usage-report.js';

const DEFAULT_USAGE_HOURS = 24;
// More than any of them may be; the schemas know more exactly.
const MAX_NUMBER = 1_000_000_000;
const MAX_DAYS = 36_500;
const LOCAL_ADDRESS = '127.0.0.1';

// Whoever may read the database's password can do everything.
const OPERATOR: Principal = {
  keyId: `cli:${operatorName()}`,
  isRoot: true,
  scopes: SCOPES,
  readFields: undefined,
  writeFields: undefined,
  budgets: [],
};

function operatorName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no name.
    return `uid-${process.getuid?.()}`;
  }
}

const words = (text: string): string[] => text.split(',').map((word) => word.trim());

// An empty text is no 0: that would end a key at once.
const wholeNumber =
  (maximum: number) =>
  (text: string): number => {
    if (/^\d+$/.test(text) && Number(text) <= maximum) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number, ${maximum} at the most.`);
  };

interface Output {
  readonly json?: true;
}

interface SecretOutput extends Output {
  readonly reveal?: true;
}

/** `npm run keys -- …`: keys from the command line, with the database's own password. */
export function createKeysCommand(): Command {
  const program = new Command('keys')
    .description('Issues, shows, rotates and revokes the keys of callers.')
    .exitOverride()
    .addHelpText('after', EXIT_CODE_HELP);
  program
    .command('create')
    .description('issue a key; its secret is shown once')
    .requiredOption('--name <name>', 'who it is for')
    .requiredOption('--scopes <scopes>', `with commas: ${SCOPES.join(',')}`, words)
    .option(
      '--read-fields <fields>',
      'the only fields of users that it may read, with commas',
      words,
    )
    .option(
      '--write-fields <fields>',
      'the only fields of users that it may write, with commas',
      words,
    )
    .option(
      '--networks <blocks>',
      'where its caller must come from: CIDR blocks, with commas',
      words,
    )
    .option('--rate-limit <number>', 'requests a minute', wholeNumber(MAX_NUMBER))
    .option(
      '--expires-in-days <days>',
      'when it ends',
      wholeNumber(MAX_DAYS),
      DEFAULT_LIFETIME_DAYS,
    )
    .option('--note <text>', 'for whoever finds it later')
    .option('--reveal', 'show the secret although stdout is no terminal')
    .option('--json', 'for scripts')
    .action(create);
  program.command('list').description('all keys').option('--json', 'for scripts').action(list);
  program.command('show <id>').description('one key').option('--json', 'for scripts').action(show);
  program
    .command('usage <id>')
    .description('how often a key was used, a root key too; `none`: requests with no known key')
    .option('--hours <number>', 'until now', wholeNumber(MAX_DAYS * 24), DEFAULT_USAGE_HOURS)
    .option('--json', 'for scripts')
    .action(usage);
  program
    .command('rotate <id>')
    .description('make the successor of a key, which stays good for the grace period')
    .option(
      '--grace-seconds <seconds>',
      'the grace period',
      wholeNumber(MAX_NUMBER),
      DEFAULT_GRACE_SECONDS,
    )
    .option(
      '--retire-after-quiet-seconds <seconds>',
      'end it early, after so long without use, once the successor is in use',
      wholeNumber(MAX_NUMBER),
    )
    .option(
      '--expires-in-days <days>',
      `when the successor ends (default: ${DEFAULT_LIFETIME_DAYS}, or with its lineage)`,
      wholeNumber(MAX_DAYS),
    )
    .option('--reveal', 'show the secret although stdout is no terminal')
    .option('--json', 'for scripts')
    .action(rotate);
  program
    .command('revoke <id>')
    .description(
      'end a key and those that it has issued, everywhere, and wait until every process refuses them',
    )
    .option('--reason <text>', 'for the record')
    .option('--keep-issued', 'leave the keys that it has issued as they are')
    .option('--json', 'for scripts')
    .action(revoke);
  program
    .command('verify')
    .description('tell whether a key is good; the key is read from stdin')
    .option('--from <address>', 'the address that its caller has', LOCAL_ADDRESS)
    .option('--json', 'for scripts')
    .action(verify);
  program
    .command('generate')
    .description('make a root key for INTERNAL_API_KEY; it is kept nowhere')
    .option('--reveal', 'show it although stdout is no terminal')
    .action(generate);
  return program;
}

const EXIT_CODE_HELP = `
Exit codes: 0 done, ${EXIT_CODES.failed} failed, ${EXIT_CODES.usage} wrong usage, ${EXIT_CODES.notFound} no such key,
${EXIT_CODES.unconfirmed} revoked but not confirmed by every process, ${EXIT_CODES.notGood} the key is not good`;

interface CreateOptions extends SecretOutput {
  readonly name: string;
  readonly scopes: string[];
  readonly readFields?: string[];
  readonly writeFields?: string[];
  readonly networks?: string[];
  readonly rateLimit?: number;
  readonly expiresInDays: number;
  readonly note?: string;
}

async function create({ expiresInDays, json, reveal, ...wanted }: CreateOptions): Promise<void> {
  refuseToLoseSecret(reveal);
  const request = createApiKeySchema.parse({ ...wanted, expiresAt: expiryIn(expiresInDays) });
  const { apiKey, secret } = await withKeys((keys) => keys.create(OPERATOR, request));
  if (json) printJson({ apiKey, secret });
  else print(`${describeKey(apiKey)}\n\nThe key, which is shown this once:\n\n${secret}`);
}

async function list({ json }: Output): Promise<void> {
  const keys = await withKeys(readAll);
  if (json) return printJson({ apiKeys: keys });
  if (keys.length === 0) return print('No key has been issued yet.');
  const rows = keys.map(({ id, name, hint, status, scopes, expiresAt, lastUse }) => [
    id,
    name,
    hint,
    status,
    scopes.join(','),
    expiresAt.slice(0, 10),
    lastUse === null ? 'never' : `${lastUse.at} from ${lastUse.source}`,
  ]);
  print(renderTable(['id', 'name', 'key', 'status', 'scopes', 'expires', 'last used'], rows));
}

async function show(id: string, { json }: Output): Promise<void> {
  const apiKey = await withKeys((keys) => keys.get(id));
  if (json) printJson({ apiKey });
  else print(describeKey(apiKey));
}

interface UsageOptions extends Output {
  readonly hours: number;
}

async function usage(id: string, { hours, json }: UsageOptions): Promise<void> {
  // The hour that has begun is one of them.
  const from = new Date(Date.now() - (hours - 1) * HOUR_MS).toISOString();
  const query = usageQuerySchema.parse({ from });
  const isIssued = apiKeyIdSchema.safeParse(id).success;
  if (!isIssued && id !== NO_KEY && !rootKeyParametersSchema.safeParse({ id }).success) {
    throw new CommandFailure('No key has this id.', EXIT_CODES.notFound);
  }
  const found = await withModule(UsageModule, (application) => {
    const service = application.get(UsageService);
    return isIssued ? service.ofIssuedKey(id, query) : service.of(id, query);
  });
  if (json) printJson({ usage: found });
  else print(renderUsage(found));
}

interface RotateOptions extends SecretOutput {
  readonly graceSeconds: number;
  readonly retireAfterQuietSeconds?: number;
  readonly expiresInDays?: number;
}

async function rotate(
  id: string,
  { graceSeconds, retireAfterQuietSeconds, expiresInDays, json, reveal }: RotateOptions,
): Promise<void> {
  refuseToLoseSecret(reveal);
  const request = rotateApiKeySchema.parse({
    gracePeriodSeconds: graceSeconds,
    retireAfterQuietSeconds,
    expiresAt: expiresInDays === undefined ? undefined : expiryIn(expiresInDays),
  });
  const rotated = await withKeys((keys) => keys.rotate(OPERATOR, id, request));
  if (json) return printJson(rotated);
  const { apiKey, secret, predecessor } = rotated;
  print(`${describeKey(apiKey)}

The key before it is good until ${predecessor.retiresAt}.
The new key, which is shown this once:

${secret}`);
}

interface RevokeOptions extends Output {
  readonly reason?: string;
  readonly keepIssued?: true;
}

async function revoke(id: string, { reason, keepIssued, json }: RevokeOptions): Promise<void> {
  const request = revokeApiKeySchema.parse({ reason, keepIssuedKeys: keepIssued });
  const revoked = await withKeys((keys) => keys.revoke(OPERATOR, id, request));
  const { confirmed, instances, silentInstances, effectiveAfterMs } = revoked.revocation;
  if (json) printJson(revoked);
  else {
    for (const key of revoked.revokedKeys) print(`Revoked with it: ${key.id} ${key.name}`);
    for (const key of revoked.activeIssuedKeys) print(`Still active: ${key.id} ${key.name}`);
    if (confirmed) {
      print(
        `Revoked: ${instances} running processes refuse it, ${effectiveAfterMs} ms after the request.`,
      );
    }
  }
  if (confirmed) return;
  throw new CommandFailure(
    `Revoked, but ${silentInstances} of ${instances + silentInstances} processes have not confirmed it: they refuse it in 5 s at the latest.`,
    EXIT_CODES.unconfirmed,
  );
}

interface VerifyOptions extends Output {
  readonly from: string;
}

async function verify({ from, json }: VerifyOptions): Promise<void> {
  const presented = await readSecret('The key: ');
  const verdict = await withModule(KeyVerificationModule, async (application) =>
    application.get(KeyVerifier).verify(presented, from),
  );
  const { outcome } = verdict;
  const keyId = keyIdOf(verdict);
  if (json) printJson({ outcome, keyId });
  else if (outcome === 'admitted') print(`The key is good: ${keyId}.`);
  if (outcome === 'admitted') return;
  const of = keyId === null ? '' : ` (${keyId})`;
  throw new CommandFailure(`The key is not good: ${outcome}${of}.`, EXIT_CODES.notGood);
}

function generate({ reveal }: SecretOutput): void {
  refuseToLoseSecret(reveal);
  print(randomBytes(32).toString('hex'));
}

async function readAll(keys: ApiKeysService): Promise<ApiKeyAnswer[]> {
  const all: ApiKeyAnswer[] = [];
  for (let cursor: string | undefined; ;) {
    const { apiKeys, nextCursor } = await keys.list({ limit: 100, cursor });
    all.push(...apiKeys);
    if (nextCursor === null) return all;
    cursor = nextCursor;
  }
}

function withKeys<Result>(command: (keys: ApiKeysService) => Promise<Result>): Promise<Result> {
  return withModule(ApiKeysModule, (application) => command(application.get(ApiKeysService)));
}

/** Before anything is made: a secret in a log or a file by mistake is a leak. */
function refuseToLoseSecret(reveal: true | undefined): void {
  if (reveal || process.stdout.isTTY) return;
  throw new CommandFailure(
    'stdout is no terminal: add --reveal to write the secret there.',
    EXIT_CODES.usage,
  );
}

function expiryIn(days: number): string {
  return new Date(Date.now() + days * DAY_MS).toISOString();
}

function describeKey(apiKey: ApiKeyAnswer): string {
  const { lastUse } = apiKey;
  const lines: Record<string, string | number | null> = {
    id: apiKey.id,
    name: apiKey.name,
    key: apiKey.hint,
    status: apiKey.status,
    scopes: apiKey.scopes.join(', '),
    'reads fields': apiKey.readFields?.join(', ') ?? 'all',
    'writes fields': apiKey.writeFields?.join(', ') ?? 'all',
    networks: apiKey.networks.join(', ') || 'any',
    'rate limit': apiKey.rateLimit === null ? 'default' : `${apiKey.rateLimit} a minute`,
    note: apiKey.note,
    created: `${apiKey.createdAt} by ${apiKey.createdBy}`,
    expires: apiKey.expiresAt,
    'lineage ends': apiKey.lineageEndsAt,
    predecessor: apiKey.predecessorId,
    successor: apiKey.successorId,
    retires: apiKey.retiresAt,
    revoked: apiKey.revokedAt && `${apiKey.revokedAt} by ${apiKey.revokedBy}`,
    reason: apiKey.revocationReason,
    'last used':
      lastUse === null
        ? 'never'
        : `${lastUse.at} from ${lastUse.source} by ${lastUse.client ?? '?'}`,
  };
  const present = Object.entries(lines).filter(([, value]) => value !== null);
  return present.map(([name, value]) => `${name.padEnd(13)} ${value}`).join('\n');
}

function print(text: string): void {
  console.log(text);
}

function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}
