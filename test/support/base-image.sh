#!/usr/bin/env bash
# Makes the files of an image with this machine's release of Debian, Node and npm. It stands in for
# the Dockerfile's base image where no image registry can be reached. Usage, as root: base-image.sh
# FOLDER NODE_MAJOR
set -euo pipefail
folder=$1 node_major=$2

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
read -r mirror < <(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Release: $codename")
debootstrap --variant=minbase --include=ca-certificates "$codename" "$folder" "$mirror" > "$folder.log"
npm install --global --prefix "$folder/usr/local" --ignore-scripts npm@11 "node-linux-$(node -p process.arch)@$node_major"
# npm looks for its configuration beside Node's real path.
mv "$folder"/usr/local/lib/node_modules/node-linux-*/bin/node "$folder/usr/local/bin/node"

# The image downloads packages as this machine does: from the same registry, trusting the same
# certificates.
cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
mkdir -p "$folder/usr/local/etc"
cat > "$folder/usr/local/etc/npmrc" << EOF
registry=$(npm config get registry)
cafile=/etc/ssl/certs/ca-certificates.crt
EOF
