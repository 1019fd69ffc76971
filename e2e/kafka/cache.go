package kafka

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// CacheEnv names the environment variable that overrides the cache directory.
const CacheEnv = "TRIBUTARY_E2E_CACHE"

// pom is constant: the pinned versions, and by its hash the name of the cache.
//
//go:embed pom.xml
var pom []byte

// cacheRoot returns the directory that holds everything kept between runs, and creates it.
func cacheRoot() (string, error) {
	root := os.Getenv(CacheEnv)
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the cache directory (%s sets another): %w", CacheEnv, err)
		}
		root = filepath.Join(user, "tributary-e2e")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("resolve the cache directory: %w", err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("create the cache directory: %w", err)
	}
	return root, nil
}

// homeDir returns the directory of an installed version. A changed pom gives another one, so that a cache is never stale.
func homeDir(version Version) (string, error) {
	root, err := cacheRoot()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(pom)
	return filepath.Join(root, hex.EncodeToString(sum[:6]), string(version)), nil
}

// lockFile takes an exclusive lock that other processes respect, and that the kernel drops if this one dies.
// It waits until ctx ends. Closing the file gives the lock back.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		file, err := tryLockFile(path)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return file, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", path, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// tryLockFile is lockFile without the wait: the error is EWOULDBLOCK where another holds the lock.
func tryLockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return file, nil
}
