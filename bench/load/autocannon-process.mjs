// Reads a load as JSON from stdin, runs it, and prints the result. It is a separate process so that
// it can be pinned to a core.
import { json } from 'node:stream/consumers';
import autocannon from 'autocannon';

const { origin, request, connections, seconds } = await json(process.stdin);

const result = await autocannon({
  url: origin,
  connections,
  duration: seconds,
  requests: [{ method: request.method, body: request.body, setupRequest: withRandomValue }],
});

const { latency, requests, non2xx, errors, timeouts } = result;
console.log(
  JSON.stringify({
    requests: requests.total,
    requestsPerSecond: requests.total / result.duration,
    errors: non2xx + errors + timeouts,
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    p999Ms: latency.p99_9,
  }),
);

function withRandomValue(prepared) {
  const value = request.values[Math.floor(Math.random() * request.values.length)];
  const headers = Object.entries(request.headers).map(([name, text]) => [
    name,
    text.replaceAll('{value}', value),
  ]);
  return {
    ...prepared,
    path: request.path.replaceAll('{value}', value),
    headers: Object.fromEntries(headers),
  };
}
