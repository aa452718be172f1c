// The problem responses of an operation are derived from these security schemes and extensions.

export const API_KEY_SCHEME = 'apiKey';
export const ACCESS_TOKEN_SCHEME = 'accessToken';
/** The scope that a key must hold. */
export const SCOPE_EXTENSION = 'x-required-scope';
/** The codes of the problems that `@Route` declares. */
export const PROBLEMS_EXTENSION = 'x-problem-codes';
