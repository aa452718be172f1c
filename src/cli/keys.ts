import { randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { z } from 'zod';
import {
  type ApiKey,
  DEFAULT_GRACE_SECONDS,
  DEFAULT_LIFETIME_DAYS,
  MAX_GRACE_SECONDS,
  MAX_LIFETIME_DAYS,
  MAX_RATE_LIMIT,
  MIN_QUIET_SECONDS,
  apiKeyIdSchema,
  apiKeyPageSchema,
  apiKeyResponseSchema,
  checkedApiKeySchema,
  createApiKeySchema,
  createdApiKeySchema,
  revokeApiKeySchema,
  revokedApiKeySchema,
  rotateApiKeySchema,
  rotatedApiKeySchema,
} from '../api-keys/api-key.schemas.js';
import { SCOPES } from '../api-keys/scopes.js';
import { DAY_MS, HOUR_MS } from '../time.js';
import { MAX_DAYS, rootKeyParametersSchema, usageResponseSchema } from '../usage/usage.schemas.js';
import { USER_FIELDS, WRITABLE_USER_FIELDS } from '../users/user.schemas.js';
import { type ApiClient, nameFlag } from './api-client.js';
import { CommandFailure, EXIT_CODES, wrongUsage } from './failure.js';
import { print, printResponse, readSecret, refuseToLeakSecret, renderTable } from './terminal.js';
import { renderUsage } from './usage-report.js';

const KEYS = '/api/internal/api-keys';
const ROOT_KEYS = '/api/internal/root-keys';
const MINUTE_MS = 60_000;
const MAX_HOURS = MAX_DAYS * 24;
const DAYS_BOUND = `must be a whole number from 1 to ${MAX_LIFETIME_DAYS}`;

const words = (text: string): string[] => text.split(',').map((word) => word.trim());
// Leaves invalid text unchanged, so that the request schema rejects it: `Number('')` would be 0.
const wholeNumber = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text);

/** A number, or the given text if it is not a whole number. */
type Quantity = ReturnType<typeof wholeNumber>;

/** The options of all commands. Each command sets only those that it declares. */
interface Options {
  readonly json?: true;
  readonly reveal?: true;
  readonly all?: true;
  readonly keepIssued?: true;
  readonly reason?: string;
  readonly from: string;
  readonly hours: Quantity;
  readonly graceSeconds: Quantity;
  readonly retireAfterQuietSeconds?: Quantity;
  readonly expiresInDays?: Quantity;
}

export function addKeysCommands(program: Command, api: ApiClient): void {
  const keys = program.command('keys').description('issue, show, rotate and revoke API keys');
  const add = (syntax: string, description: string, example: string) =>
    keys
      .command(syntax)
      .description(description)
      .option('--json', 'print JSON for scripts')
      .addHelpText('after', `\nExample:\n  latchkey keys ${example}`);
  const reveal = ['--reveal', 'print the secret even if stdout is not a terminal'] as const;

  add('create', 'issue a key and print its secret once', 'create --name mailer --scopes users:read')
    .option('--name <name>', 'name of the caller, at most 100 characters (required)')
    .option(
      '--scopes <scopes>',
      `what the key may do, separated by commas (required): ${SCOPES.join(', ')}`,
      words,
    )
    .option(
      '--read-fields <fields>',
      `user fields that the key may read, separated by commas (default: all): ${USER_FIELDS.join(', ')}`,
      words,
    )
    .option(
      '--write-fields <fields>',
      `user fields that the key may write, separated by commas (default: all): ${WRITABLE_USER_FIELDS.join(', ')}`,
      words,
    )
    .option(
      '--networks <blocks>',
      'CIDR blocks that the key is accepted from, separated by commas (default: any)',
      words,
    )
    .option(
      '--rate-limit <number>',
      `requests that the key may send per minute, 1 to ${MAX_RATE_LIMIT} (default: KEY_RATE_LIMIT of the server)`,
      wholeNumber,
    )
    .option(
      '--expires-in-days <days>',
      `lifetime in days, 1 to ${MAX_LIFETIME_DAYS} (default: ${DEFAULT_LIFETIME_DAYS}, or less if the issuing key expires earlier)`,
      wholeNumber,
    )
    .option('--note <text>', 'note for operators, at most 500 characters')
    .option(...reveal)
    .action((options: Options) => create(api, options));
  add('list', 'list issued keys, active ones first', 'list --all')
    .option('--all', 'include keys that are expired, revoked or past their grace period')
    .action((options: Options) => list(api, options));
  add('show <id>', 'show one key', 'show 019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90').action(
    (id: string, options: Options) => show(api, id, options),
  );
  add(
    'usage <id>',
    'show when and how often a key was used; the id `none` stands for requests without a known key',
    'usage root_1a2b3c4d --hours 168',
  )
    .option('--hours <number>', `hours to report, ending now, 1 to ${MAX_HOURS}`, wholeNumber, 24)
    .action((id: string, options: Options) => usage(api, id, options));
  add(
    'rotate <id>',
    'issue the successor of a key; both keys are accepted during the grace period',
    'rotate 019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90 --grace-seconds 3600',
  )
    .option(
      '--grace-seconds <seconds>',
      `grace period in seconds, 0 to ${MAX_GRACE_SECONDS}`,
      wholeNumber,
      DEFAULT_GRACE_SECONDS,
    )
    .option(
      '--retire-after-quiet-seconds <seconds>',
      `end the grace period early, once the successor is in use and the old key has not been used for this many seconds, ${MIN_QUIET_SECONDS} to ${MAX_GRACE_SECONDS}`,
      wholeNumber,
    )
    .option(
      '--expires-in-days <days>',
      `lifetime of the successor in days, 1 to ${MAX_LIFETIME_DAYS} (default: ${DEFAULT_LIFETIME_DAYS}, or less if the lineage of the key ends earlier: see keys show)`,
      wholeNumber,
    )
    .option(...reveal)
    .action((id: string, options: Options) => rotate(api, id, options));
  add(
    'revoke <id>',
    'revoke a key and the keys that it has issued, and wait until every instance refuses them',
    'revoke 019a8f5e-7c1b-7d2e-9f3a-4b5c6d7e8f90 --reason leaked',
  )
    .option('--reason <text>', 'reason for the audit trail, at most 500 characters')
    .option('--with-issued', 'also revoke the keys that the key has issued (default)')
    .addOption(
      new Option('--keep-issued', 'do not revoke the keys that the key has issued').conflicts(
        'withIssued',
      ),
    )
    .action((id: string, options: Options) => revoke(api, id, options));
  add(
    'verify',
    'read a key from stdin, and check whether it is accepted',
    'verify --from 10.1.2.3 < key-file',
  )
    .option(
      '--from <address>',
      'check the key as if a client with this IP address sent it',
      '127.0.0.1',
    )
    .action(async (options: Options) => {
      if (program.opts().keyFile === '-') {
        throw wrongUsage('--key-file must name a file, because stdin contains the key to verify.');
      }
      const apiKey = await readSecret('The key to verify: ');
      await verify(api, apiKey, options);
    });
  keys
    .command('generate')
    .description('print a new root key for INTERNAL_API_KEY without storing it')
    .option(...reveal)
    .addHelpText('after', '\nExample:\n  latchkey keys generate --reveal > root-key')
    .action((options: Options) => {
      refuseToLeakSecret(options.reveal);
      print(randomBytes(32).toString('hex'));
    });
}

async function create(api: ApiClient, options: Options): Promise<void> {
  const { expiresInDays, json, reveal, ...input } = options;
  const body = { ...input, expiresAt: expiryIn(expiresInDays) };
  checkInput(createApiKeySchema, body);
  refuseToLeakSecret(reveal);
  const created = await api.post(KEYS, body, createdApiKeySchema);
  printResponse(
    json,
    created,
    () => `${describeKey(created.apiKey)}\n\n${describeSecret(created.secret)}`,
  );
}

async function list(api: ApiClient, { all, json }: Options): Promise<void> {
  const keys: ApiKey[] = [];
  for await (const page of api.pages(KEYS, {}, apiKeyPageSchema)) keys.push(...page.apiKeys);
  const accepted = keys.filter(isAccepted);
  const ended = keys.filter((key) => !isAccepted(key));
  const rows = all ? [...accepted, ...ended] : accepted;
  const lines = [
    ...(rows.length > 0 ? [renderKeys(rows)] : []),
    ...(!all && ended.length > 0
      ? [`${ended.length} expired, retired or revoked keys are hidden: add --all.`]
      : []),
  ];
  const none = 'No key has been issued yet. To issue one, run keys create.';
  printResponse(json, { apiKeys: keys }, () => lines.join('\n') || none);
}

function renderKeys(rows: readonly ApiKey[]): string {
  return renderTable(rows, [
    { heading: 'id', cell: ({ id }) => id },
    { heading: 'name', cell: ({ name }) => name, isFlexible: true },
    { heading: 'status', cell: ({ status }) => status },
    { heading: 'ends', cell: ({ expiresAt, retiresAt }) => fromNow(retiresAt ?? expiresAt) },
    {
      heading: 'used',
      cell: ({ lastUse }) => (lastUse === null ? 'never' : fromNow(lastUse.at)),
      isOptional: true,
    },
    { heading: 'key', cell: ({ hint }) => hint, isOptional: true },
    { heading: 'scopes', cell: ({ scopes }) => scopes.join(','), isOptional: true },
  ]);
}

async function show(api: ApiClient, id: string, { json }: Options): Promise<void> {
  const { apiKey } = await api.get(pathOf(id), apiKeyResponseSchema);
  printResponse(json, { apiKey }, () => describeKey(apiKey));
}

async function usage(api: ApiClient, id: string, { hours, json }: Options): Promise<void> {
  if (typeof hours === 'string' || hours < 1 || hours > MAX_HOURS) {
    throw wrongUsage(`--hours must be a whole number from 1 to ${MAX_HOURS}`);
  }
  const isIssued = apiKeyIdSchema.safeParse(id).success;
  if (!isIssued && !rootKeyParametersSchema.safeParse({ id }).success) {
    throw new CommandFailure(
      'No key has this id. To see all ids, run keys list --all.',
      EXIT_CODES.notFound,
    );
  }
  // The current hour is one of the reported hours.
  const from = new Date(Date.now() - (hours - 1) * HOUR_MS).toISOString();
  const path = isIssued ? pathOf(id) : `${ROOT_KEYS}/${id}`;
  const found = await api.get(`${path}/usage?from=${from}`, usageResponseSchema);
  const isNamed = isIssued && !json;
  const name = isNamed ? (await api.get(path, apiKeyResponseSchema)).apiKey.name : null;
  printResponse(json, found, () => renderUsage(found.usage, name));
}

async function rotate(api: ApiClient, id: string, options: Options): Promise<void> {
  const { graceSeconds, retireAfterQuietSeconds, expiresInDays, json, reveal } = options;
  const expiresAt = expiryIn(expiresInDays);
  const body = { gracePeriodSeconds: graceSeconds, retireAfterQuietSeconds, expiresAt };
  checkInput(rotateApiKeySchema, body);
  refuseToLeakSecret(reveal);
  const rotated = await api.post(`${pathOf(id)}/rotate`, body, rotatedApiKeySchema);
  printResponse(
    json,
    rotated,
    () => `${describeKey(rotated.apiKey)}

The old key is accepted until ${rotated.predecessor.retiresAt}.
${describeSecret(rotated.secret)}`,
  );
}

async function revoke(api: ApiClient, id: string, options: Options): Promise<void> {
  const body = { reason: options.reason, keepIssuedKeys: options.keepIssued };
  checkInput(revokeApiKeySchema, body);
  const revoked = await api.post(`${pathOf(id)}/revoke`, body, revokedApiKeySchema);
  const { confirmed, instances, silentInstances, effectiveAfterMs } = revoked.revocation;
  printResponse(options.json, revoked, () =>
    [
      `Revoked: ${revoked.apiKey.id} ${revoked.apiKey.name}`,
      ...revoked.revokedKeys.map((key) => `Revoked with it: ${key.id} ${key.name}`),
      ...revoked.activeIssuedKeys.map((key) => `Still active: ${key.id} ${key.name}`),
      ...(confirmed
        ? [`Refused by all running processes (${instances}) after ${effectiveAfterMs} ms.`]
        : []),
    ].join('\n'),
  );
  if (confirmed) return;
  throw new CommandFailure(
    `Revoked, but ${silentInstances} of ${instances + silentInstances} processes have not confirmed the revocation.
These processes will refuse the key within 5 s. Repeat the command to wait for their confirmation.`,
    EXIT_CODES.unconfirmed,
  );
}

async function verify(api: ApiClient, apiKey: string, { from, json }: Options) {
  const body = { apiKey, address: from };
  const { outcome, keyId } = await api.post(`${KEYS}/check`, body, checkedApiKeySchema);
  const isAdmitted = outcome === 'admitted';
  if (json || isAdmitted) {
    printResponse(json, { outcome, keyId }, () => `The key is accepted: ${keyId}.`);
  }
  if (isAdmitted) return;
  const key = keyId === null ? 'The key' : `The key ${keyId}`;
  throw new CommandFailure(`${key} is not accepted: ${outcome}.`, EXIT_CODES.rejected);
}

/** Rejects options that the server would reject. Reports missing options before invalid ones. */
function checkInput(schema: z.ZodType, body: Readonly<Record<string, unknown>>): void {
  const { error } = schema.safeParse(body);
  if (error === undefined) return;
  const problems = error.issues.map(({ path: [field = '', index], message }) => {
    const value = body[String(field)];
    const entry = Array.isArray(value) && typeof index === 'number' ? ` (${value[index]})` : '';
    const isMissing = value === undefined;
    const text = isMissing ? 'must be given' : field === 'expiresAt' ? DAYS_BOUND : message;
    return { isMissing, line: nameFlag(String(field), text) + entry };
  });
  const byImportance = problems.toSorted((a, b) => Number(b.isMissing) - Number(a.isMissing));
  throw wrongUsage(...byImportance.map(({ line }) => line));
}

/** Returns the time of expiry. For invalid input, returns a text that the schema rejects. */
function expiryIn(days: Quantity | undefined): string | undefined {
  if (days === undefined) return undefined;
  if (typeof days === 'string' || days < 1 || days > MAX_LIFETIME_DAYS) return String(days);
  return new Date(Date.now() + days * DAY_MS).toISOString();
}

function describeSecret(secret: string | null): string {
  return `The new key, shown only once:\n\n${secret}`;
}

const pathOf = (id: string): string => `${KEYS}/${encodeURIComponent(id)}`;

function isAccepted({ status }: ApiKey): boolean {
  return status === 'active' || status === 'retiring';
}

/** Formats a time relative to now: `in 3 d` or `2 h ago`. */
function fromNow(time: string): string {
  const ms = Date.parse(time) - Date.now();
  const length = Math.abs(ms);
  const [unit, name] =
    length < HOUR_MS ? [MINUTE_MS, 'min'] : length < 2 * DAY_MS ? [HOUR_MS, 'h'] : [DAY_MS, 'd'];
  const text = `${Math.round(length / unit)} ${name}`;
  return ms < 0 ? `${text} ago` : `in ${text}`;
}

/** Lists the fields that a key can use. A key that lacks `scope` can use no fields. */
function fieldsOf({ scopes }: ApiKey, scope: ApiKey['scopes'][number], fields: string[] | null) {
  if (!scopes.includes(scope)) return 'none';
  return fields?.join(', ') ?? 'all';
}

function describeKey(apiKey: ApiKey): string {
  const { lastUse } = apiKey;
  const lines: Record<string, string | number | null> = {
    id: apiKey.id,
    name: apiKey.name,
    key: apiKey.hint,
    status: apiKey.status,
    scopes: apiKey.scopes.join(', '),
    'reads fields': fieldsOf(apiKey, 'users:read', apiKey.readFields),
    'writes fields': fieldsOf(apiKey, 'users:write', apiKey.writeFields),
    networks: apiKey.networks.join(', ') || 'any',
    'rate limit': apiKey.rateLimit === null ? 'default' : `${apiKey.rateLimit} per minute`,
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
