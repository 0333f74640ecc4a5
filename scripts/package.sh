#!/usr/bin/env bash
# package.sh [VERSION]: builds dist/*.deb and dist/*.rpm. VERSION is semantic; the default counts
# the commits: 0.1.0~dev.N.
set -euo pipefail
cd "$(dirname "$0")/.."
version=${1:-${VERSION:-0.1.0-dev.$(git rev-list --count HEAD 2>/dev/null || echo 0)}}
version=${version#v}
arch=$(go env GOARCH)
rm -rf dist
mkdir -p dist/root/man
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/sqlring/sqlring/internal/api.release=$version" -o dist/root/sqlring ./cmd/sqlring
dist/root/sqlring manual dist/root/man
gzip -9n dist/root/man/*.1
gzip -9nc CHANGELOG.md >dist/root/CHANGELOG.md.gz
dist/root/sqlring completion bash >dist/root/sqlring.bash
dist/root/sqlring completion zsh >dist/root/_sqlring
dist/root/sqlring completion fish >dist/root/sqlring.fish
for packager in deb rpm; do
  SQLRING_VERSION=$version SQLRING_ARCH=$arch go tool -modfile=tools/go.mod nfpm package --config deploy/package/nfpm.yaml --packager "$packager" --target dist/
done
rm -rf dist/root
ls -l dist
