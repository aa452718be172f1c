import type { IncomingMessage } from 'node:http';
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  context,
  propagation,
  trace,
} from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

// nginx's status for a client that disconnected before the response.
const CLIENT_CLOSED_REQUEST = 499;

/**
 * Runs each request in a span of its own, which is a child of the caller's span (W3C trace
 * context). The span records the route's pattern, but never a path, query or header.
 */
export function traceRequests(fastify: FastifyInstance): void {
  const contexts = new WeakMap<IncomingMessage, Context>();
  fastify.addHook('onRequest', (request, reply, done) => {
    const active = startSpan(request, reply);
    contexts.set(request.raw, active);
    context.with(active, done);
  });
  // Restores the request's context, which is lost when Fastify reads the body in socket events.
  fastify.addHook('preHandler', ({ raw }, _reply, done) => {
    context.with(contexts.get(raw) ?? context.active(), done);
  });
}

function startSpan(request: FastifyRequest, reply: FastifyReply): Context {
  const parent = propagation.extract(ROOT_CONTEXT, request.headers);
  const route = request.routeOptions.url;
  const attributes = {
    'http.request.method': request.method,
    ...(route === undefined ? {} : { 'http.route': route }),
    'latchkey.request_id': request.id,
  };
  const name = route === undefined ? request.method : `${request.method} ${route}`;
  const span = trace
    .getTracer('@latchkey/tracing')
    .startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  // Fastify's `onResponse` hook does not run if the client disconnects.
  reply.raw.once('close', () => endSpan(span, reply));
  return trace.setSpan(parent, span);
}

function endSpan(span: Span, { raw }: FastifyReply): void {
  const status = raw.writableFinished ? raw.statusCode : CLIENT_CLOSED_REQUEST;
  span.setAttribute('http.response.status_code', status);
  if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
