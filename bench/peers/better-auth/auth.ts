import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { Pool } from 'pg';
import { settings } from '../settings.js';

/**
 * One pool for better-auth and the user query. The tables of better-auth are in a separate schema.
 */
export const pool = new Pool({
  ...settings.database,
  options: '-c search_path=better_auth,public',
});

export const auth = betterAuth({
  baseURL: `http://127.0.0.1:${settings.port}`,
  secret: settings.apiKey,
  database: pool,
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  // The default limit of ten requests per day would refuse almost all requests.
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});
