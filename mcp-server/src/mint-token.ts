import { parseArgs } from 'node:util';
import { mintAccessToken } from '@latchkey/access-tokens/mint';
import { USER_ID } from '@latchkey/access-tokens/user-id';
import { loadStartVariables } from '@latchkey/environment/env-files';
import { EnvironmentError } from '@latchkey/environment/read-environment';
import { SCOPES } from './auth/user.js';
import { type Environment, parseEnvironment } from './config/environment.js';

const DEFAULT_AUDIENCE = 'http://localhost:3001/mcp';
const MAX_HOURS = 24 * 365;
const USAGE = `Usage: npm run token -- USER_ID [--scope "${SCOPES.join(' ')}"] [--hours 8] [--audience URL]`;

try {
  console.log(await run());
} catch (error) {
  const isExplained = error instanceof EnvironmentError || error instanceof TypeError;
  console.error(error instanceof Error && isExplained ? error.message : error);
  process.exitCode = 1;
}

/** Creates a user's access token for development. In production, use the token issuer. */
async function run(): Promise<string> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      scope: { type: 'string', default: SCOPES.join(' ') },
      hours: { type: 'string', default: '8' },
      audience: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return USAGE;
  const [userId = '', ...others] = positionals;
  const hours = Number(values.hours);
  if (!USER_ID.test(userId) || others.length > 0 || !(hours > 0 && hours <= MAX_HOURS)) {
    throw new TypeError(USAGE);
  }
  loadStartVariables();
  if (process.env.NODE_ENV === 'production') {
    throw new TypeError('NODE_ENV is production: get a token from the token issuer.');
  }
  const environment = parseEnvironment(process.env);
  if (environment.JWT_SECRET === undefined) {
    throw new TypeError(
      'JWT_SECRET is not set: get a token from the issuer that serves JWT_JWKS_URL.',
    );
  }
  return mintAccessToken({
    secret: environment.JWT_SECRET,
    issuer: environment.accessTokens.issuer,
    audience: values.audience ?? developmentAudiences(environment),
    userId,
    clientId: 'latchkey-development',
    scopes: values.scope.split(' ').filter((word) => word !== ''),
    lifetimeSeconds: hours * 3600,
  });
}

/** The audiences of this MCP server, of an MCP server with the default URL, and of the backend. */
function developmentAudiences({ accessTokens }: Environment): string[] {
  const { AUTH_TOKEN_AUDIENCE, PORT } = process.env;
  const backend = AUTH_TOKEN_AUDIENCE || `http://localhost:${PORT || 3000}`;
  return [...new Set([accessTokens.audience, DEFAULT_AUDIENCE, backend])];
}
