# syntax=docker/dockerfile:1
# The backend (target `backend`, the default) and the step that brings its database up to date (target `migrate`).

FROM node:24-bookworm-slim AS base
WORKDIR /app
ENV NODE_ENV=production

FROM base AS manifests
COPY package.json package-lock.json .npmrc ./
COPY packages/access-tokens/package.json packages/access-tokens/
COPY packages/environment/package.json packages/environment/
COPY packages/logging/package.json packages/logging/
COPY mcp-server/package.json mcp-server/

FROM manifests AS build
RUN npm ci --include=dev --omit=optional
COPY . .
RUN npm run build

FROM manifests AS production-dependencies
RUN npm ci --omit=dev --omit=optional --workspaces=false --include-workspace-root

# Runs once before the backends of a new version: docker run --rm -e DATABASE_URL latchkey-migrate
FROM build AS migrate
USER 65534:65534
CMD ["node", "node_modules/prisma/build/index.js", "migrate", "deploy"]

FROM base AS backend
COPY --from=production-dependencies /app/node_modules node_modules
COPY --from=build /app/packages packages
COPY --from=build /app/dist dist
COPY package.json .
ENV HOST=0.0.0.0 PORT=3000
USER 65534:65534
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
