#!/usr/bin/env bash
# Creates the files of an image with this machine's release of Debian, and with Node and npm. The
# image replaces the base image of the Dockerfile if no image registry is reachable. Usage, as
# root: base-image.sh FOLDER NODE_MAJOR
set -euo pipefail
folder=$1 node_major=$2

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
read -r mirror < <(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Release: $codename")
debootstrap --variant=minbase --include=ca-certificates "$codename" "$folder" "$mirror" > "$folder.log"
npm install --global --prefix "$folder/usr/local" --ignore-scripts npm@11 "node-linux-$(node -p process.arch)@$node_major"
# npm looks for its configuration beside Node's real path, so `node` must not be a symlink.
mv "$folder"/usr/local/lib/node_modules/node-linux-*/bin/node "$folder/usr/local/bin/node"

# In the image, npm uses the same registry and trusts the same certificates as on this machine.
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
mkdir -p "$folder/usr/local/etc"
cat > "$folder/usr/local/etc/npmrc" << EOF
registry=$(npm config get registry)
cafile=/etc/ssl/certs/ca-certificates.crt
EOF
