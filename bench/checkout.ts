import { fileURLToPath } from 'node:url';

/** The folder of the whole project. */
export const CHECKOUT = fileURLToPath(new URL('..', import.meta.url));
