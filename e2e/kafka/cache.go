package kafka

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"path/filepath"

	"tributary/e2e/cache"
)

// pom is constant: the pinned versions, and by its hash the name of the cache.
//
//go:embed pom.xml
var pom []byte

// homeDir returns the directory of an installed version. A changed pom gives another one, so that a cache is never stale.
func homeDir(version Version) (string, error) {
	root, err := cache.Root()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(pom)
	return filepath.Join(root, hex.EncodeToString(sum[:6]), string(version)), nil
}
