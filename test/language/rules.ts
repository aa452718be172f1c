/** A pattern of unclear language, and advice about better language. */
export interface Rule {
  readonly pattern: RegExp;
  readonly advice: string;
  /** A text that matches the pattern. */
  readonly example: string;
}

/** A line with a comment has at most this many columns, including its indentation. */
export const MAX_COLUMNS = 100;
export const MAX_SUBJECT_LENGTH = 72;

export const RULES: readonly Rule[] = [
  {
    pattern: /^(?:Who|What|Those (?:that|who)|One (?:that|who))\b(?!.*\?)/,
    advice: 'Name the subject: "the server", "the request", "the text".',
    example: 'What a request leaves behind is never given back.',
  },
  {
    pattern: /(?<=[;,.] )[Ww]hat (?:is|are|was|were|has|have) (?!.*\?)/,
    advice: 'Name the subject: "text that", "requests that".',
    example: 'Refused at once; what is malformed counts as absent.',
  },
  {
    pattern: /(?:[;,]|\band) answers (?:with (?:what|all)|what|whether)\b/,
    advice: 'A function returns a value; a server sends a response.',
    example: 'Sends the cases, and answers with what was wrong.',
  },
  {
    pattern: /\bwhoever\b/i,
    advice: 'Name the person or program: "a client that", "an operator with".',
    example: 'whoever has the key may read',
  },
  {
    pattern: /\b(?:is|are|was|were|be|been) told\b/,
    advice: 'Say how the information arrives: "is logged", "receives", "is set".',
    example: 'the operator is told once',
  },
  {
    pattern: /\b(?:tells?|told) of\b/,
    advice: 'Use "reports", "records", "counts" or "documents".',
    example: 'an alert tells of the key',
  },
  {
    pattern: /\b(?:can|cannot|can't|could|to) be had\b|\b(?:is|are) had by\b/,
    advice: 'Use "is available", "is unavailable" or "have".',
    example: 'the keys cannot be had',
  },
  {
    pattern: /\ball that (?:is|are|has|have)\b/,
    advice: 'Use "all" with a noun, or "everything".',
    example: 'all that are alike',
  },
  {
    pattern: /\bof late\b|\bin vain\b/,
    advice: 'Use "recent", or say what does not happen.',
    example: 'waited for in vain',
  },
  {
    pattern: /\bkey feed\b/i,
    advice: 'The term is "key sync".',
    example: 'a key feed that falls silent',
  },
  {
    pattern: /\bdatabase gate\b|\bDatabaseGate\b/i,
    advice: 'The term is "database guard".',
    example: 'statements pass the database gate',
  },
  {
    pattern: /\bkey ring\b|\bKeyRing\b/i,
    advice: 'The term is "key cache" or "root key store".',
    example: 'the key ring in memory',
  },
];
