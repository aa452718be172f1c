/** Facts about an incident. They must not contain secrets or personal data. */
export type AlertDetails = Readonly<Record<string, string | number>>;

interface RuleDescription {
  /**
   * The event name in the log and in the webhook body, in the style of
   * https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html
   */
  readonly event: string;
  readonly severity: 'critical' | 'warning' | 'info';
  /**
   * Whether an incident ends after `ALERT_QUIET_SECONDS` without a detection. If false, only the
   * detector can end the incident.
   */
  readonly endsWhenQuiet: boolean;
  readonly describe: (subject: string, details: AlertDetails) => string;
  /** `details.reason` says why the incident ended, if known. */
  readonly describeEnd: (subject: string, details: AlertDetails) => string;
}

export const RULE_DESCRIPTIONS = {
  'repeated-failures': {
    event: 'authn_login_fail_max',
    severity: 'warning',
    endsWhenQuiet: true,
    describe: (source, { failures, seconds }) =>
      `${source} failed to authenticate ${failures} times within ${seconds} s`,
    describeEnd: (source) => `No more failed authentication attempts from ${source}`,
  },
  'failures-from-many-sources': {
    event: 'authn_login_fail_max',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (_all, { sources, seconds }) =>
      `Within ${seconds} s, requests from ${sources} addresses failed to authenticate`,
    describeEnd: () => 'The number of addresses that fail to authenticate is normal again',
  },
  'revoked-key-used': {
    event: 'authn_token_reuse',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (keyId, { source }) => `A client at ${source} sends the revoked key ${keyId}`,
    describeEnd: (keyId) => `No client sends the revoked key ${keyId} any more`,
  },
  enumeration: {
    event: 'malicious_direct_reference',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (keyId, { source }) =>
      `The key ${keyId}, used from ${source}, requested too many different or nonexistent users`,
    describeEnd: (keyId) => `The key ${keyId} has stopped requesting too many users`,
  },
  'key-sync-stale': {
    event: 'sys_key_sync_stale',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (instance) =>
      `Instance ${instance} receives no key changes, and refuses all issued keys`,
    describeEnd: (instance) => `Instance ${instance} no longer refuses issued keys`,
  },
  'key-near-expiry': {
    event: 'authn_key_near_expiry',
    severity: 'warning',
    endsWhenQuiet: false,
    describe: (keyId, { name, expiresAt }) =>
      `The key ${keyId} (${name}) expires at ${expiresAt} and has no successor`,
    describeEnd: (keyId, { name, reason = 'no longer expires soon' }) =>
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

/** A message about the beginning or the end of an incident. */
export interface Alert {
  /** Stays the same if the alert is delivered again. */
  readonly id: string;
  /** Identical in the two alerts about the beginning and the end of the incident. */
  readonly incidentId: string;
  readonly rule: AlertRule;
  readonly subject: string;
  readonly details: AlertDetails;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
}

/**
 * Returns the body of the webhook request: `text` is for chats such as Slack, the other fields are
 * for programs.
 */
export function renderAlert(alert: Alert): string {
  const { id, incidentId, rule, subject, details, startedAt, endedAt } = alert;
  const { event, severity } = RULE_DESCRIPTIONS[rule];
  return JSON.stringify({
    text: escapeForChat(`${endedAt === null ? 'Alert' : 'Resolved'}: ${describeAlert(alert)}`),
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

// Unescaped, the name of a key could contain a link or mention everyone in the chat:
// https://api.slack.com/reference/surfaces/formatting#escaping
function escapeForChat(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
