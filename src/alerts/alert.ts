import { type AlertDetails, type AlertRule, RULE_DESCRIPTIONS } from './alert-rules.js';

/** The beginning or the end of an episode. */
export interface Alert {
  /** The same in every repetition. */
  readonly id: string;
  /** The same for the beginning and the end. */
  readonly episodeId: string;
  readonly rule: AlertRule;
  readonly subject: string;
  readonly details: AlertDetails;
  readonly startedAt: Date;
  /** Null while it lasts. */
  readonly endedAt: Date | null;
}

/** The body of the request to the receiver: `text` for chats such as Slack, and fields for programs. */
export function renderAlert(alert: Alert): string {
  const { id, episodeId, rule, subject, details, startedAt, endedAt } = alert;
  const { event, severity } = RULE_DESCRIPTIONS[rule];
  return JSON.stringify({
    text: escapeForChat(`${endedAt === null ? 'Alert' : 'Over'}: ${describeAlert(alert)}`),
    id,
    episode: episodeId,
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

/** A sentence for people. */
export function describeAlert({ rule, subject, details }: Alert): string {
  return RULE_DESCRIPTIONS[rule].describe(subject, details);
}

// The name of a key could otherwise be a link or call everybody: https://api.slack.com/reference/surfaces/formatting#escaping
function escapeForChat(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
