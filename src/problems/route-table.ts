import type { FastifyInstance, FastifyRequest } from 'fastify';
import findMyWay, { type HTTPMethod } from 'find-my-way';
import { ProblemException, sendProblem } from './problem.js';

const METHODS: HTTPMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Records the methods of each path, and responds with 404 or 405 to requests without a route. */
export class RouteTable {
  private readonly router = findMyWay({ maxParamLength: Infinity });
  /** The methods of paths without parameters. Routes with parameters must not serve these paths. */
  private readonly fixedPaths = new Map<string, string[]>();

  /** Records routes that are registered after this call, and refuses requests without a route. */
  constructor(fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const each of METHODS) {
        if (![method].flat().includes(each) || this.router.hasRoute(each, url)) continue;
        this.router.on(each, url, () => undefined);
        if (/[:*]/.test(url)) continue;
        this.fixedPaths.set(url, [...(this.fixedPaths.get(url) ?? []), each]);
      }
    });
    // Runs before the body is read, so that an invalid body does not change the response.
    fastify.addHook('onRequest', (request, reply, done) => {
      if (!request.is404 && !hasEmptyParameter(request) && !this.isShadowed(request)) done();
      else sendProblem(reply, this.toNotFoundOrMethodNotAllowed(request));
    });
  }

  /** Returns the problem of a request without a handler: 404, or 405 with `Allow`. */
  toNotFoundOrMethodNotAllowed(request: FastifyRequest): ProblemException {
    const path = pathOf(request);
    const allowed: string[] =
      this.fixedPaths.get(path) ??
      METHODS.filter((method) => this.router.find(method, path) !== null);
    if (allowed.length === 0 || allowed.includes(request.method)) {
      return new ProblemException('ROUTE_NOT_FOUND');
    }
    return new ProblemException('METHOD_NOT_ALLOWED', {}, { allow: allowed.join(', ') });
  }

  /**
   * Whether the path is a fixed path that does not support the method. For example,
   * `GET /users/search` matches `/users/:id`, although `/users/search` is a route for POST only.
   */
  private isShadowed(request: FastifyRequest): boolean {
    return this.fixedPaths.get(pathOf(request))?.includes(request.method) === false;
  }
}

function pathOf({ url }: FastifyRequest): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

/** Nest refuses empty parameters too, but only after reading the body. */
function hasEmptyParameter({ params }: FastifyRequest): boolean {
  const values: Readonly<Record<string, unknown>> = Object(params);
  for (const name in values) if (values[name] === '' && name !== '*') return true;
  return false;
}
