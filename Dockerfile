# The backend (target `backend`, the default) and the step that brings its database up to date (target `migrate`).
# Pin the base image by digest where you build: docker buildx imagetools inspect node:24-bookworm-slim

FROM node:24-bookworm-slim AS base
WORKDIR /app
ENV NODE_ENV=production

FROM base AS manifests
COPY package.json package-lock.json .npmrc ./
COPY packages/access-tokens/package.json packages/access-tokens/
COPY packages/connections/package.json packages/connections/
COPY packages/environment/package.json packages/environment/
COPY packages/http-front/package.json packages/http-front/
COPY packages/logging/package.json packages/logging/
COPY packages/metrics/package.json packages/metrics/
COPY packages/tracing/package.json packages/tracing/
COPY mcp-server/package.json mcp-server/

FROM manifests AS build
# Optional ones too: the program of esbuild is one.
RUN npm ci --include=dev --ignore-scripts
COPY . .
RUN npm run build
# Nothing reads these at run time, here and below.
RUN find dist packages/*/dist -type f '(' -name '*.map' -o -name '*.d.ts' -o -name '*.tsbuildinfo' ')' -delete

FROM manifests AS production-dependencies
RUN npm ci --omit=dev --omit=optional --ignore-scripts --include-workspace-root \
    -w @latchkey/access-tokens -w @latchkey/connections -w @latchkey/environment \
    -w @latchkey/http-front -w @latchkey/logging -w @latchkey/metrics -w @latchkey/tracing
RUN find node_modules -type f '(' -name '*.map' -o -name '*.d.*ts' -o -name '*.d.ts' ')' -delete
# Prisma brings the query compilers of all databases, each twice.
RUN find node_modules/@prisma/client/runtime -name 'query_compiler_*' \
    ! -name 'query_compiler_small_bg.postgresql.*' -delete

FROM base AS migration-dependencies
COPY package.json package-lock.json .npmrc deploy/migration/select-dependencies.mjs ./
# Not `npm ci`, which wants a lock file without further packages; what is left has the lock file's versions.
RUN node select-dependencies.mjs && npm install --omit=dev --ignore-scripts

# Runs once before the backends of a new version start.
FROM base AS migrate
COPY --from=migration-dependencies /app/node_modules node_modules
COPY package.json ./
COPY prisma prisma
COPY deploy/migration/prisma.config.mjs deploy/migration/
COPY deploy/database deploy/database
# Prisma asks its vendor's host for news otherwise.
ENV CHECKPOINT_DISABLE=1
USER 65534:65534
HEALTHCHECK NONE
CMD ["node", "deploy/database/migrate.mjs"]

FROM base AS backend
COPY --from=production-dependencies /app/node_modules node_modules
COPY --from=production-dependencies /app/packages packages
COPY --from=build /app/packages/access-tokens/dist packages/access-tokens/dist
COPY --from=build /app/packages/connections/dist packages/connections/dist
COPY --from=build /app/packages/environment/dist packages/environment/dist
COPY --from=build /app/packages/http-front/dist packages/http-front/dist
COPY --from=build /app/packages/logging/dist packages/logging/dist
COPY --from=build /app/packages/metrics/dist packages/metrics/dist
COPY --from=build /app/packages/tracing/dist packages/tracing/dist
COPY --from=build /app/dist dist
COPY package.json ./
ENV HOST=0.0.0.0 PORT=3000
USER 65534:65534
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# docs/decisions/0028-heap.md
ENV MALLOC_ARENA_MAX=2
CMD ["node", "--max-semi-space-size=8", "--v8-pool-size=1", "dist/main.js"]
