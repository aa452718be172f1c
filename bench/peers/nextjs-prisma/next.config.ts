import { fileURLToPath } from 'node:url';
import type { NextConfig } from 'next';

const config: NextConfig = {
  // Some packages are in the node_modules of the repository root.
  turbopack: { root: fileURLToPath(new URL('../../..', import.meta.url)) },
};

export default config;
