#!/usr/bin/env bash
# Tries the images where no Docker daemon runs: carries out the Dockerfiles' steps in a temporary folder and runs the
# results as compose.yaml would, from the migration to an answer of a tool. It listens on loopback only.
# Needs Linux, root, npm ci, curl, psql, and a PostgreSQL server on which it makes a database and drops it:
#   DATABASE_URL=postgresql://postgres@127.0.0.1:5432/postgres deploy/try-without-docker.sh
set -euo pipefail
cd "$(dirname "$0")/.."
: "${DATABASE_URL:?names the PostgreSQL server}"
backend_port=${BACKEND_PORT:-39600}
mcp_port=${MCP_PORT:-39601}

work=$(mktemp -d)
secrets=$work/secrets
database=latchkey_trial_$$
account=${database}_backend
pids=()

clean_up() {
  for pid in "${pids[@]}"; do stop "$pid"; done
  psql -q "$DATABASE_URL" -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "DROP ROLE IF EXISTS $account"
  psql -q "$DATABASE_URL" -c 'DROP ROLE IF EXISTS latchkey_run_time' || echo 'another database has the run-time role, too'
  rm -rf "$work"
  [[ -z ${MEMORY_GROUP:-} ]] || rmdir "$MEMORY_GROUP"
}

# As Docker does: SIGTERM, and SIGKILL after ten seconds.
stop() {
  kill "$1" || return 0
  for _ in {1..100}; do
    kill -0 "$1" 2> "$work/kill" || return 0
    sleep 0.1
  done
  echo "$1 did not end by itself" >&2
  kill -KILL "$1"
}
trap clean_up EXIT

# The memory controller's folder, in the old or the new layout of control groups. Without one there is no limit.
limit_memory() {
  local group limit_file=memory.limit_in_bytes
  group=/sys/fs/cgroup/memory/latchkey-trial-$$
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    group=/sys/fs/cgroup/latchkey-trial-$$ limit_file=memory.max
  fi
  mkdir "$group"
  if echo $((256 << 20)) > "$group/$limit_file"; then
    export MEMORY_GROUP=$group
  else
    rmdir "$group"
    echo 'no control group: the memory is not limited'
  fi
}

build() {
  mkdir "$work/$2"
  npm_config_loglevel=error node --import tsx deploy/trial/build-image.ts "$1" "$2" "$work/$2"
}

make_secrets() {
  mkdir "$secrets"
  node -p "const url = new URL(process.env.DATABASE_URL); url.pathname = '$database'; url.href" > "$secrets/owner-database-url"
  node -p "const url = new URL(process.env.DATABASE_URL); url.pathname = '$database'; url.username = '$account';
    url.password = '$(openssl rand -hex 32)'; url.href" > "$secrets/database-url"
  openssl rand -hex 32 > "$secrets/internal-api-key"
  openssl rand -hex 32 > "$secrets/jwt-secret"
  chmod 444 "$secrets"/*
}

# As deploy/README.md has it.
issue_mcp_server_key() {
  curl --silent --fail --max-time 10 "http://127.0.0.1:$backend_port/api/internal/api-keys" \
    -H "X-API-Key: $(cat "$secrets/internal-api-key")" -H 'Content-Type: application/json' \
    -d '{"name":"mcp-server","scopes":["users:read","users:write","accounts:read"],"writeFields":["phone"],
      "readFields":["email","name","phone","roles","permissions","createdAt","lastLoginAt"]}' |
    node -p 'JSON.parse(fs.readFileSync(0)).secret' > "$secrets/mcp-server-key"
  chmod 444 "$secrets/mcp-server-key"
}

# Becomes the process, so that $! is its id: call it in a subshell or in the background.
run_image() {
  exec deploy/trial/run-image.sh "$work/$1" "$1" "$2" "$secrets" "${@:3}"
}

# Starts a service and waits until the image's own health check passes.
serve() {
  local target=$1 log=$work/$1.log
  run_image "$target" command "${@:2}" > "$log" 2>&1 &
  pids+=($!)
  for _ in {1..50}; do
    if (run_image "$target" healthCheck "${@:2}"); then
      echo "$target is healthy:" $(grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|VmHWM)' "/proc/$!/status")
      return
    fi
    sleep 0.2
  done
  cat "$log"
  return 1
}

call_tool_server() {
  curl --silent --fail --max-time 10 "http://127.0.0.1:$mcp_port/mcp" \
    -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    -H 'Accept: application/json, text/event-stream' -d "$1"
}

expect() {
  if [[ $2 != *"$1"* ]]; then
    echo "expected $1 in: $2" >&2
    return 1
  fi
  echo "found: $1"
}

build Dockerfile migrate
build Dockerfile backend
build mcp-server/Dockerfile mcp-server
for target in migrate backend mcp-server; do
  echo "$target: $(du -sm "$work/$target/$target" | cut -f1) MiB on top of the base image," \
    "of which node_modules $(du -sm "$work/$target/$target/app/node_modules" | cut -f1) MiB"
done

limit_memory
make_secrets
psql -q "$DATABASE_URL" -c "CREATE DATABASE $database"
(run_image migrate command DATABASE_URL_FILE=/run/secrets/owner-database-url \
  RUN_TIME_DATABASE_URL_FILE=/run/secrets/database-url)

issuer=https://issuer.example.test
public_url=https://mcp.example.test/mcp
common=(HOST=127.0.0.1 JWT_SECRET_FILE=/run/secrets/jwt-secret "JWT_ISSUER=$issuer")
serve backend "${common[@]}" "PORT=$backend_port" DATABASE_URL_FILE=/run/secrets/database-url \
  INTERNAL_API_KEY_FILE=/run/secrets/internal-api-key AUTH_TOKEN_AUDIENCE=https://api.example.test
issue_mcp_server_key
serve mcp-server "${common[@]}" "MCP_PORT=$mcp_port" "MCP_PUBLIC_URL=$public_url" \
  INTERNAL_API_KEY_FILE=/run/secrets/mcp-server-key "BACKEND_API_URL=http://127.0.0.1:$backend_port"

psql -q "$(cat "$secrets/owner-database-url")" << 'SQL'
INSERT INTO users (id, email, name, permissions, updated_at)
  VALUES ('12345', 'user@example.com', 'John Doe', '{read}', now());
INSERT INTO accounts (id, user_id, type, currency, balance, updated_at)
  VALUES ('1', '12345', 'checking', 'USD', 1234.56, now());
SQL
# Tokens for trials are refused in production, so it is made outside the image.
token=$(NODE_ENV=development INTERNAL_API_KEY_FILE=$secrets/mcp-server-key JWT_SECRET_FILE=$secrets/jwt-secret \
  JWT_ISSUER=$issuer MCP_PUBLIC_URL=$public_url node "$work/mcp-server/build/app/mcp-server/dist/mint-token.js" 12345)
expect get_balance "$(call_tool_server '{"jsonrpc":"2.0","id":1,"method":"tools/list"}')"
expect 'Hello John Doe! Your checking balance is' "$(call_tool_server \
  '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_balance","arguments":{"account_type":"checking"}}}')"
