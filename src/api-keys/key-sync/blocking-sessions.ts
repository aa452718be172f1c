import { Logger } from '@nestjs/common';
import type { ListeningClient } from './listening-client.js';

type BlockingSession = {
  readonly pid: number;
  readonly role: string | null;
  readonly name: string | null;
  readonly address: string | null;
  readonly ended: boolean;
};

// Also finds sessions that block a blocker. `pg_terminate_backend` fails for sessions of another
// role, so the query only reports these sessions.
const END_BLOCKERS = `
  WITH RECURSIVE blocker (pid) AS (
    SELECT unnest(pg_blocking_pids($1::int))
    UNION
    SELECT unnest(pg_blocking_pids(pid)) FROM blocker
  )
  SELECT pid, usename::text AS role, application_name AS name, client_addr::text AS address,
    CASE WHEN pg_has_role(usesysid, 'USAGE') THEN pg_terminate_backend(pid) ELSE false END AS ended
  FROM blocker JOIN pg_stat_activity USING (pid)
  WHERE pid NOT IN ($1::int, pg_backend_pid())`;

/** Uses an open connection to terminate the sessions that block a revocation. */
export class BlockingSessions {
  private readonly logger = new Logger(BlockingSessions.name);

  constructor(private readonly client: ListeningClient) {}

  /** @param pid the process id of the blocked session in PostgreSQL */
  async end(pid: number): Promise<void> {
    const sessions = await this.client.query<BlockingSession>(END_BLOCKERS, [pid]);
    for (const { pid: blocker, role, name, address, ended } of sessions) {
      const session = `database session ${blocker} (role ${role}, application ${name}, address ${address})`;
      if (ended) this.logger.warn(`Ended ${session}: it blocked a revocation`);
      else {
        this.logger.error(
          `Cannot end ${session}, which blocks a revocation: let a superuser run SELECT pg_terminate_backend(${blocker})`,
        );
      }
    }
  }
}
