// OpenAPI extensions from which the document derives responses.

export const API_KEY_SCHEME = 'apiKey';
export const ACCESS_TOKEN_SCHEME = 'accessToken';
/** The scope that a key must hold. */
export const SCOPE_EXTENSION = 'x-required-scope';
/** The codes of an operation's own problems. */
export const PROBLEMS_EXTENSION = 'x-problem-codes';
