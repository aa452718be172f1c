import { DeclaredAccess } from './declared-access.js';

/** Opens a route to everybody. */
export const Public = () => DeclaredAccess({ kind: 'public' });
