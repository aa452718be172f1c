/** Facts of an incident: no secret, no user. */
export type AlertDetails = Readonly<Record<string, string | number>>;

interface RuleDescription {
  /**
   * Its name in the log, in the style of
   * https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
   */
  readonly event: string;
  readonly severity: 'critical' | 'warning' | 'info';
  /** Whether the incident ends after a time without a detection. Otherwise a detector ends it. */
  readonly endsWhenQuiet: boolean;
  readonly describe: (subject: string, details: AlertDetails) => string;
  /** `details.reason` is the reason of the end, if known. */
  readonly describeEnd: (subject: string, details: AlertDetails) => string;
}

export const RULE_DESCRIPTIONS = {
  'repeated-failures': {
    event: 'authn_login_fail_max',
    severity: 'warning',
    endsWhenQuiet: true,
    describe: (source, { failures, seconds }) =>
      `${source} failed to authenticate ${failures} times within ${seconds} s`,
    describeEnd: (source) => `${source} has stopped failing to authenticate`,
  },
  'failures-from-many-sources': {
    event: 'authn_login_fail_max',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (_all, { sources, seconds }) =>
      `${sources} addresses failed to authenticate within ${seconds} s`,
    describeEnd: () => 'The number of addresses that fail to authenticate is normal again',
  },
  'revoked-key-used': {
    event: 'authn_token_reuse',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (keyId, { source }) => `A client at ${source} tries the revoked key ${keyId}`,
    describeEnd: (keyId) => `No client tries the revoked key ${keyId} any more`,
  },
  enumeration: {
    event: 'malicious_direct_reference',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (keyId, { source }) =>
      `The key ${keyId}, used from ${source}, asked for too many different or missing users`,
    describeEnd: (keyId) => `The key ${keyId} has stopped asking for too many users`,
  },
  'key-sync-stale': {
    event: 'sys_key_sync_stale',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (instance) => `${instance} receives no key changes, and refuses all issued keys`,
    describeEnd: (instance) => `${instance} no longer refuses issued keys`,
  },
  'key-near-expiry': {
    event: 'authn_key_near_expiry',
    severity: 'warning',
    endsWhenQuiet: false,
    describe: (keyId, { name, expiresAt }) =>
      `The key ${keyId} (${name}) expires at ${expiresAt} and has no successor`,
    describeEnd: (keyId, { name, reason = 'does not expire soon' }) =>
      `The key ${keyId} (${name}) ${reason}`,
  },
  'key-unused': {
    event: 'authn_key_unused',
    severity: 'info',
    endsWhenQuiet: false,
    describe: (keyId, { name, days }) =>
      `The key ${keyId} (${name}) has not been used for ${days} days: revoke it if nobody needs it`,
    describeEnd: (keyId, { name, reason = 'has been used' }) =>
      `The key ${keyId} (${name}) ${reason}`,
  },
} satisfies Record<string, RuleDescription>;

export type AlertRule = keyof typeof RULE_DESCRIPTIONS;
export const ALERT_RULES = Object.keys(RULE_DESCRIPTIONS);

/** The beginning or the end of an incident. */
export interface Alert {
  /** The same in every repetition. */
  readonly id: string;
  /** The same for the beginning and the end. */
  readonly incidentId: string;
  readonly rule: AlertRule;
  readonly subject: string;
  readonly details: AlertDetails;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

/**
 * The body of the request to the receiver: `text` for chats such as Slack, and fields for programs.
 */
export function renderAlert(alert: Alert): string {
  const { id, incidentId, rule, subject, details, startedAt, endedAt } = alert;
  const { event, severity } = RULE_DESCRIPTIONS[rule];
  return JSON.stringify({
    text: escapeForChat(`${endedAt === null ? 'Alert' : 'Over'}: ${describeAlert(alert)}`),
    id,
    incidentId,
    rule,
    status: endedAt === null ? 'firing' : 'resolved',
    severity,
    event,
    subject,
    details,
    startedAt: startedAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  });
}

export function describeAlert({ rule, subject, details, endedAt }: Alert): string {
  const { describe, describeEnd }: RuleDescription = RULE_DESCRIPTIONS[rule];
  return endedAt === null ? describe(subject, details) : describeEnd(subject, details);
}

// A key's name could otherwise be a link or mention everyone:
// https://api.slack.com/reference/surfaces/formatting#escaping
function escapeForChat(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
