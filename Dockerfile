# Builds three images: the servers `backend` and `mcp-server`, and `migrate`, which migrates the
# database before a new version of the servers starts. In your builds, pin the base image by the
# digest that this command prints: docker buildx imagetools inspect node:24-bookworm-slim

FROM node:24-bookworm-slim AS base
WORKDIR /app
ENV NODE_ENV=production

FROM base AS package-manifests
COPY packages packages
RUN find packages -mindepth 2 ! -name package.json -delete

# Only manifests, so that Docker repeats the installation only when a manifest changes.
FROM base AS manifests
COPY package.json package-lock.json .npmrc ./
COPY mcp-server/package.json mcp-server/
COPY --from=package-manifests /app/packages packages

FROM manifests AS build
# Includes the optional dependencies, because esbuild's binary is one of them.
RUN npm ci --include=dev --ignore-scripts
COPY . .
RUN npm run build
# The servers do not read these files at run time.
RUN find dist mcp-server/dist packages/*/dist -type f \
    '(' -name '*.map' -o -name '*.d.ts' -o -name '*.tsbuildinfo' ')' -delete
RUN rm -rf packages/prisma-schema-engine packages/*/node_modules packages/*/src packages/*/tsconfig.build.json

FROM manifests AS service-manifests
RUN rm -r packages/prisma-schema-engine

FROM service-manifests AS backend-dependencies
RUN npm ci --omit=dev --omit=optional --ignore-scripts --include-workspace-root -w packages
RUN find node_modules -type f '(' -name '*.map' -o -name '*.d.*ts' -o -name '*.d.ts' ')' -delete
# Prisma ships two query compilers per database. The backend uses only the small one for PostgreSQL.
RUN find node_modules/@prisma/client/runtime -name 'query_compiler_*' \
    ! -name 'query_compiler_small_bg.postgresql.*' -delete

FROM service-manifests AS mcp-server-dependencies
RUN npm ci --omit=dev --omit=optional --ignore-scripts -w mcp-server -w packages
RUN find node_modules -type f '(' -name '*.map' -o -name '*.d.*ts' -o -name '*.d.ts' ')' -delete

FROM manifests AS migrate-dependencies
RUN npm ci --omit=dev --ignore-scripts -w packages/prisma-schema-engine

FROM base AS migrate
COPY --from=migrate-dependencies /app/node_modules node_modules
COPY package.json prisma.config.ts ./
COPY packages/prisma-schema-engine packages/prisma-schema-engine
COPY packages/environment/src packages/environment/src
COPY --from=build /app/packages/environment/dist packages/environment/dist
COPY prisma prisma
COPY deploy/database deploy/database
# Keeps Prisma's CLI from asking Prisma's server for a newer version.
ENV CHECKPOINT_DISABLE=1
USER 65534:65534
HEALTHCHECK NONE
CMD ["node", "deploy/database/migrate.mjs"]

FROM base AS mcp-server
COPY --from=mcp-server-dependencies /app ./
COPY --from=build /app/packages packages
COPY --from=build /app/mcp-server/dist mcp-server/dist
ENV HOST=0.0.0.0 MCP_PORT=3001
USER 65534:65534
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MCP_PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "mcp-server/dist/bundle/main.js"]

FROM base AS backend
COPY --from=backend-dependencies /app ./
COPY --from=build /app/packages packages
COPY --from=build /app/dist dist
ENV HOST=0.0.0.0 PORT=3000
USER 65534:65534
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# docs/decisions/0028-heap.md explains these settings.
ENV MALLOC_ARENA_MAX=2
CMD ["node", "--max-semi-space-size=8", "--v8-pool-size=1", "dist/bundle/main.js"]
