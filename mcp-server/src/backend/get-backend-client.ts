import { parseBackendEnvironment } from '../config/environment.js';
import { BackendClient } from './backend-client.js';

let client: BackendClient | undefined;

/**
 * The client for programs without Nest, configured by the environment variables: the same one each
 * time, so that all callers share its connections.
 * @throws EnvironmentError
 */
export function getBackendClient(): BackendClient {
  client ??= new BackendClient(parseBackendEnvironment(process.env));
  return client;
}
