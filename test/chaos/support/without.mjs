// Loaded into a backend under test: takes out the protection that WITHOUT names, for the controls.
const REMOVALS = {
  'load-shedding': async () => {
    const { LoadShedding } = await import('../../../dist/http/load-shedding.js');
    LoadShedding.prototype.protect = () => undefined;
  },
  'database-gate': async () => {
    const { DatabaseGate } = await import('../../../dist/prisma/database-gate.js');
    DatabaseGate.prototype.pass = (_statement, send) => send();
  },
  draining: async () => {
    const { Draining } = await import('@latchkey/shutdown/draining');
    Draining.prototype.begin = () => undefined;
  },
  'time-outs': async () => {
    const { Server } = await import('node:http');
    const listen = Reflect.get(Server.prototype, 'listen');
    Server.prototype.listen = function (...given) {
      Object.assign(this, { headersTimeout: 0, requestTimeout: 0, keepAliveTimeout: 0 });
      return listen.apply(this, given);
    };
  },
};

await REMOVALS[process.env.WITHOUT]?.();
