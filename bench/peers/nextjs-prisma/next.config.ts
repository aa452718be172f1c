import { fileURLToPath } from 'node:url';
import type { NextConfig } from 'next';

const config: NextConfig = {
  // Some packages are those of the checkout, above this folder's own.
  turbopack: { root: fileURLToPath(new URL('../../..', import.meta.url)) },
};

export default config;
