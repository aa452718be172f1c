import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { inject } from 'vitest';

const REPOSITORY = process.cwd();
const FIXTURES = import.meta.dirname;

export interface Outcome {
  code: number | null;
  /** The output on stdout and stderr. */
  output: string;
}

/**
 * A Prisma project in a temporary folder, with this repository's Prisma config and schema engine, a
 * pending migration, and an empty database. Each project has its own database role, so the owner of
 * a shadow database shows which of the concurrent tests created the database.
 */
export class PrismaProject implements AsyncDisposable {
  readonly password = randomBytes(16).toString('hex');
  readonly schemaPath: string;

  private constructor(
    readonly folder: string,
    readonly name: string,
  ) {
    this.schemaPath = join(folder, 'prisma/schema.prisma');
  }

  static async create(): Promise<PrismaProject> {
    const folder = await mkdtemp(join(tmpdir(), 'latchkey-prisma-'));
    const project = new PrismaProject(folder, `prisma_cli_${randomBytes(6).toString('hex')}`);
    await cp(join(REPOSITORY, 'prisma.config.ts'), join(folder, 'prisma.config.ts'));
    await cp(join(FIXTURES, 'schema.prisma'), project.schemaPath);
    await cp(join(FIXTURES, 'migrations'), join(folder, 'prisma/migrations'), { recursive: true });
    for (const shared of ['node_modules', 'packages']) {
      await symlink(join(REPOSITORY, shared), join(folder, shared));
    }
    const { name, password } = project;
    await runOnServer(`CREATE ROLE ${name} LOGIN CREATEDB PASSWORD '${password}'`);
    await runOnServer(`ALTER ROLE ${name} SET TimeZone = 'Asia/Tokyo'`);
    await runOnServer(`CREATE DATABASE ${name} OWNER ${name}`);
    return project;
  }

  get url(): string {
    const url = new URL(inject('databaseServerUrl'));
    url.username = this.name;
    url.password = this.password;
    url.pathname = `/${this.name}`;
    return url.href;
  }

  /** Runs `prisma …` in the project's folder. */
  async run(args: string[], environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const child = this.spawn(args, environment);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    }
    await once(child, 'close');
    return { code: child.exitCode, output };
  }

  /** Starts `prisma …` in a separate process group, as a terminal does. */
  spawn(args: string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
    const { PRISMA_SCHEMA_ENGINE_BINARY: _, ...inherited } = process.env;
    return spawn(process.execPath, ['node_modules/prisma/build/index.js', ...args], {
      cwd: this.folder,
      // Without CHECKPOINT_DISABLE, Prisma would query the vendor's host for a newer release.
      env: { ...inherited, DATABASE_URL: this.url, CHECKPOINT_DISABLE: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
  }

  async query(statement: string): Promise<unknown[][]> {
    return query(this.url, statement);
  }

  async shadowDatabases(): Promise<string[]> {
    const databases = await this.ownDatabases();
    return databases.filter((name) => name !== this.name);
  }

  async dropDatabase(): Promise<void> {
    await runOnServer(`DROP DATABASE ${this.name} WITH (FORCE)`);
  }

  async writeMigration(name: string, sql: string): Promise<void> {
    const folder = join(this.folder, 'prisma/migrations', name);
    await mkdir(folder);
    await writeFile(join(folder, 'migration.sql'), sql);
  }

  /** Adds an optional column "pages" to the schema's model Book. */
  async addColumnToSchema(): Promise<void> {
    const schema = await readFile(this.schemaPath, 'utf8');
    await writeFile(this.schemaPath, schema.replace('title    String', '$&\n  pages Int?'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
    for (const name of await this.ownDatabases()) {
      await runOnServer(`DROP DATABASE "${name}" WITH (FORCE)`);
    }
    await runOnServer(`DROP ROLE ${this.name}`);
  }

  private async ownDatabases(): Promise<string[]> {
    const rows = await runOnServer(
      `SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = '${this.name}'`,
    );
    return rows.map(([name]) => String(name));
  }
}

function runOnServer(statement: string): Promise<unknown[][]> {
  return query(inject('databaseServerUrl'), statement);
}

async function query(url: string, statement: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<unknown[]>({ text: statement, rowMode: 'array' });
    return rows;
  } finally {
    await client.end();
  }
}
