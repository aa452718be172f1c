import type { FastifyInstance, FastifyRequest } from 'fastify';
import findMyWay, { type HTTPMethod } from 'find-my-way';
import { ProblemException } from './problem.js';

/** Remembers which methods each path has, with the router that Fastify itself uses, to tell 405 from 404. */
export class RouteTable {
  private readonly router = findMyWay();
  private readonly methods = new Set<HTTPMethod>();

  /** Watches the routes that are registered from now on. */
  constructor(fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) this.add(each, url);
    });
  }

  /** Says why no route took the request: wrong path (404), or wrong method (405 with `Allow`). */
  explainMiss(request: FastifyRequest): ProblemException {
    const path = request.url.split('?', 1)[0] ?? '/';
    const allowed = [...this.methods].filter((method) => this.router.find(method, path) !== null);
    if (allowed.length === 0) return new ProblemException('ROUTE_NOT_FOUND');
    return new ProblemException('METHOD_NOT_ALLOWED', {}, { allow: allowed.join(', ') });
  }

  private add(method: string, path: string): void {
    if (!isHttpMethod(method) || this.router.hasRoute(method, path)) return;
    this.methods.add(method);
    this.router.on(method, path, () => undefined);
  }
}

function isHttpMethod(method: string): method is HTTPMethod {
  return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method);
}
