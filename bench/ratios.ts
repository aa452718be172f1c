import {
  BETTER_AUTH,
  FASTIFY_COALESCED,
  FASTIFY_PG,
  LATCHKEY,
  LATCHKEY_LEAN,
  NESTJS_PRISMA,
  NEXTJS_PRISMA,
  NODE_HTTP,
  type Peer,
} from './peers.js';

/** The throughput of the peer `of` divided by the throughput of the peer `to`. */
export interface Ratio {
  readonly of: Peer;
  readonly to: Peer;
  /** The lowest acceptable ratio. */
  readonly goal?: number;
}

export const RATIOS: readonly Ratio[] = [
  { of: LATCHKEY, to: FASTIFY_PG, goal: 2 },
  { of: LATCHKEY_LEAN, to: FASTIFY_PG, goal: 2.2 },
  { of: LATCHKEY_LEAN, to: NESTJS_PRISMA, goal: 6 },
  { of: LATCHKEY_LEAN, to: NEXTJS_PRISMA, goal: 25 },
  { of: LATCHKEY_LEAN, to: BETTER_AUTH },
  { of: LATCHKEY_LEAN, to: FASTIFY_COALESCED, goal: 0.85 },
  { of: LATCHKEY_LEAN, to: NODE_HTTP, goal: 0.5 },
];

/**
 * A quick run fails if a ratio is below this share of the recorded ratio. Noise alone does not
 * reduce a ratio this far.
 */
export const TOLERATED_SHARE = 0.75;

/**
 * The ratios that a quick run measured, for each load generator. Each ratio compares how many
 * requests the two peers handle per second of their CPU time. Update the ratios when the hot path
 * changes: `npm run bench -- --quick` prints the new ones.
 */
export const RECORDED = {
  wrk: [
    { of: LATCHKEY, to: FASTIFY_PG, recorded: 1.45 },
    { of: LATCHKEY_LEAN, to: FASTIFY_PG, recorded: 1.75 },
    { of: LATCHKEY_LEAN, to: FASTIFY_COALESCED, recorded: 0.78 },
    { of: LATCHKEY_LEAN, to: NODE_HTTP, recorded: 0.4 },
  ],
  // autocannon cannot saturate the fastest servers, so they are not compared.
  autocannon: [
    { of: LATCHKEY, to: FASTIFY_PG, recorded: 1.95 },
    { of: LATCHKEY_LEAN, to: FASTIFY_PG, recorded: 1.95 },
  ],
};
