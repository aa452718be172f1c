// Loaded into a server under test: removes the protection that WITHOUT names, for the controls.
const REMOVALS = {
  'load-shedding': async () => {
    const { LoadShedder } = await import('../../../packages/http-front/dist/load-shedder.js');
    LoadShedder.prototype.admits = () => true;
  },
  'database-guard': async () => {
    const { DatabaseGuard } = await import('../../../dist/prisma/database-guard.js');
    DatabaseGuard.prototype.run = (_statement, send) => send();
  },
  // Queries the database while the process starts.
  'late-connection': async () => {
    const { PrismaService } = await import('../../../dist/prisma/prisma.service.js');
    PrismaService.prototype.onModuleInit = function () {
      return this.$queryRaw`SELECT 1`;
    };
  },
  // Repeats writes like reads.
  'single-writes': async () => {
    const { DatabaseGuard } = await import('../../../dist/prisma/database-guard.js');
    const run = Reflect.get(DatabaseGuard.prototype, 'run');
    DatabaseGuard.prototype.run = function (statement, send) {
      return run.call(this, { ...statement, isRepeatable: true }, send);
    };
  },
  // Drops the details of driver errors.
  'error-codes': async () => {
    const { DatabasePool } = await import('../../../dist/prisma/database-pool.js');
    const query = Reflect.get(DatabasePool.prototype, 'query');
    DatabasePool.prototype.query = function (...given) {
      return query.apply(this, given).catch(() => {
        throw new Error('The query failed');
      });
    };
  },
  draining: async () => {
    const { InFlightRequests } =
      await import('../../../packages/http-front/dist/in-flight-requests.js');
    InFlightRequests.prototype.drain = () => undefined;
  },
  // Leaks the memory of each request.
  tidiness: async () => {
    const { ServerResponse } = await import('node:http');
    const kept = [];
    const end = Reflect.get(ServerResponse.prototype, 'end');
    ServerResponse.prototype.end = function (...given) {
      kept.push(Array.from({ length: 16 }, () => kept.length));
      return end.apply(this, given);
    };
  },
  // Acknowledges a new user immediately, and writes it later.
  durability: async () => {
    const { UsersService } = await import('../../../dist/users/users.service.js');
    const create = Reflect.get(UsersService.prototype, 'create');
    UsersService.prototype.create = async function (user, author) {
      setTimeout(() => void create.call(this, user, author).catch(() => undefined), 100);
      return JSON.stringify(user);
    };
  },
  // Acknowledges a new phone number immediately, and writes it later.
  'mcp-durability': async () => {
    const { BackendClient } = await import('../../../mcp-server/dist/backend/backend-client.js');
    const updatePhone = Reflect.get(BackendClient.prototype, 'updatePhone');
    BackendClient.prototype.updatePhone = async function (id, phone, options) {
      setTimeout(() => void updatePhone.call(this, id, phone).catch(() => undefined), 100);
      return { ...(await this.getUserDetails(id, options)), phone };
    };
  },
  'time-outs': async () => {
    const { Server } = await import('node:http');
    const listen = Reflect.get(Server.prototype, 'listen');
    Server.prototype.listen = function (...given) {
      Object.assign(this, {
        headersTimeout: 0,
        requestTimeout: 0,
        keepAliveTimeout: 0,
        timeout: 0,
      });
      return listen.apply(this, given);
    };
  },
};

await REMOVALS[process.env.WITHOUT]?.();
