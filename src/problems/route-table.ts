import type { FastifyInstance, FastifyRequest } from 'fastify';
import findMyWay, { type HTTPMethod } from 'find-my-way';
import { ProblemException } from './problem.js';

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
] as const satisfies HTTPMethod[];

/** Remembers which methods each path has, with the router that Fastify itself uses, to tell 405 from 404. */
export class RouteTable {
  private readonly router = findMyWay({ maxParamLength: Infinity });

  /** Watches the routes that are registered from now on. */
  constructor(fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const each of METHODS) {
        if (![method].flat().includes(each) || this.router.hasRoute(each, url)) continue;
        this.router.on(each, url, () => undefined);
      }
    });
  }

  /** Says why nothing took the request: wrong path (404), or wrong method (405 with `Allow`). */
  explainMiss(request: FastifyRequest): ProblemException {
    const path = request.url.split('?', 1)[0] ?? '/';
    const allowed: string[] = METHODS.filter((method) => this.router.find(method, path) !== null);
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return new ProblemException('ROUTE_NOT_FOUND');
    }
    return new ProblemException('METHOD_NOT_ALLOWED', {}, { allow: allowed.join(', ') });
  }
}
