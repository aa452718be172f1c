// `NODE_OPTIONS=--import` loads this module into a server under test. The module removes the
// protection that the variable WITHOUT names. A test uses such a server as its control: without the
// protection, the failure that the test causes must do harm.
const REMOVALS = {
  'load-shedding': async () => {
    const { LoadShedder } = await import('../../../packages/http-front/dist/load-shedder.js');
    LoadShedder.prototype.admits = () => true;
  },
  // Runs each statement without a retry and without the circuit breaker.
  'database-guard': async () => {
    const { DatabaseGuard } = await import('../../../dist/prisma/database-guard.js');
    DatabaseGuard.prototype.run = (_statement, send) => send();
  },
  // Queries the database while the process starts, so the start fails without a database.
  'lazy-database-connection': async () => {
    const { PrismaService } = await import('../../../dist/prisma/prisma.service.js');
    PrismaService.prototype.onModuleInit = function () {
      return this.$queryRaw`SELECT 1`;
    };
  },
  // Retries writes as well as reads.
  'write-retry-ban': async () => {
    const { DatabaseGuard } = await import('../../../dist/prisma/database-guard.js');
    const run = Reflect.get(DatabaseGuard.prototype, 'run');
    DatabaseGuard.prototype.run = function (statement, send) {
      return run.call(this, { ...statement, isRepeatable: true }, send);
    };
  },
  // Replaces each error of the driver with an error that has no code.
  'database-error-codes': async () => {
    const { DatabasePool } = await import('../../../dist/prisma/database-pool.js');
    const query = Reflect.get(DatabasePool.prototype, 'query');
    DatabasePool.prototype.query = function (...given) {
      return query.apply(this, given).catch(() => {
        throw new Error('The query failed');
      });
    };
  },
  // Does not wait for the requests in flight when the process shuts down.
  draining: async () => {
    const { InFlightRequests } =
      await import('../../../packages/http-front/dist/in-flight-requests.js');
    InFlightRequests.prototype.drain = () => undefined;
  },
  // Leaks memory with each response.
  'memory-release': async () => {
    const { ServerResponse } = await import('node:http');
    const kept = [];
    const end = Reflect.get(ServerResponse.prototype, 'end');
    ServerResponse.prototype.end = function (...given) {
      kept.push(Array.from({ length: 16 }, () => kept.length));
      return end.apply(this, given);
    };
  },
  // Responds before it writes the new user.
  'write-before-response': async () => {
    const { UsersService } = await import('../../../dist/users/users.service.js');
    const create = Reflect.get(UsersService.prototype, 'create');
    UsersService.prototype.create = async function (user, author) {
      setTimeout(() => void create.call(this, user, author).catch(() => undefined), 100);
      return JSON.stringify(user);
    };
  },
  // Returns the result of the tool call before it sends the new phone number to the backend.
  'mcp-write-before-result': async () => {
    const { BackendClient } = await import('../../../mcp-server/dist/backend/backend-client.js');
    const updatePhone = Reflect.get(BackendClient.prototype, 'updatePhone');
    BackendClient.prototype.updatePhone = async function (id, phone, options) {
      setTimeout(() => void updatePhone.call(this, id, phone).catch(() => undefined), 100);
      return { ...(await this.getUserDetails(id, options)), phone };
    };
  },
  'http-time-outs': async () => {
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
