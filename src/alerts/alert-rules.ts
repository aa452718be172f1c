/** What operators are told of. */
export const ALERT_RULES = [
  'repeated-failures',
  'failures-from-many-sources',
  'revoked-key-used',
  'enumeration',
  'key-feed-stale',
  'key-near-expiry',
  'key-unused',
] as const;
export type AlertRule = (typeof ALERT_RULES)[number];

/** Facts of an episode: no secret, no user. */
export type AlertDetails = Readonly<Record<string, string | number>>;

interface RuleDescription {
  /** Its name in the log: https://cheatsheetseries.owasp.org/cheatsheets/Logging_Vocabulary_Cheat_Sheet.html and in its style. */
  readonly event: string;
  readonly severity: 'critical' | 'warning' | 'info';
  /** Whether it is over when nothing more of it has been seen for a while; otherwise somebody says so. */
  readonly endsWhenQuiet: boolean;
  readonly describe: (subject: string, details: AlertDetails) => string;
}

export const RULE_DESCRIPTIONS: Readonly<Record<AlertRule, RuleDescription>> = {
  'repeated-failures': {
    event: 'authn_login_fail_max',
    severity: 'warning',
    endsWhenQuiet: true,
    describe: (source, { failures, seconds }) =>
      `${source} failed to authenticate ${failures} times within ${seconds} s`,
  },
  'failures-from-many-sources': {
    event: 'authn_login_fail_max',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (_all, { sources, seconds }) =>
      `${sources} addresses failed to authenticate within ${seconds} s`,
  },
  'revoked-key-used': {
    event: 'authn_token_reuse',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (keyId, { source }) => `Somebody at ${source} tries the revoked key ${keyId}`,
  },
  enumeration: {
    event: 'malicious_direct_reference',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (keyId, { source }) =>
      `The key ${keyId}, used from ${source}, asked for too many different or missing users`,
  },
  'key-feed-stale': {
    event: 'sys_key_feed_stale',
    severity: 'critical',
    endsWhenQuiet: true,
    describe: (instance) => `${instance} hears of no changes of keys, and refuses all issued keys`,
  },
  'key-near-expiry': {
    event: 'authn_key_near_expiry',
    severity: 'warning',
    endsWhenQuiet: false,
    describe: (keyId, { name, expiresAt }) =>
      `The key ${keyId} (${name}) expires at ${expiresAt} and has no successor`,
  },
  'key-unused': {
    event: 'authn_key_unused',
    severity: 'info',
    endsWhenQuiet: false,
    describe: (keyId, { name, days }) =>
      `The key ${keyId} (${name}) has not been used for ${days} days: revoke it if nobody needs it`,
  },
};
